---- MODULE MCHybridClock ----
\* Two processes, clocks that show 0 to 2.
EXTENDS HybridClock
Processes == 1..2
====
