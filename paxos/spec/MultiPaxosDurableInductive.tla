--------------------- MODULE MultiPaxosDurableInductive ---------------------
(* The inductive invariant of MultiPaxosDurable, by the names that its parts have in the model   *)
(* of the log with crashes in paxos/proof: those of SynodDurable for each slot, those of         *)
(* MultiPaxos, and that a leader knows what it announced. learned_won is LearnedIsChosen.        *)
EXTENDS MultiPaxosDurable

Places(a) == 1..Len(queue[a])
Tells(e) == e.kind \in {"campaign", "promise"}
Votes(e) == e.kind = "accepted"
Won(s, d) == \E w \in Chosen : w[1] = s /\ w[3] = d
\* Whether v, in slot s, is a vote that b allows, or a copy of what was chosen, or none.
Real(v, s, b) ==
  CASE v = NoVote -> TRUE
    [] v[1] = Copied -> Won(s, v[2])
    [] OTHER -> <<s, v[1], v[2]>> \in accepts /\ b >= v[1]

durable_entry == \A a \in Acceptor : \A i \in Places(a) : promised[a] <= queue[a][i].promised
entry_entry == \A a \in Acceptor : \A i, j \in Places(a) :
  i < j => queue[a][i].promised <= queue[a][j].promised
entry_memory == \A a \in Acceptor : \A i \in Places(a) : queue[a][i].promised <= Promised(a)
durable_memory == \A a \in Acceptor : promised[a] <= Promised(a)
durable_latest == \A a \in Acceptor : \A w \in cast[a] : w[2] <= accepted[a][w[1]][1]
entry_latest == \A a \in Acceptor : \A w \in cast[a], i \in Places(a) :
  w[2] <= queue[a][i].accepted[w[1]][1]
memory_latest == \A a \in Acceptor : \A w \in cast[a] : w[2] <= Accepted(a)[w[1]][1]
entry_before_entry == \A a \in Acceptor : \A i, j \in Places(a) : LET e == queue[a][i] IN
  i < j /\ Votes(e) => e.accepted[e.slot][1] <= queue[a][j].accepted[e.slot][1]
entry_itself == \A a \in Acceptor : \A i \in Places(a) : LET e == queue[a][i] IN
  Votes(e) => e.accepted[e.slot][1] = e.promised
entry_before_memory == \A a \in Acceptor : \A i \in Places(a) : LET e == queue[a][i] IN
  Votes(e) => e.accepted[e.slot][1] <= Accepted(a)[e.slot][1]
report_votes == \A a \in Acceptor : \A i \in Places(a), w \in cast[a] : LET e == queue[a][i] IN
  Tells(e) /\ w[1] >= e.chosen /\ w[2] < e.promised => w[2] <= e.report[w[1]][1]
report_entry == \A a \in Acceptor : \A i, j \in Places(a) :
  LET e == queue[a][i]
      f == queue[a][j]
  IN i < j /\ Votes(e) /\ Tells(f) /\ e.slot >= f.chosen
       => e.accepted[e.slot][1] <= f.report[e.slot][1]
report_true == \A a \in Acceptor : \A i \in Places(a), s \in Slot : LET e == queue[a][i] IN
  Tells(e) => Real(e.report[s], s, e.promised)
entry_proposed == \A a \in Acceptor : \A i \in Places(a), s \in Slot :
  Real(queue[a][i].accepted[s], s, queue[a][i].promised)
durable_proposed == \A a \in Acceptor, s \in Slot : Real(accepted[a][s], s, promised[a])
memory_proposed == \A a \in Acceptor, s \in Slot : Real(Accepted(a)[s], s, Promised(a))
prepare_covered == \A b \in prepares : promised[Owner[b]] >= b
promise_covered == \A m \in promises : promised[m.acc] >= m.bal
vote_covered == \A a \in Acceptor : \A w \in cast[a] : promised[a] >= w[2]
promise_asked == \A m \in promises : m.bal \in prepares
entry_asked == \A a \in Acceptor : \A i \in Places(a) :
  queue[a][i].kind = "promise" => queue[a][i].promised \in prepares
entry_own == \A a \in Acceptor : \A i \in Places(a) :
  queue[a][i].kind = "campaign" => a = Owner[queue[a][i].promised]
\* A ballot is led once, and its leader knows what it proposed and announced.
lead_own == \A a \in Acceptor : lead[a] # -1 => a = Owner[lead[a]] /\ Promised(a) >= lead[a]
lead_mine == \A a \in Acceptor : \A w \in accepts : w[2] = lead[a] => w[1] \in mine[a]
lead_announced == \A a \in Acceptor : \A m \in announced :
  m[1] = lead[a] => \A s \in Slot : s < m[2] => Knows(a, s)
proposal_covered == \A w \in accepts : promised[Owner[w[2]]] >= w[2]
announced_covered == \A m \in announced : promised[Owner[m[1]]] >= m[1]
promise_reports == \A m \in promises : \A w \in cast[m.acc] :
  w[1] >= m.chosen /\ w[2] < m.bal => w[2] <= m.votes[w[1]][1]
promise_true == \A m \in promises : \A s \in Slot : Real(m.votes[s], s, m.bal)
vote_proposed == \A a \in Acceptor : cast[a] \subseteq accepts
proposal_decree == \A w \in accepts : w[3] \in Decree
announced_won == \A m \in announced : \A w \in accepts :
  w[2] = m[1] /\ w[1] < m[2] => Won(w[1], w[3])
=============================================================================
