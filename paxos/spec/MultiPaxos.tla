----------------------------- MODULE MultiPaxos -----------------------------
(* Many decrees, one ballot for all of them: slot s is its own instance of Synod, and one        *)
(* promise stands for every slot. Beyond the two phases it says how a node comes to know what is *)
(* chosen without counting votes (by announcement, by copying), what an acceptor that knows a    *)
(* chosen prefix may leave out of its promise, and how an elect fills the gaps that it inherits. *)
(* The network is a set that only grows. A node is acceptor, learner, and leader of the ballots  *)
(* that it owns. Ballots that crash with their leader are the subject of SynodDurable.           *)
EXTENDS Integers, FiniteSets
CONSTANTS Value, Acceptor, Quorum1, Quorum2, Ballot, Slot,
          Owner,      \* Owner[b]: the one node that may lead ballot b
          Learner,    \* the nodes that learn; fewer of them make fewer states
          Noop,       \* the decree that does nothing; fills gaps
          Late,       \* whether a promise is also given late, in the ballot already promised
          Broken      \* "no", or the rule that is switched off
VARIABLES promised,   \* promised[a]: no answer below this ballot, in any slot
          accepted,   \* accepted[a][s]: a's latest vote in slot s
          learned,    \* learned[a][s]: the decree that a knows to be chosen in s, or Unknown
          msgs
vars == <<promised, accepted, learned, msgs>>

NoVote == <<-1, "none">>
Unknown == "unknown"
Decree == Value \cup {Noop}
Last == CHOOSE s \in Slot : \A t \in Slot : t <= s

Init == /\ promised = [a \in Acceptor |-> -1]
        /\ accepted = [a \in Acceptor |-> [s \in Slot |-> NoVote]]
        /\ learned = [a \in Acceptor |-> [s \in Slot |-> Unknown]]
        /\ msgs = {}

Send(m) == msgs' = msgs \cup {m}

\* The first slot that a does not know to be chosen: a's chosen prefix is all below it.
ChosenUpTo(a) ==
  CHOOSE c \in 1..(Last + 1) :
    /\ \A s \in 1..(c - 1) : learned[a][s] # Unknown
    /\ c = Last + 1 \/ learned[a][c] = Unknown

-------------------------------------------------------------------------------
\* A candidate asks for promises in all slots at once.
Phase1a(b) ==
  /\ Send([type |-> "prepare", bal |-> b])
  /\ UNCHANGED <<promised, accepted, learned>>

\* The promise covers every slot: those below `chosen` with the word chosen, the others with
\* their latest votes. Below `chosen` it reports no vote: the elect copies what is chosen there.
Report(a) ==
  [s \in Slot |-> IF s < ChosenUpTo(a) THEN NoVote ELSE accepted[a][s]]
Phase1b(a) ==
  \E m \in msgs :
    /\ m.type = "prepare"
    /\ m.bal > promised[a] \/ (Late /\ m.bal = promised[a])
    /\ promised' = [promised EXCEPT ![a] = m.bal]
    /\ Send([type |-> "promise", acc |-> a, bal |-> m.bal, votes |-> Report(a),
             chosen |-> IF Broken = "silentprefix" THEN 1 ELSE ChosenUpTo(a)])
    /\ UNCHANGED <<accepted, learned>>

\* A choice of one promise of ballot b from each acceptor of p (a late one may differ).
PromisesOf(p, b) == {m \in msgs : m.type = "promise" /\ m.acc \in p /\ m.bal = b}
Complete(P, p) == /\ Cardinality(P) = Cardinality(p)
                  /\ \A a \in p : \E m \in P : m.acc = a
PromiseSets(p, b) ==
  IF Late THEN {P \in SUBSET PromisesOf(p, b) : Complete(P, p)}
  ELSE {P \in {PromisesOf(p, b)} : Complete(P, p)}

