---- MODULE MCReads ----
\* Three nodes, three ballots, two slots.
EXTENDS Reads
CONSTANTS a1, a2, a3
Acceptors == {a1, a2, a3}
Majorities == {{a1, a2}, {a1, a3}, {a2, a3}}
Owners == [b \in Ballot |-> IF b = 1 THEN a1 ELSE IF b = 2 THEN a2 ELSE a3]
Two == 1..2
Three == 1..3
Slots1 == 1..1
Slots2 == 1..2
\* Narrows a must-fail run: the question comes when two slots are known, a1 stays behind.
Behind == promised[a1] < 2 /\ (read.stage = "none" \/ read.floor >= 2)
\* Reached, hence violated: a read is answered from a prefix that is not empty.
NoRead1 == ~ (read.stage = "served" /\ read.at > 0 /\ read.floor > 0 /\ read.bal > 1)
====
