---------------------------- MODULE SynodDurable ----------------------------
(* Synod with crashes. What a node knows is in memory; what it wrote but did not sync is lost in *)
(* a crash; leadership is never written. The rule that makes this harmless: a message that       *)
(* claims something (Prepare, Promise, Accepted) leaves only when all records written before it  *)
(* are durable. An Accept claims nothing and leaves at once.                                     *)
(*                                                                                               *)
(* A step appends one entry to the node's queue: the state after it, and the claim that waits.   *)
(* Sync makes the oldest entry durable and releases its claim. A crash that keeps some un-synced *)
(* entries is Sync of those, then Crash: the claims so released are messages that get lost. Nor  *)
(* is there a state of being down: a node that is down is one that does nothing.                 *)
EXTENDS Integers, Sequences, FiniteSets
CONSTANTS Acceptor, Quorum1, Quorum2, Ballot,
          Owner,      \* Owner[b]: the one node that may lead ballot b
          Fragile,    \* the nodes that may crash; the others sync at once, as a late sync of a
                      \* node that never crashes is a late message
          Crashes,    \* how often nodes crash at most, all together
          Broken
VARIABLES promised, accepted,   \* the durable state
          queue,                \* queue[a]: what a wrote since, with the claims that wait for it
          lead,                 \* lead[a]: the ballot that a leads and has not proposed in, or -1
          prepares, promises, accepts, votes,
          crashed               \* how often nodes have crashed
durable == <<promised, accepted>>
network == <<prepares, promises, accepts, votes>>
vars == <<durable, queue, lead, network, crashed>>

NoVote == <<-1, "none">>
\* A free choice is marked by the ballot and by how often nodes crashed before it, so that any
\* two free choices differ: the worst case for agreement, and fewer states than a choice.
Value == Ballot \X (0..Crashes)
QuorumIntersection == \A p \in Quorum1, q \in Quorum2 : p \cap q # {}

Init == /\ promised = [a \in Acceptor |-> -1]
        /\ accepted = [a \in Acceptor |-> NoVote]
        /\ queue = [a \in Acceptor |-> <<>>]
        /\ lead = [a \in Acceptor |-> -1]
        /\ prepares = {} /\ promises = {} /\ accepts = {}
        /\ votes = [a \in Acceptor |-> {}]
        /\ crashed = 0

\* What a node acts on: its memory, which is the state after all that it wrote.
Promised(a) == IF queue[a] = <<>> THEN promised[a] ELSE queue[a][Len(queue[a])].promised
Accepted(a) == IF queue[a] = <<>> THEN accepted[a] ELSE queue[a][Len(queue[a])].accepted

Entry(p, v, kind, report) == [promised |-> p, accepted |-> v, kind |-> kind, report |-> report]
Report(a, e) == [acc |-> a, bal |-> e.promised, vote |-> e.report]

\* What entry e of node a says to the others.
Release(a, e) ==
  /\ prepares' = IF e.kind = "campaign" THEN prepares \cup {e.promised} ELSE prepares
  /\ promises' = IF e.kind \in {"campaign", "promise"}
                 THEN promises \cup {Report(a, e)} ELSE promises
  /\ votes' = IF e.kind = "accepted" THEN [votes EXCEPT ![a] = @ \cup {e.accepted}] ELSE votes
Persist(a, e) == /\ promised' = [promised EXCEPT ![a] = e.promised]
                 /\ accepted' = [accepted EXCEPT ![a] = e.accepted]

\* A claim that repeats what memory says already has no record of its own, and still has to wait.
Recordless(a, e) == e.promised = Promised(a) /\ e.accepted = Accepted(a)
Enqueue(a, e, kind) ==
  /\ \A i \in 1..Len(queue[a]) : queue[a][i] \notin {e, [e EXCEPT !.kind = "left"]}
  /\ queue' = [queue EXCEPT ![a] = Append(@, [e EXCEPT !.kind = kind])]
Write(a, e) ==
  CASE a \notin Fragile -> Persist(a, e) /\ Release(a, e) /\ UNCHANGED queue
    [] a \in Fragile /\ Broken = "recordless" /\ Recordless(a, e) ->
         Release(a, e) /\ UNCHANGED <<queue, durable>>
    [] a \in Fragile /\ Broken = "early" \o e.kind ->
         Release(a, e) /\ Enqueue(a, e, "left") /\ UNCHANGED durable
    [] OTHER -> Enqueue(a, e, e.kind) /\ UNCHANGED <<durable, prepares, promises, votes>>

\* What a promise reports: the latest vote in memory, synced or not.
Unsynced(a) == IF Broken = "syncedreport" THEN accepted[a] ELSE Accepted(a)

\* A candidate takes a ballot above all that it promised, before this crash or after, and writes
\* so before anybody hears of it: a ballot is led once. Its own promise is part of it.
Phase1a(a, b) ==
  /\ a = Owner[b]
  /\ IF Broken = "reuse" THEN b >= Promised(a) ELSE b > Promised(a)
  /\ b \notin prepares \/ lead[a] # b
  /\ lead' = [lead EXCEPT ![a] = b]
  /\ Write(a, Entry(b, Accepted(a), "campaign", Unsynced(a)))
  /\ UNCHANGED <<accepts, crashed>>

\* A Prepare that a node has answered may be answered again: that claim has no record.
Phase1b(a, b) ==
  /\ b \in prepares
  /\ b > Promised(a) \/ (b = Promised(a) /\ a \in Fragile /\ Accepted(a)[1] < b)
  /\ Write(a, Entry(b, Accepted(a), "promise", Unsynced(a)))
  /\ UNCHANGED <<lead, accepts, crashed>>

Phase2a(a, b) ==
  /\ lead[a] = b
  /\ \E p \in Quorum1 :
       LET P == {m \in promises : m.bal = b /\ m.acc \in p}
           R == {m.vote : m \in P} \ {NoVote}
       IN /\ {m.acc : m \in P} = p
          /\ \E v \in IF R = {} THEN {<<b, crashed>>}
                     ELSE {w[2] : w \in {x \in R : \A y \in R : y[1] <= x[1]}} :
               accepts' = accepts \cup {<<b, v>>}
  /\ lead' = [lead EXCEPT ![a] = -1]
  /\ UNCHANGED <<durable, queue, prepares, promises, votes, crashed>>

Phase2b(a, w) ==
  /\ w \in accepts /\ w[1] >= Promised(a)
  /\ Write(a, Entry(w[1], w, "accepted", NoVote))
  /\ UNCHANGED <<lead, accepts, crashed>>

Sync(a) ==
  /\ queue[a] # <<>>
  /\ Persist(a, Head(queue[a])) /\ Release(a, Head(queue[a]))
  /\ queue' = [queue EXCEPT ![a] = Tail(@)]
  /\ UNCHANGED <<lead, accepts, crashed>>

\* The node comes back with what is durable, and leads nothing.
Crash(a) ==
  /\ a \in Fragile /\ crashed < Crashes
  /\ crashed' = crashed + 1
  /\ queue' = [queue EXCEPT ![a] = <<>>]
  /\ lead' = [lead EXCEPT ![a] = -1]
  /\ UNCHANGED <<durable, network>>

Next == \E a \in Acceptor :
          \/ Sync(a) \/ Crash(a)
          \/ \E b \in Ballot : Phase1a(a, b) \/ Phase2a(a, b)
          \/ \E b \in prepares : Phase1b(a, b)
          \/ \E w \in accepts : Phase2b(a, w)
Spec == Init /\ [][Next]_vars

\* The durable promises and the votes that left are a behaviour of Voting.
V == INSTANCE Voting

TypeOK == /\ promised \in [Acceptor -> Ballot \cup {-1}]
          /\ accepted \in [Acceptor -> (Ballot \X Value) \cup {NoVote}]
          /\ lead \in [Acceptor -> Ballot \cup {-1}]

Chosen == {w \in accepts : \E q \in Quorum2 : \A a \in q : w \in votes[a]}
Agreement == \A w, x \in Chosen : w[2] = x[2]

\* Whatever left is covered by what is durable.
PersistBeforeSend ==
  /\ \A b \in prepares : promised[Owner[b]] >= b
  /\ \A m \in promises : promised[m.acc] >= m.bal
  /\ \A a \in Acceptor : \A w \in votes[a] : accepted[a][1] >= w[1]

\* A leader that comes back does not propose twice in one ballot.
OneValuePerBallot == \A w, x \in accepts : w[1] = x[1] => w = x

\* Crashes included.
PromiseMonotonic == [][\A a \in Acceptor : promised'[a] >= promised[a]]_vars
=============================================================================
