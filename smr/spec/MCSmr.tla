---- MODULE MCSmr ----
\* Two clients, two replicas, three or four slots; refines StateMachine.
EXTENDS Smr
CONSTANTS c1, c2, r1, r2
Clients == {c1, c2}
Replicas == {r1, r2}
\* Reached, hence violated: a command is in two slots that both replicas applied.
NoRetry == ~ \E s, t \in Slot : /\ s < t /\ log[s] = c1 /\ log[t] = c1
                                 /\ \A r \in Replica : applied[r] >= t
====
