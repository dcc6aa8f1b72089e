---- MODULE MCMultiPaxosDurable ----
\* Bounds for MultiPaxosDurable: three nodes, two of them candidates. `votes` is a history variable,
\* a function of `cast`: what slot Watched does is a behaviour of Voting.
EXTENDS MultiPaxosDurableInductive
CONSTANTS a1, a2, a3, noop, Watched,
          Led     \* start where ballot 0 is led by a1, and everyone has promised it
VARIABLE votes
Acceptors == {a1, a2, a3}
Majorities == {{a1, a2}, {a1, a3}, {a2, a3}}
Owners == [b \in Ballot |-> IF b = 1 THEN a2 ELSE a1]
OneOwner == [b \in Ballot |-> a1]
Candidate == {a1}
Third == {a3}
Nobody == {}
Follower == {a1, a3}
Slots1 == 1..1
Slots2 == 1..2
Two == 0..1
Alone == 0..0

Start ==
  \/ ~ Led /\ Init
  \/  /\ Led
       /\ promised = [a \in Acceptor |-> 0]
       /\ accepted = [a \in Acceptor |-> NoVotes]
       /\ queue = [a \in Acceptor |-> <<>>]
       /\ lead = [a \in Acceptor |-> IF a = a1 THEN 0 ELSE -1]
       /\ mine = [a \in Acceptor |-> {}]
       /\ learned = [a \in Acceptor |-> [s \in Slot |-> Unknown]]
       /\ prepares = {0} /\ accepts = {} /\ announced = {}
       /\ promises = {[acc |-> a, bal |-> 0, chosen |-> 1, votes |-> NoVotes] : a \in Acceptor}
       /\ cast = [a \in Acceptor |-> {}]
       /\ crashed = 0

Seen(c) == [a \in Acceptor |-> {<<w[2], w[3]>> : w \in {x \in c[a] : x[1] = Watched}}]
MCInit == Start /\ votes = [a \in Acceptor |-> {}]
MCNext == Next /\ votes' = Seen(cast')
MCSpec == MCInit /\ [][MCNext]_<<vars, votes>>

V == INSTANCE Voting WITH Value <- Decree

\* Narrows a must-fail run: one sturdy node never leaves ballot 0, the other never enters it.
SidesOfThird == promised[a1] < 1 /\ promised[a2] # 0
SidesOfCandidate == promised[a3] < 1 /\ promised[a2] # 0
\* Narrows one to the behaviours in which a3 hears of no ballot but the first, and ballot 0 proposes
\* nothing before it announced.
Overtaken == /\ promised[a3] = 0 /\ cast[a1] = {w \in cast[a1] : w[2] = 1}
             /\ announced = {} => \A w \in accepts : w[2] # 0

\* Reached, hence violated: a node learned, crashed, forgot, and has learned again.
NoRelearning == crashed = 0 \/ \A a \in Fragile : lead[a] = -1 => ~ Knows(a, 1)
====
