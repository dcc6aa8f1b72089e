------------------------ MODULE SynodDurableInductive -----------------------
(* The inductive invariant of SynodDurable, by the names that its parts have in the model of     *)
(* that name in paxos/proof. What is durable, what waits in the queue and what memory says grow  *)
(* in this order; what waits is true when it leaves.                                             *)
EXTENDS SynodDurable

Places(a) == 1..Len(queue[a])
Tells(e) == e.kind \in {"campaign", "promise"}
Proposed(v, b) == v = NoVote \/ (v \in accepts /\ b >= v[1])

\* Promises grow from the disk through the queue to memory.
durable_entry == \A a \in Acceptor : \A i \in Places(a) : promised[a] <= queue[a][i].promised
entry_entry == \A a \in Acceptor : \A i, j \in Places(a) :
  i < j => queue[a][i].promised <= queue[a][j].promised
entry_memory == \A a \in Acceptor : \A i \in Places(a) : queue[a][i].promised <= Promised(a)
durable_memory == \A a \in Acceptor : promised[a] <= Promised(a)
\* So do the latest votes, among those that left and those that will have left by then.
durable_latest == \A a \in Acceptor : \A w \in votes[a] : w[1] <= accepted[a][1]
entry_latest == \A a \in Acceptor : \A w \in votes[a], i \in Places(a) :
  w[1] <= queue[a][i].accepted[1]
memory_latest == \A a \in Acceptor : \A w \in votes[a] : w[1] <= Accepted(a)[1]
entry_before_entry == \A a \in Acceptor : \A i, j \in Places(a) :
  i < j /\ queue[a][i].kind = "accepted" => queue[a][i].accepted[1] <= queue[a][j].accepted[1]
entry_itself == \A a \in Acceptor : \A i \in Places(a) :
  queue[a][i].kind = "accepted" => queue[a][i].accepted[1] = queue[a][i].promised
entry_before_memory == \A a \in Acceptor : \A i \in Places(a) :
  queue[a][i].kind = "accepted" => queue[a][i].accepted[1] <= Accepted(a)[1]
\* A report that waits hides no vote that left, and none that will leave before it.
report_votes == \A a \in Acceptor : \A i \in Places(a), w \in votes[a] :
  Tells(queue[a][i]) /\ w[1] < queue[a][i].promised => w[1] <= queue[a][i].report[1]
report_entry == \A a \in Acceptor : \A i, j \in Places(a) :
  i < j /\ queue[a][i].kind = "accepted" /\ Tells(queue[a][j])
    => queue[a][i].accepted[1] <= queue[a][j].report[1]
report_true == \A a \in Acceptor : \A i \in Places(a) : LET e == queue[a][i] IN
  Tells(e) /\ e.report # NoVote => e.report \in accepts /\ e.report[1] < e.promised
entry_proposed == \A a \in Acceptor : \A i \in Places(a) :
  Proposed(queue[a][i].accepted, queue[a][i].promised)
durable_proposed == \A a \in Acceptor : Proposed(accepted[a], promised[a])
memory_proposed == \A a \in Acceptor : Proposed(Accepted(a), Promised(a))
\* What left is covered by what is durable.
prepare_covered == \A b \in prepares : promised[Owner[b]] >= b
promise_covered == \A m \in promises : promised[m.acc] >= m.bal
vote_covered == \A a \in Acceptor : \A w \in votes[a] : promised[a] >= w[1]
promise_asked == \A m \in promises : m.bal \in prepares
entry_asked == \A a \in Acceptor : \A i \in Places(a) :
  queue[a][i].kind = "promise" => queue[a][i].promised \in prepares
entry_own == \A a \in Acceptor : \A i \in Places(a) :
  queue[a][i].kind = "campaign" => a = Owner[queue[a][i].promised]
\* A ballot is led once.
lead_own == \A a \in Acceptor : lead[a] # -1 => a = Owner[lead[a]] /\ Promised(a) >= lead[a]
lead_fresh == \A a \in Acceptor : \A w \in accepts : w[1] # lead[a]
proposal_covered == \A w \in accepts : promised[Owner[w[1]]] >= w[1]
\* As in Synod.
promise_reports == \A m \in promises : \A w \in votes[m.acc] : w[1] < m.bal => w[1] <= m.vote[1]
promise_true == \A m \in promises : m.vote # NoVote => m.vote \in accepts /\ m.vote[1] < m.bal
vote_proposed == \A a \in Acceptor : votes[a] \subseteq accepts
SafeAt == \A w \in accepts : \A c \in 0..(w[1] - 1) : \E p \in Quorum1 : \A a \in p :
  \/ <<c, w[2]>> \in votes[a]
  \/ promised[a] > c /\ \A x \in votes[a] : x[1] # c
=============================================================================
