---- MODULE MCBackup ----
\* Three replicas, a backup of two parts, and three slots of which snapshots may be.
EXTENDS Backup
CONSTANTS r1, r2, r3
Replicas == {r1, r2, r3}
Majorities == {{r1, r2}, {r1, r3}, {r2, r3}}
\* Reached, hence violated: what began with the backup has a quorum beside one that did not.
NoSecond == ~ (\E q \in Quorum : q \subseteq second) \/ first = {}
====