Votes(P, s) == {m.votes[s] : m \in {n \in P : n.votes[s] # NoVote}}
Highest(P, s) == CHOOSE w \in Votes(P, s) : \A x \in Votes(P, s) : x[1] <= w[1]
\* Slot s is a gap when it is free but some promise reports a vote or a choice above it.
Gap(P, s) == \E m \in P : \E t \in Slot : t > s /\ m.votes[t] # NoVote
Proposals(P, s) ==
  CASE Votes(P, s) = {} /\ Gap(P, s) /\ Noop # Unknown -> {Noop}
    [] Votes(P, s) = {} \/ Broken = "anydecree" -> Value
    [] OTHER -> IF Broken = "anyvote" THEN {w[2] : w \in Votes(P, s)} ELSE {Highest(P, s)[2]}

\* The elect proposes in s what the promises allow, once, and nothing below what they call
\* chosen. It need not wait for anything else: slots are independent.
Phase2a(b, s) ==
  /\ ~ \E m \in msgs : m.type = "accept" /\ m.bal = b /\ m.slot = s
  /\ \E p \in Quorum1 : \E P \in PromiseSets(p, b) :
       /\ Broken = "belowchosen" \/ \A m \in P : m.chosen <= s
       /\ \E d \in Proposals(P, s) :
            Send([type |-> "accept", bal |-> b, slot |-> s, val |-> d])
  /\ UNCHANGED <<promised, accepted, learned>>

Phase2b(a) ==
  \E m \in msgs :
    /\ m.type = "accept"
    /\ m.bal >= promised[a] \/ Broken = "belowpromise"
    /\ promised' = [promised EXCEPT ![a] = m.bal]
    /\ accepted' = [accepted EXCEPT ![a][m.slot] = <<m.bal, m.val>>]
    /\ Send([type |-> "accepted", acc |-> a, bal |-> m.bal, slot |-> m.slot, val |-> m.val])
    /\ UNCHANGED learned

-------------------------------------------------------------------------------
AcceptedBy(q, b, s, d) ==
  \A a \in q : [type |-> "accepted", acc |-> a, bal |-> b, slot |-> s, val |-> d] \in msgs

Know(a, s, d) == learned' = [learned EXCEPT ![a][s] = d]

\* The leader counts votes, by identity and ballot.
Choose(b, s) ==
  LET a == Owner[b] IN
  /\ a \in Learner /\ learned[a][s] = Unknown
  /\ \E d \in Decree :
       /\ IF Broken = "mixedballots"
          THEN \E q \in Quorum2 : \A c \in q : \E e \in Ballot : AcceptedBy({c}, e, s, d)
          ELSE \E q \in Quorum2 : AcceptedBy(q, b, s, d)
       /\ Know(a, s, d)
  /\ UNCHANGED <<promised, accepted, msgs>>

\* What ballot b's leader may announce: every slot below c is known to it, and in each of them
\* either b proposed nothing or what b proposed is the decree that was chosen.
Proposed(b, s) == {m.val : m \in {n \in msgs : n.type = "accept" /\ n.bal = b /\ n.slot = s}}
MayAnnounce(b, c) ==
  /\ c > 1 /\ c <= ChosenUpTo(Owner[b])
  /\ \/ Broken = "copiedslots"
     \/ \A s \in 1..(c - 1) : Proposed(b, s) \subseteq {learned[Owner[b]][s]}
Announce(b) ==
  /\ Owner[b] \in Learner
  /\ \E c \in Slot \cup {Last + 1} :
       /\ MayAnnounce(b, c)
       /\ Send([type |-> "chosen", bal |-> b, upto |-> c])
  /\ UNCHANGED <<promised, accepted, learned>>

\* A follower takes the announcement for those of its votes that were cast in exactly ballot b.
Learnt(a, m, s) ==
  /\ s < m.upto /\ learned[a][s] = Unknown
  /\ CASE Broken = "learnany" -> accepted[a][s] # NoVote
       [] Broken = "learnabove" -> accepted[a][s][1] >= m.bal
       [] OTHER -> accepted[a][s][1] = m.bal
Learn(a) ==
  /\ a \in Learner
  /\ \E m \in msgs :
       /\ m.type = "chosen"
       /\ \E s \in Slot : Learnt(a, m, s)
       /\ learned' = [learned EXCEPT ![a] =
            [s \in Slot |-> IF Learnt(a, m, s) THEN accepted[a][s][2] ELSE learned[a][s]]]
  /\ UNCHANGED <<promised, accepted, msgs>>

\* Learned decrees may be copied from anyone who has them; what others know only grows, so
\* reading it now stands for a message of any age.
Copy(a, c) ==
  /\ a \in Learner /\ a # c
  /\ \E s \in Slot : /\ learned[a][s] = Unknown /\ learned[c][s] # Unknown
                     /\ Know(a, s, learned[c][s])
  /\ UNCHANGED <<promised, accepted, msgs>>

Next == \/ \E b \in Ballot : \/ Phase1a(b) \/ Announce(b)
                             \/ \E s \in Slot : Phase2a(b, s) \/ Choose(b, s)
        \/ \E a \in Acceptor : \/ Phase1b(a) \/ Phase2b(a) \/ Learn(a)
                               \/ \E c \in Acceptor : Copy(a, c)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------------------
ChosenAt(s) == {d \in Decree : \E b \in Ballot, q \in Quorum2 : AcceptedBy(q, b, s, d)}

TypeOK == /\ promised \in [Acceptor -> Ballot \cup {-1}]
          /\ accepted \in [Acceptor -> [Slot -> (Ballot \X Decree) \cup {NoVote}]]
          /\ learned \in [Acceptor -> [Slot -> Decree \cup {Unknown}]]

Agreement == \A s \in Slot : Cardinality(ChosenAt(s)) <= 1

\* Only what is chosen is learned, by whatever road.
LearnedIsChosen == \A a \in Acceptor, s \in Slot :
  learned[a][s] # Unknown => learned[a][s] \in ChosenAt(s)

OneValuePerBallot == \A m, n \in msgs :
  (m.type = "accept" /\ n.type = "accept" /\ m.bal = n.bal /\ m.slot = n.slot) => m.val = n.val

\* A Noop is proposed only where some lower ballot left a gap.
PromiseMonotonic == [][\A a \in Acceptor : promised'[a] >= promised[a]]_vars
ChosenNeverChanges == [][\A s \in Slot : ChosenAt(s) \subseteq ChosenAt(s)']_vars
LearnedNeverChanges == [][\A a \in Acceptor, s \in Slot :
                            learned[a][s] # Unknown => learned'[a][s] = learned[a][s]]_vars
=============================================================================
