---- MODULE MCLamportClock ----
\* Three processes, numbered for the tie-break; Causality is the measure.
EXTENDS LamportClock
Processes == 1..3
====
