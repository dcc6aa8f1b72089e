------------------------------ MODULE Voting -------------------------------
(* The idea of the algorithm, without messages: acceptors vote in numbered ballots, a value is   *)
(* chosen when a phase-2 quorum voted for it in one ballot, and nobody votes for a value before  *)
(* a phase-1 quorum shows that no other value was or can be chosen in a lower ballot.            *)
(* Quorums of the two phases may differ; all that matters is that each of one meets each of the  *)
(* other. Variables carry the names that the modules below use, so that they refine by name.     *)
EXTENDS Integers, FiniteSets
CONSTANTS Value, Acceptor, Quorum1, Quorum2, Ballot
VARIABLES votes,      \* votes[a]: the pairs <<ballot, value>> that a ever voted for
          promised    \* promised[a]: a votes in no ballot below this one
vars == <<votes, promised>>

QuorumIntersection ==
  /\ Quorum1 \subseteq SUBSET Acceptor
  /\ Quorum2 \subseteq SUBSET Acceptor
  /\ \A p \in Quorum1, q \in Quorum2 : p \cap q # {}
ASSUME QuorumIntersection

Init == /\ votes = [a \in Acceptor |-> {}]
        /\ promised = [a \in Acceptor |-> -1]

VotedFor(a, b, v) == <<b, v>> \in votes[a]
DidNotVoteAt(a, b) == \A v \in Value : ~ VotedFor(a, b, v)

\* The quorum p proves that no value but v was chosen, or can be, in a ballot below b: either
\* nobody of p voted below b, or v is what someone of p voted for in the highest such ballot.
ShowsSafeAt(p, b, v) ==
  /\ \A a \in p : promised[a] >= b
  /\ \E c \in -1..(b - 1) :
       /\ c # -1 => \E a \in p : VotedFor(a, c, v)
       /\ \A d \in (c + 1)..(b - 1), a \in p : DidNotVoteAt(a, d)

Promise(a, b) ==
  /\ promised[a] < b
  /\ promised' = [promised EXCEPT ![a] = b]
  /\ UNCHANGED votes

Vote(a, b, v) ==
  /\ promised[a] <= b
  /\ DidNotVoteAt(a, b)
  /\ \A c \in Acceptor \ {a}, w \in Value : VotedFor(c, b, w) => w = v
  /\ \E p \in Quorum1 : ShowsSafeAt(p, b, v)
  /\ votes' = [votes EXCEPT ![a] = @ \cup {<<b, v>>}]
  /\ promised' = [promised EXCEPT ![a] = b]

Next == \E a \in Acceptor, b \in Ballot :
          Promise(a, b) \/ \E v \in Value : Vote(a, b, v)
Spec == Init /\ [][Next]_vars

ChosenAt(b, v) == \E q \in Quorum2 : \A a \in q : VotedFor(a, b, v)
chosen == {v \in Value : \E b \in Ballot : ChosenAt(b, v)}
C == INSTANCE Consensus

TypeOK == /\ votes \in [Acceptor -> SUBSET (Ballot \X Value)]
          /\ promised \in [Acceptor -> Ballot \cup {-1}]

\* Two votes in one ballot are for one value.
OneValuePerBallot == \A a, c \in Acceptor, b \in Ballot, v, w \in Value :
                       VotedFor(a, b, v) /\ VotedFor(c, b, w) => v = w

\* A value is safe at b when no lower ballot chose another one, or still can.
NoneOtherChoosableAt(c, v) ==
  \E q \in Quorum1 : \A a \in q : VotedFor(a, c, v) \/ (promised[a] > c /\ DidNotVoteAt(a, c))
SafeAt(b, v) == \A c \in 0..(b - 1) : NoneOtherChoosableAt(c, v)
VotesSafe == \A a \in Acceptor, b \in Ballot, v \in Value : VotedFor(a, b, v) => SafeAt(b, v)

Agreement == Cardinality(chosen) <= 1
PromiseMonotonic == [][\A a \in Acceptor : promised'[a] >= promised[a]]_vars
=============================================================================
