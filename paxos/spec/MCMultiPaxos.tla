---- MODULE MCMultiPaxos ----
\* Bounds for MultiPaxos, and its projection to one slot: what slot Watched does is a behaviour
\* of Voting. `votes` is a history variable, a function of the messages.
EXTENDS MultiPaxos
CONSTANTS a1, a2, a3, v1, v2, noop, Watched
VARIABLE votes
Acceptors == {a1, a2, a3}
One == {v1}
Pair == {v1, v2}
Majorities == {{a1, a2}, {a1, a3}, {a2, a3}}
Singles == {{a1}, {a2}, {a3}}
Owners == [b \in Ballot |-> IF b = 0 THEN a1 ELSE IF b = 1 THEN a2 ELSE a3]
Nobody == {}
First == {a1}
Leaders == {a1, a2}
Slots1 == 1..1
Slots2 == 1..2
Two == 0..1
Three == 0..2

Cast(M, a) == {<<m.bal, m.val>> :
  m \in {n \in M : n.type = "accepted" /\ n.acc = a /\ n.slot = Watched}}
MCInit == Init /\ votes = [a \in Acceptor |-> {}]
MCNext == Next /\ votes' = [a \in Acceptor |-> Cast(msgs', a)]
MCSpec == MCInit /\ [][MCNext]_<<vars, votes>>

V == INSTANCE Voting WITH Value <- Decree
====
