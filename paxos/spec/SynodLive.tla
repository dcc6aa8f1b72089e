----------------------------- MODULE SynodLive ------------------------------
(* When something gets chosen: if the candidate of the highest ballot keeps trying and a quorum  *)
(* stays up, that is, if their steps in that ballot do not wait for ever. The others may do what *)
(* they like, or nothing. Without such an assumption nothing need happen: no algorithm could     *)
(* promise it. That there is a highest ballot stands for candidates that back off at last;       *)
(* candidates that outbid each other for ever are excluded by it, and by nothing else.           *)
EXTENDS Synod
CONSTANTS Up,       \* the acceptors that stay up
          Top       \* the ballot whose candidate keeps trying

PhaseOneFair == /\ WF_vars(Phase1a(Top))
                /\ \A a \in Up : WF_vars(Phase1b(a, Top))
ElectFair == WF_vars(\E v \in Value : Phase2a(Top, v))
VotesFair == \A a \in Up : WF_vars(\E w \in accepts : w[1] = Top /\ Phase2b(a, w))

LiveSpec == Spec /\ PhaseOneFair /\ ElectFair /\ VotesFair
\* The candidate stays silent: its promises and votes alone do not choose.
SilentElectSpec == Spec /\ PhaseOneFair /\ VotesFair

SomethingChosen == <>(chosen # {})
=============================================================================
