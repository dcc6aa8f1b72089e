---- MODULE MCTraceMultiPaxos ----
\* The trace of TraceData, as it is or with one event changed.
EXTENDS TraceMultiPaxos, TraceData
Majorities == {q \in SUBSET TraceNodes : 2 * Cardinality(q) > Cardinality(TraceNodes)}
\* An elect that ignores a reported vote, an acceptor that votes below its promise, a follower
\* that learns in another ballot than its own, a leader that counts one vote too few.
OtherValue == [Trace EXCEPT ![11].val = "v1"]
BelowPromise == [Trace EXCEPT ![14] = Trace[6]]
WrongBallot == [Trace EXCEPT ![17].bal = 1]
OneVoteShort == [Trace EXCEPT ![19] = Trace[1]]
====
