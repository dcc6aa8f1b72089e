---- MODULE MCDamage ----
\* Three acceptors.
EXTENDS Damage
CONSTANTS a1, a2, a3
Acceptors == {a1, a2, a3}
\* Only a3 is damaged: with three acceptors that are alike it does not matter which.
OnlyA3 == health[a1] = "sound" /\ health[a2] = "sound"
\* Narrows must-fail runs: who takes no part in which ballot.
SidesAnyBallot == OnlyA3 /\ promised[a1] # 2 /\ promised[a2] # 3
SidesUnsettled == OnlyA3 /\ promised[a2] = 1
\* Reached, hence violated: a damaged acceptor promises again.
NeverHealed == \A a \in Acceptor : health[a] # "healed"
NoPartPromise == \A a \in Acceptor, b \in Ballot : promise[a][b] # "part"
====
