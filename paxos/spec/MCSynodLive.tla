---- MODULE MCSynodLive ----
\* Three acceptors, two values, two ballots.
EXTENDS SynodLive
CONSTANTS a1, a2, a3, v1, v2
Acceptors == {a1, a2, a3}
Values == {v1, v2}
OneValue == {v1}
Majorities == {{a1, a2}, {a1, a3}, {a2, a3}}
Two == 0..1
Most == {a1, a2}
Few == {a1}
====
