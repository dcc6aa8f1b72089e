---- MODULE MCVectorClock ----
\* Three processes.
EXTENDS VectorClock
Processes == 1..3
====
