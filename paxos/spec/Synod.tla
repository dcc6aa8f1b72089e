------------------------------- MODULE Synod -------------------------------
(* Single-decree Paxos: how acceptors come to vote as Voting allows, by four kinds of messages.  *)
(* The network is a set that only grows: a message may be received at any time, again and again, *)
(* or never, which is loss, delay, duplication and reordering without an action for any of them. *)
(* `votes` is a history variable: no action reads it; it is what Voting calls by that name.      *)
EXTENDS Integers, FiniteSets
CONSTANTS Value, Acceptor, Quorum1, Quorum2, Ballot,
          Broken      \* "no", or the name of a rule that is switched off to see the checker object
VARIABLES promised,   \* promised[a]: the highest ballot that a heard of and answered
          accepted,   \* accepted[a]: a's latest vote, <<ballot, value>>
          msgs, votes
vars == <<promised, accepted, msgs, votes>>

NoVote == <<-1, "none">>

ASSUME QuorumIntersection ==
  Broken = "minority" \/ \A p \in Quorum1, q \in Quorum2 : p \cap q # {}

Init == /\ promised = [a \in Acceptor |-> -1]
        /\ accepted = [a \in Acceptor |-> NoVote]
        /\ msgs = {}
        /\ votes = [a \in Acceptor |-> {}]

Send(m) == msgs' = msgs \cup {m}

\* A candidate asks for promises.
Phase1a(b) ==
  /\ Send([type |-> "prepare", bal |-> b])
  /\ UNCHANGED <<promised, accepted, votes>>

\* An acceptor promises to ignore lower ballots, and reports its latest vote.
Phase1b(a) ==
  \E m \in msgs :
    /\ m.type = "prepare" /\ m.bal > promised[a]
    /\ promised' = [promised EXCEPT ![a] = m.bal]
    /\ Send([type |-> "promise", acc |-> a, bal |-> m.bal, vote |-> accepted[a]])
    /\ UNCHANGED <<accepted, votes>>

PromisesOf(p, b) == {m \in msgs : m.type = "promise" /\ m.acc \in p /\ m.bal = b}
Reported(p, b) == {m \in PromisesOf(p, b) : m.vote # NoVote}

\* With promises of a phase-1 quorum the elect proposes: the value of the highest ballot that
\* they report, or, if they report none, whatever it likes. One value per ballot, ever.
Free(p, b) == \/ Reported(p, b) = {}
              \/ Broken = "anyvalue"
Highest(p, b, v) ==
  \E m \in Reported(p, b) :
    /\ m.vote[2] = v
    /\ Broken = "anyvote" \/ \A n \in Reported(p, b) : n.vote[1] <= m.vote[1]
Phase2a(b, v) ==
  /\ Broken = "twovalues" \/ ~ \E m \in msgs : m.type = "accept" /\ m.bal = b
  /\ \E p \in Quorum1 :
       /\ \A a \in p : \E m \in PromisesOf(p, b) : m.acc = a
       /\ Free(p, b) \/ Highest(p, b, v)
  /\ Send([type |-> "accept", bal |-> b, val |-> v])
  /\ UNCHANGED <<promised, accepted, votes>>

\* An acceptor votes unless it has promised a higher ballot.
Phase2b(a) ==
  \E m \in msgs :
    /\ m.type = "accept"
    /\ m.bal >= promised[a] \/ Broken = "belowpromise"
    /\ promised' = [promised EXCEPT ![a] = m.bal]
    /\ accepted' = [accepted EXCEPT ![a] = <<m.bal, m.val>>]
    /\ Send([type |-> "accepted", acc |-> a, bal |-> m.bal, val |-> m.val])
    /\ votes' = [votes EXCEPT ![a] = @ \cup {<<m.bal, m.val>>}]

Next == \/ \E b \in Ballot : Phase1a(b) \/ \E v \in Value : Phase2a(b, v)
        \/ \E a \in Acceptor : Phase1b(a) \/ Phase2b(a)
Spec == Init /\ [][Next]_vars

V == INSTANCE Voting

AcceptedBy(q, b, v) ==
  \A a \in q : [type |-> "accepted", acc |-> a, bal |-> b, val |-> v] \in msgs
chosen == {v \in Value : \E b \in Ballot, q \in Quorum2 : AcceptedBy(q, b, v)}

TypeOK == /\ promised \in [Acceptor -> Ballot \cup {-1}]
          /\ accepted \in [Acceptor -> (Ballot \X Value) \cup {NoVote}]

Agreement == Cardinality(chosen) <= 1

\* The latest vote is one of the votes, none is later, and the promise is not behind it.
LatestVote == \A a \in Acceptor :
  /\ accepted[a] = NoVote \/ accepted[a] \in votes[a]
  /\ accepted[a][1] <= promised[a]
  /\ \A w \in votes[a] : w[1] <= accepted[a][1]

OneValuePerBallot == \A m, n \in msgs :
  (m.type = "accept" /\ n.type = "accept" /\ m.bal = n.bal) => m.val = n.val

PromiseMonotonic == [][\A a \in Acceptor : promised'[a] >= promised[a]]_vars
=============================================================================
