---- MODULE MCLease ----
\* Two holders, three granters.
EXTENDS Lease
CONSTANTS g1, g2, g3
Granters == {g1, g2, g3}
Majorities == {{g1, g2}, {g1, g3}, {g2, g3}}
Holders == {"x", "y"}
Alone == {g1}
Only == {{g1}}
\* Reached, hence violated: one holder follows the other.
NoHandover == ~ (Holds("y") /\ \E g \in granted["x"] : g \in granted["y"])
====
