------------------------------- MODULE Synod -------------------------------
(* Single-decree Paxos: how acceptors come to vote as Voting allows, by four kinds of messages.  *)
(* The network is four sets that only grow: a message may be received at any time, again and     *)
(* again, or never, which is loss, delay, duplication and reordering without an action for any.  *)
(* The Accepted messages of an acceptor are its votes; Voting knows them by the same name.       *)
EXTENDS Integers, FiniteSets
CONSTANTS Value, Acceptor, Quorum1, Quorum2, Ballot,
          Broken      \* "no", or the name of a rule that is switched off to see the checker object
VARIABLES promised,   \* promised[a]: the highest ballot that a has answered
          accepted,   \* accepted[a]: a's latest vote, <<ballot, value>>
          prepares,   \* Prepare messages: ballots
          promises,   \* Promise messages
          accepts,    \* Accept messages: <<ballot, value>>
          votes       \* votes[a]: a's Accepted messages, <<ballot, value>>
vars == <<promised, accepted, prepares, promises, accepts, votes>>

NoVote == <<-1, "none">>

QuorumIntersection == \A p \in Quorum1, q \in Quorum2 : p \cap q # {}
ASSUME Broken = "minority" \/ QuorumIntersection

Init == /\ promised = [a \in Acceptor |-> -1]
        /\ accepted = [a \in Acceptor |-> NoVote]
        /\ prepares = {} /\ promises = {} /\ accepts = {}
        /\ votes = [a \in Acceptor |-> {}]

\* A candidate asks for promises.
Phase1a(b) ==
  /\ prepares' = prepares \cup {b}
  /\ UNCHANGED <<promised, accepted, promises, accepts, votes>>

\* An acceptor promises to ignore lower ballots, and reports its latest vote.
Phase1b(a, b) ==
  /\ b \in prepares /\ promised[a] < b
  /\ promised' = [promised EXCEPT ![a] = b]
  /\ promises' = promises \cup {[acc |-> a, bal |-> b, vote |-> accepted[a]]}
  /\ UNCHANGED <<accepted, prepares, accepts, votes>>

\* With promises of a phase-1 quorum the candidate proposes: the value of the highest ballot that
\* they report, or, if they report none, whatever it likes. One value per ballot, ever.
Allowed(P, v) ==
  LET R == {m.vote : m \in P} \ {NoVote} IN
  \/ R = {}
  \/ Broken = "anyvalue"
  \/ \E w \in R : /\ w[2] = v
                  /\ Broken = "anyvote" \/ \A x \in R : x[1] <= w[1]
Phase2a(b, v) ==
  /\ Broken = "twovalues" \/ \A w \in accepts : w[1] # b
  /\ \E p \in Quorum1 : LET P == {m \in promises : m.bal = b /\ m.acc \in p} IN
       /\ {m.acc : m \in P} = p
       /\ Allowed(P, v)
  /\ accepts' = accepts \cup {<<b, v>>}
  /\ UNCHANGED <<promised, accepted, prepares, promises, votes>>

\* An acceptor votes unless it has promised a higher ballot.
Phase2b(a, w) ==
  /\ w \in accepts
  /\ promised[a] <= w[1] \/ Broken = "belowpromise"
  /\ promised' = [promised EXCEPT ![a] = w[1]]
  /\ accepted' = [accepted EXCEPT ![a] = w]
  /\ votes' = [votes EXCEPT ![a] = @ \cup {w}]
  /\ UNCHANGED <<prepares, promises, accepts>>

Next == \/ \E b \in Ballot : Phase1a(b) \/ \E v \in Value : Phase2a(b, v)
        \/ \E a \in Acceptor : \/ \E b \in prepares : Phase1b(a, b)
                               \/ \E w \in accepts : Phase2b(a, w)
Spec == Init /\ [][Next]_vars

V == INSTANCE Voting

chosen == {w[2] : w \in {x \in accepts : \E q \in Quorum2 : \A a \in q : x \in votes[a]}}

TypeOK == /\ promised \in [Acceptor -> Ballot \cup {-1}]
          /\ accepted \in [Acceptor -> (Ballot \X Value) \cup {NoVote}]
          /\ prepares \subseteq Ballot /\ accepts \subseteq (Ballot \X Value)

\* A learner that counts the votes of one ballot never sees two values chosen.
Agreement == Cardinality(chosen) <= 1

\* The latest vote is one of the votes, none is later, and the promise is not behind it.
LatestVote == \A a \in Acceptor :
  /\ accepted[a] = NoVote \/ accepted[a] \in votes[a]
  /\ accepted[a][1] <= promised[a]
  /\ \A w \in votes[a] : w[1] <= accepted[a][1]

OneValuePerBallot == \A w, x \in accepts : w[1] = x[1] => w = x

\* What is proposed at b is safe there: no lower ballot chose, or still can choose, another one.
SafeAt == \A w \in accepts : \A c \in 0..(w[1] - 1) : \E p \in Quorum1 : \A a \in p :
  \/ <<c, w[2]>> \in votes[a]
  \/ promised[a] > c /\ \A x \in votes[a] : x[1] # c

PromiseMonotonic == [][\A a \in Acceptor : promised'[a] >= promised[a]]_vars
=============================================================================
