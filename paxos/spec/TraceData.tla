----------------------------- MODULE TraceData -----------------------------
(* A recorded run, as the code's trace writer prints it for TraceMultiPaxos to follow. Ballots   *)
(* are numbered from 1 in their order, slots from 1, nodes and decrees by name; TraceOwners[b]   *)
(* leads ballot b. This one was written by hand: a candidate finds a vote above a gap, fills the *)
(* gap, and others learn; one that copied forgets how far all is chosen, and tells of the copy.  *)
EXTENDS Naturals, Sequences
TraceNodes == {"n1", "n2", "n3"}
TraceOwners == <<"n1", "n2", "n1">>
TraceBallots == 1..3
TraceSlots == 1..3
TraceValues == {"v1", "v2"}
Trace == <<
  [act |-> "Phase1a", node |-> "n1", bal |-> 1],
  [act |-> "Phase1b", node |-> "n1", bal |-> 1, first |-> 1, chosen |-> 1, votes |-> << >>],
  [act |-> "Phase1b", node |-> "n3", bal |-> 1, first |-> 1, chosen |-> 1, votes |-> << >>],
  [act |-> "Phase2a", node |-> "n1", bal |-> 1, slot |-> 1, val |-> "v1"],
  [act |-> "Phase2a", node |-> "n1", bal |-> 1, slot |-> 2, val |-> "v2"],
  [act |-> "Phase2b", node |-> "n3", bal |-> 1, slot |-> 2, val |-> "v2"],
  [act |-> "Phase1a", node |-> "n2", bal |-> 2],
  [act |-> "Phase1b", node |-> "n2", bal |-> 2, first |-> 1, chosen |-> 1, votes |-> << >>],
  [act |-> "Phase1b", node |-> "n3", bal |-> 2, first |-> 1, chosen |-> 1, votes |-> << <<2, 1, "v2">> >>],
  [act |-> "Phase2a", node |-> "n2", bal |-> 2, slot |-> 1, val |-> "noop"],
  [act |-> "Phase2a", node |-> "n2", bal |-> 2, slot |-> 2, val |-> "v2"],
  [act |-> "Phase2b", node |-> "n2", bal |-> 2, slot |-> 1, val |-> "noop"],
  [act |-> "Phase2b", node |-> "n3", bal |-> 2, slot |-> 1, val |-> "noop"],
  [act |-> "Phase2b", node |-> "n3", bal |-> 2, slot |-> 2, val |-> "v2"],
  [act |-> "Choose", node |-> "n2", bal |-> 2, slot |-> 1, val |-> "noop"],
  [act |-> "Announce", node |-> "n2", bal |-> 2, upto |-> 2],
  [act |-> "Learn", node |-> "n3", bal |-> 2, slot |-> 1, val |-> "noop"],
  [act |-> "Copy", node |-> "n1", slot |-> 1, val |-> "noop"],
  [act |-> "Phase2b", node |-> "n2", bal |-> 2, slot |-> 2, val |-> "v2"],
  [act |-> "Choose", node |-> "n2", bal |-> 2, slot |-> 2, val |-> "v2"],
  [act |-> "Phase1a", node |-> "n1", bal |-> 3],
  [act |-> "Phase1b", node |-> "n2", bal |-> 3, first |-> 1, chosen |-> 3, votes |-> << >>],
  [act |-> "Phase1b", node |-> "n1", bal |-> 3, first |-> 1, chosen |-> 2, votes |-> << >>],
  [act |-> "Copy", node |-> "n1", slot |-> 2, val |-> "v2"],
  [act |-> "Keep", node |-> "n1", slot |-> 2, val |-> "v2"],
  [act |-> "Phase2a", node |-> "n1", bal |-> 3, slot |-> 3, val |-> "v1"],
  [act |-> "Phase1b", node |-> "n1", bal |-> 3, first |-> 1, chosen |-> 1, votes |-> << <<2, 4, "v2">> >>]
>>

\* Corruptions that must be refused: a candidate that ignores a reported vote, an acceptor that
\* votes below its promise, a follower that learns in another ballot than its own, a leader that
\* counts one vote too few, and an acceptor that tells a copy before it keeps one.
OtherValue == [Trace EXCEPT ![11].val = "v1"]
BelowPromise == [Trace EXCEPT ![14] = Trace[6]]
WrongBallot == [Trace EXCEPT ![17].bal = 1]
OneVoteShort == [Trace EXCEPT ![19] = Trace[1]]
EarlyCopy == [Trace EXCEPT ![25] = Trace[24]]
=============================================================================
