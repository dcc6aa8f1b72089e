---- MODULE MCLamportClock ----
\* Three processes, numbered for the tie-break.
EXTENDS LamportClock
Processes == 1..3
====
