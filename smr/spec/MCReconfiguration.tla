---- MODULE MCReconfiguration ----
\* Small sets of voters: with one voter each, nothing but the change itself protects anything.
EXTENDS Reconfiguration
CONSTANTS n1, n2, n3, n4
Solo == {n1}
Other == {n2}
Duo == {n1, n2}
Trio == {n1, n2, n3}
Tail2 == {n3, n4}
Quartet == {n1, n2, n3, n4}
\* Reached, hence violated: the new voters choose, and nobody of the old set voted.
NoHandover == \A b \in Ballot : \A s \in 1..Len(log[b]) : Voters(b, s) \cap Old # {}
====
