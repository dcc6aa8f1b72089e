--------------------------- MODULE TraceMultiPaxos ---------------------------
(* Is a recorded run of the code a behaviour of MultiPaxos? Event by event the action that the   *)
(* event names must be possible, with the event's parameters. A run is accepted if some          *)
(* behaviour reaches its end, that is, exactly if the "invariant" NotAccepted is violated; else  *)
(* the greatest depth reached is the number of the first event that does not fit.                *)
(*                                                                                               *)
(* Events of Prepare, Promise and Accepted are recorded as these leave their node, that is, when *)
(* what they claim is durable (SynodDurable says why that is the state that counts). So a crash  *)
(* is no event, and Torn is true. What a node knows to be chosen may be lost in a crash, and     *)
(* then known to it again; the other messages leave at once. Hence two actions are looser than   *)
(* MultiPaxos's: a node that learns something again does nothing, and it may learn before its    *)
(* own vote or copy is durable. That a copy is durable is the event Keep.                        *)
EXTENDS MultiPaxos, TraceData
CONSTANT Events       \* the run: Trace of TraceData, or a corruption of it
VARIABLE at           \* the number of the next event
all == <<vars, at>>

Majorities == {q \in SUBSET TraceNodes : 2 * Cardinality(q) > Cardinality(TraceNodes)}

TraceInit == Init /\ at = 1

\* The votes and copies that a promise reports, as a function of the slots.
Reported(e) == [s \in Slot |->
  IF \E i \in 1..Len(e.votes) : e.votes[i][1] = s
  THEN LET i == CHOOSE i \in 1..Len(e.votes) : e.votes[i][1] = s
       IN <<e.votes[i][2], e.votes[i][3]>>
  ELSE NoVote]
\* The candidate need not ask for slots below `first`, and then proposes nothing there.
PromiseLeaves(e) ==
  /\ e.bal \in prepares /\ promised[e.node] <= e.bal
  /\ e.chosen \in Prefixes(e.node)
  /\ \A s \in Slot : s >= e.first =>
       Reported(e)[s] = IF s < e.chosen THEN NoVote ELSE Told(e.node, s)
  /\ promised' = [promised EXCEPT ![e.node] = e.bal]
  /\ promises' = promises \cup
       {[acc |-> e.node, bal |-> e.bal, votes |-> Reported(e),
         chosen |-> IF e.chosen < e.first THEN e.first ELSE e.chosen]}
  /\ UNCHANGED <<accepted, learned, prepares, accepts, cast, announced>>

Again(e) == learned[e.node][e.slot] = e.val /\ UNCHANGED vars
LearnOne(e) ==
  /\ \E m \in announced : m[1] = e.bal /\ e.slot < m[2]
  /\ <<e.slot, e.bal, e.val>> \in accepts
  /\ learned[e.node][e.slot] = Unknown /\ Know(e.node, e.slot, e.val)
  /\ UNCHANGED <<promised, accepted, msgs>>

HearOne(e) ==
  /\ \E c \in Learner : learned[c][e.slot] = e.val
  /\ learned[e.node][e.slot] = Unknown /\ Know(e.node, e.slot, e.val)
  /\ UNCHANGED <<promised, accepted, msgs>>

Fits(e) ==
  CASE e.act = "Phase1a" -> Owner[e.bal] = e.node /\ Phase1a(e.bal)
    [] e.act = "Phase1b" -> PromiseLeaves(e)
    [] e.act = "Phase2a" -> /\ Owner[e.bal] = e.node /\ Phase2a(e.bal, e.slot)
                            /\ accepts' = accepts \cup {<<e.slot, e.bal, e.val>>}
    [] e.act = "Phase2b" -> Phase2b(e.node, <<e.slot, e.bal, e.val>>)
    [] e.act = "Choose" -> Again(e) \/ Choose(e.node, <<e.slot, e.bal, e.val>>)
    [] e.act = "Announce" -> Announce(e.node, e.bal, e.upto)
    [] e.act = "Learn" -> Again(e) \/ LearnOne(e)
    [] e.act = "Copy" -> Again(e) \/ HearOne(e)
    [] e.act = "Keep" -> /\ learned[e.node][e.slot] = e.val
                         /\ \E c \in Learner : Copy(e.node, c, e.slot)
    [] OTHER -> FALSE

TraceNext == /\ at <= Len(Events)
             /\ Fits(Events[at])
             /\ at' = at + 1
TraceSpec == TraceInit /\ [][TraceNext]_all

NotAccepted == at <= Len(Events)
=============================================================================
