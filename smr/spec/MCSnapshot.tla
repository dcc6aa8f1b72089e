---- MODULE MCSnapshot ----
\* Three replicas, and a log in which one client's command is chosen twice.
EXTENDS Snapshot, Sequences
CONSTANTS r1, r2, r3
Replicas == {r1, r2, r3}
Majorities == {{r1, r2}, {r1, r3}, {r2, r3}}
Twice == <<"c", "c">>
\* Narrows the state space: r1 and r2 are always up and ahead, r3 may lag.
Ahead == held[r3] \cap {1} = {}
\* Reached, hence violated: a node that lacks a slot goes on from another's snapshot.
NoInstall == ~ (applied[r3] = 2 /\ 1 \notin voted[r3] /\ 2 \in held[r3])
====
