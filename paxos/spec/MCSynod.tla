---- MODULE MCSynod ----
\* Bounds for Synod: three acceptors, two values; majorities, or quorums of unequal sizes.
EXTENDS SynodInductive
CONSTANTS a1, a2, a3, v1, v2
Acceptors == {a1, a2, a3}
Values == {v1, v2}
Majorities == {{a1, a2}, {a1, a3}, {a2, a3}}
Everyone == {Acceptors}
Singles == {{a1}, {a2}, {a3}}
Two == 0..1
Three == 0..2
====
