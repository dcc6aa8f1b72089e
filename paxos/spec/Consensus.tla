----------------------------- MODULE Consensus -----------------------------
(* The problem, without a solution: of the values that may be proposed at most one becomes       *)
(* chosen, and what is chosen stays chosen. Everything below this module refines it.             *)
EXTENDS FiniteSets, Naturals
CONSTANT Value
VARIABLE chosen

Init == chosen = {}

\* The only thing that can happen: one value is picked, once.
Pick == /\ chosen = {}
        /\ \E v \in Value : chosen' = {v}

Next == Pick
Spec == Init /\ [][Next]_chosen

TypeOK == chosen \subseteq Value

\* At most one value is ever chosen.
Agreement == Cardinality(chosen) <= 1

\* Only a proposed value is chosen; together with Agreement this is all of safety.
Nontriviality == chosen \subseteq Value

\* What is chosen stays chosen.
ChosenNeverChanges == [][chosen \subseteq chosen']_chosen

\* Liveness: with weak fairness something is chosen, without it nothing need happen.
LiveSpec == Spec /\ WF_chosen(Next)
SomethingChosen == <>(chosen # {})
=============================================================================
