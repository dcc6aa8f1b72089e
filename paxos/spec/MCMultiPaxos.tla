---- MODULE MCMultiPaxos ----
\* Bounds for MultiPaxos, and its projection to one slot: what slot Watched does is a behaviour
\* of Voting. `votes` is a history variable, a function of `cast`.
EXTENDS MultiPaxosInductive
CONSTANTS a1, a2, a3, v1, v2, noop, Watched,
          Led     \* start where everyone has promised ballot 0 and the other ballots are asked for
VARIABLE votes
Acceptors == {a1, a2, a3}
One == {v1}
Pair == {v1, v2}
Majorities == {{a1, a2}, {a1, a3}, {a2, a3}}
Singles == {{a1}, {a2}, {a3}}
Owners == [b \in Ballot |-> IF b = 0 THEN a1 ELSE IF b = 1 THEN a2 ELSE a3]
OddOwners == [b \in Ballot |-> IF b = 1 THEN a2 ELSE a1]
SplitOwners == [b \in Ballot |-> IF b = 3 THEN a3 ELSE a1]
Nobody == {}
First == {a1}
Follower == {a1, a3}
Leaders == {a1, a2}
Copiers == {a2, a3}
Slots1 == 1..1
Slots2 == 1..2
Two == 0..1
Three == 0..2
Four == 0..3

Start ==
  \/ ~ Led /\ Init
  \/  /\ Led
       /\ promised = [a \in Acceptor |-> 0]
       /\ accepted = [a \in Acceptor |-> [s \in Slot |-> NoVote]]
       /\ learned = [a \in Acceptor |-> [s \in Slot |-> Unknown]]
       /\ prepares = Ballot /\ accepts = {} /\ announced = {}
       /\ promises = {[acc |-> a, bal |-> 0, chosen |-> 1, votes |-> [s \in Slot |-> NoVote]] :
                        a \in Acceptor}
       /\ cast = [a \in Acceptor |-> {}]

Seen(c) == [a \in Acceptor |-> {<<w[2], w[3]>> : w \in {x \in c[a] : x[1] = Watched}}]
MCInit == Start /\ votes = [a \in Acceptor |-> {}]
MCNext == Next /\ votes' = Seen(cast')
MCSpec == MCInit /\ [][MCNext]_<<vars, votes>>

\* Begins where ballots 0 and 1 have one vote each: a1's for v1 and a3's for v2, and a2 voted in
\* neither. The ballots above are asked for. Few behaviours show more of an overtaken candidate.
None == [s \in Slot |-> NoVote]
SplitInit ==
  /\ promised = [a \in Acceptor |-> IF a = a1 THEN 0 ELSE 1]
  /\ accepted = [a \in Acceptor |-> [s \in Slot |->
       IF a = a1 THEN <<0, v1>> ELSE IF a = a3 THEN <<1, v2>> ELSE NoVote]]
  /\ learned = [a \in Acceptor |-> [s \in Slot |-> Unknown]]
  /\ prepares = Ballot /\ announced = {}
  /\ accepts = {<<1, 0, v1>>, <<1, 1, v2>>}
  /\ promises = {[acc |-> a, bal |-> 0, chosen |-> 1, votes |-> None] : a \in Acceptor}
            \cup {[acc |-> a, bal |-> 1, chosen |-> 1, votes |-> None] : a \in Copiers}
  /\ cast = [a \in Acceptor |->
       IF a = a1 THEN {<<1, 0, v1>>} ELSE IF a = a3 THEN {<<1, 1, v2>>} ELSE {}]
  /\ votes = Seen(cast)
SplitSpec == SplitInit /\ [][MCNext]_<<vars, votes>>

V == INSTANCE Voting WITH Value <- Decree

\* Narrows a must-fail run to the behaviours in which ballot 0 proposes nothing.
Silent0 == \A w \in accepts : w[2] # 0
\* Narrows one to the behaviours in which nothing more is said in the split ballots.
Settled == \A a \in Acceptor : \A w \in cast[a] : w[2] < 2 =>
             w = IF a = a1 THEN <<1, 0, v1>> ELSE IF a = a3 THEN <<1, 1, v2>> ELSE NoVote

\* Reached, hence violated: behind a slot with a vote, a candidate fills a gap with a Noop.
NoNoop == \A w \in accepts : w[3] # noop
\* Reached, hence violated: a promise calls slots chosen.
NoPrefix == \A m \in promises : m.chosen = 1
\* Reached, hence violated: a candidate of two promises, one with a copy, the other with a vote for
\* another decree, proposes what was copied.
NoCopyWins == \A w \in accepts :
  LET P == {m \in promises : m.bal = w[2]} IN
  ~ /\ Cardinality(P) = 2
    /\ \E m, n \in P : /\ m.votes[w[1]] = <<Copied, w[3]>>
                        /\ n.votes[w[1]] # NoVote /\ n.votes[w[1]][2] # w[3]
\* Reached, hence violated: a node that leads nothing learns by announcement.
NoFollowerLearns == learned[a3][1] = Unknown \/ announced = {}
====
