---- MODULE MCSnapshotDamage ----
\* Three replicas, and a log in which one client's command is chosen twice.
EXTENDS SnapshotDamage, Sequences
CONSTANTS r1, r2, r3
Replicas == {r1, r2, r3}
Majorities == {{r1, r2}, {r1, r3}, {r2, r3}}
Twice == <<"c", "c">>
\* Narrows the state space: r1 and r2 are always up and ahead, r3 may lag.
Ahead == held[r3] \cap {1} = {}
\* Reached, hence violated: a node without its state has it again by the decrees of another.
NoFetch == ~ (crashed = 1 /\ \E r \in Replica : base[r] = 2 /\ snap[r].upto = 0 /\ applied[r] = 2)
====
