---- MODULE MCConsensus ----
\* Three values: the start and one state for each value picked.
EXTENDS Consensus
CONSTANTS v1, v2, v3
Values == {v1, v2, v3}
====
