---- MODULE MCSynodDurable ----
\* Bounds for SynodDurable: three nodes, two of them candidates; a crash of a candidate or of the
\* third.
EXTENDS SynodDurableInductive
CONSTANTS a1, a2, a3
Acceptors == {a1, a2, a3}
Majorities == {{a1, a2}, {a1, a3}, {a2, a3}}
Owners == [b \in Ballot |-> IF b = 1 THEN a2 ELSE a1]
Candidate == {a1}
Third == {a3}
Two == 0..1
Three == 0..2
Alone == 0..0

\* Narrows a must-fail run: one sturdy node never leaves ballot 0, the other never enters it.
SidesOfThird == promised[a1] < 1 /\ promised[a2] # 0
SidesOfCandidate == promised[a3] < 1 /\ promised[a2] # 0

\* Reached, hence violated: a node crashes, and what it promised afterwards is heard.
NoComeback == \A m \in promises : crashed = 0 \/ m.acc \notin Fragile \/ m.bal < 1
====
