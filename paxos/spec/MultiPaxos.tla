----------------------------- MODULE MultiPaxos -----------------------------
(* Many decrees, one ballot for all of them: slot s is its own instance of Synod, and one        *)
(* promise stands for every slot. Beyond the two phases it says how a node comes to know what is *)
(* chosen without counting votes (by announcement, by copying), what an acceptor that knows a    *)
(* chosen prefix may leave out of its promise, and how a candidate fills gaps that it inherits.  *)
(* The network is a set that only grows. A node is acceptor, learner, and leader of the ballots  *)
(* that it owns. Ballots that crash with their leader are the subject of SynodDurable.           *)
EXTENDS Integers, FiniteSets
CONSTANTS Value, Acceptor, Quorum1, Quorum2, Ballot, Slot,
          Owner,      \* Owner[b]: the one node that may lead ballot b
          Learner,    \* the nodes that learn; fewer of them make fewer states
          Noop,       \* the decree that does nothing; fills gaps
          Late,       \* whether a promise is also given late, in the ballot already promised
          Torn,       \* whether a node may forget, in a crash, how far it knows all to be chosen
          Broken      \* "no", or the rule that is switched off
VARIABLES promised,   \* promised[a]: no answer below this ballot, in any slot
          accepted,   \* accepted[a][s]: a's latest vote in slot s, or what it copied there
          learned,    \* learned[a][s]: the decree that a knows to be chosen in s, or Unknown
          prepares,   \* Prepare messages: ballots
          promises,   \* Promise messages
          accepts,    \* Accept messages: <<slot, ballot, decree>>
          cast,       \* cast[a]: a's Accepted messages, <<slot, ballot, decree>>
          announced   \* announcements: <<ballot, the slot up to which all is chosen>>
msgs == <<prepares, promises, accepts, cast, announced>>
vars == <<promised, accepted, learned, prepares, promises, accepts, cast, announced>>

QuorumIntersection == \A p \in Quorum1, q \in Quorum2 : p \cap q # {}
ASSUME Broken = "minority" \/ QuorumIntersection

NoVote == <<-1, "none">>
Unknown == "unknown"
Decree == Value \cup {Noop}
Last == CHOOSE s \in Slot : \A t \in Slot : t <= s
\* A copied decree is kept and told as a vote in a ballot above all others: it is chosen, so that
\* every vote for another decree is outweighed, whatever its ballot.
Copied == 1 + CHOOSE b \in Ballot : \A c \in Ballot : c <= b

Init == /\ promised = [a \in Acceptor |-> -1]
        /\ accepted = [a \in Acceptor |-> [s \in Slot |-> NoVote]]
        /\ learned = [a \in Acceptor |-> [s \in Slot |-> Unknown]]
        /\ prepares = {} /\ promises = {} /\ accepts = {} /\ announced = {}
        /\ cast = [a \in Acceptor |-> {}]

\* The first slot that a does not know to be chosen: a's chosen prefix is all below it.
ChosenUpTo(a) ==
  CHOOSE c \in 1..(Last + 1) :
    /\ \A s \in 1..(c - 1) : learned[a][s] # Unknown
    /\ c = Last + 1 \/ learned[a][c] = Unknown

-------------------------------------------------------------------------------
\* A candidate asks for promises in all slots at once.
Phase1a(b) ==
  /\ prepares' = prepares \cup {b}
  /\ UNCHANGED <<promised, accepted, learned, promises, accepts, cast, announced>>

\* The prefixes that a may call chosen. What it knows by its votes is on its disk as these votes,
\* and what it copied as these copies; the word how far all is chosen is written after them, and
\* may be lost.
Prefixes(a) == LET c == IF a \in Learner THEN ChosenUpTo(a) ELSE 1 IN
               IF Torn THEN 1..c ELSE {c}

\* What a tells of slot s, where it does not call it chosen.
Told(a, s) ==
  CASE Broken = "hiddencopy" /\ accepted[a][s][1] = Copied -> NoVote
    [] Broken = "falsecopy" /\ accepted[a][s] # NoVote -> <<Copied, accepted[a][s][2]>>
    [] OTHER -> accepted[a][s]

\* The promise covers every slot: those below `chosen` with the word chosen, the others with
\* their latest votes or copies. Below `chosen` it tells none: the candidate copies what is chosen.
Phase1b(a, b) == \E c \in Prefixes(a) :
  /\ b \in prepares
  /\ promised[a] < b \/ (Late /\ promised[a] = b)
  /\ promised' = [promised EXCEPT ![a] = b]
  /\ promises' = promises \cup
       {[acc |-> a, bal |-> b, chosen |-> IF Broken = "silentprefix" THEN 1 ELSE c,
         votes |-> [s \in Slot |-> IF s < c THEN NoVote ELSE Told(a, s)]]}
  /\ UNCHANGED <<accepted, learned, prepares, accepts, cast, announced>>

\* The choices of one promise of ballot b from each acceptor of p: one choice, unless promises
\* are also given late.
PromiseSets(p, b) ==
  LET P == {m \in promises : m.bal = b /\ m.acc \in p} IN
  {Q \in IF Late THEN SUBSET P ELSE {P} :
     {m.acc : m \in Q} = p /\ Cardinality(Q) = Cardinality(p)}

\* What the promises P allow in slot s: the decree of the highest vote that they report, and a
\* copy is higher than any vote; where they report neither, a Noop if s is a gap below a reported
\* slot, else whatever clients ask for.
Proposals(P, s) ==
  LET R == {m.votes[s] : m \in P} \ {NoVote}
      Gap == \E m \in P, t \in Slot : t > s /\ m.votes[t] # NoVote
  IN CASE R = {} /\ Gap -> {Noop}
       [] R = {} /\ ~ Gap -> Value
       [] R # {} /\ Broken = "anydecree" -> Value
       [] R # {} /\ Broken = "anyvote" -> {w[2] : w \in R}
       [] OTHER -> {w[2] : w \in {x \in R : \A y \in R : y[1] <= x[1]}}

\* The candidate proposes in s what the promises allow, once, and nothing below what they call
\* chosen, nor below what it announced itself: whoever votes there in this ballot would take its
\* vote for the decree that was announced. It need not wait for anything else: slots are
\* independent.
Phase2a(b, s) ==
  /\ \A w \in accepts : w[1] # s \/ w[2] # b
  /\ Broken = "belowannounced" \/ \A m \in announced : m[1] = b => m[2] <= s
  /\ \E p \in Quorum1 : \E P \in PromiseSets(p, b) :
       /\ Broken = "belowchosen" \/ \A m \in P : m.chosen <= s
       /\ \E d \in Proposals(P, s) : accepts' = accepts \cup {<<s, b, d>>}
  /\ UNCHANGED <<promised, accepted, learned, prepares, promises, cast, announced>>

\* An acceptor votes in w's slot unless it has promised a higher ballot.
Phase2b(a, w) ==
  /\ w \in accepts
  /\ promised[a] <= w[2] \/ Broken = "belowpromise"
  /\ promised' = [promised EXCEPT ![a] = w[2]]
  /\ accepted' = [accepted EXCEPT ![a][w[1]] = <<w[2], w[3]>>]
  /\ cast' = [cast EXCEPT ![a] = @ \cup {w}]
  /\ UNCHANGED <<learned, prepares, promises, accepts, announced>>

-------------------------------------------------------------------------------
Know(a, s, d) == learned' = [learned EXCEPT ![a][s] = d]

\* The leader counts the votes of its own ballot, by identity.
Counted(w) ==
  IF Broken = "mixedballots"
  THEN \E q \in Quorum2 : \A a \in q : \E x \in cast[a] : x[1] = w[1] /\ x[3] = w[3]
  ELSE \E q \in Quorum2 : \A a \in q : w \in cast[a]
Choose(a, w) ==
  /\ a \in Learner /\ a = Owner[w[2]] /\ w \in accepts
  /\ learned[a][w[1]] = Unknown
  /\ Counted(w)
  /\ Know(a, w[1], w[3])
  /\ UNCHANGED <<promised, accepted, msgs>>

\* What ballot b's leader may announce: every slot below c is known to it, and in each of them
\* either b proposed nothing or what b proposed is the decree that was chosen.
Announce(a, b, c) ==
  /\ a \in Learner /\ a = Owner[b]
  /\ c > 1 /\ c <= ChosenUpTo(a)
  /\ \/ Broken = "copiedslots"
     \/ \A w \in accepts : w[2] = b /\ w[1] < c => w[3] = learned[a][w[1]]
  /\ announced' = announced \cup {<<b, c>>}
  /\ UNCHANGED <<promised, accepted, learned, prepares, promises, accepts, cast>>

\* A follower takes the announcement for those of its votes that were cast in exactly that
\* ballot. Anything else below the announced slot it has to copy.
Concerns(a, m, s) ==
  /\ s < m[2] /\ learned[a][s] = Unknown
  /\ CASE Broken = "learnany" -> accepted[a][s] # NoVote
       [] Broken = "learnabove" -> accepted[a][s][1] >= m[1]
       [] OTHER -> accepted[a][s][1] = m[1]
Learn(a, m) ==
  /\ a \in Learner /\ m \in announced
  /\ \E s \in Slot : Concerns(a, m, s)
  /\ learned' = [learned EXCEPT ![a] =
       [s \in Slot |-> IF Concerns(a, m, s) THEN accepted[a][s][2] ELSE learned[a][s]]]
  /\ UNCHANGED <<promised, accepted, msgs>>

\* A copy takes the place of a vote for another decree; a vote for the same decree stays. Unless
\* words are lost it makes no difference, as no promise then tells of a slot that is known.
Kept(a, s, d) ==
  IF Torn /\ (accepted[a][s][2] # d \/ Broken = "hiddencopy")
  THEN [accepted EXCEPT ![a][s] = <<Copied, d>>]
  ELSE accepted

\* What c may hand on as chosen in s, read back from its journal: the decree that it knows to be
\* chosen. Its journal holds every vote that it cast there, too, and none of them is that decree
\* for being the first, or the last.
ReadBack(c, s) ==
  CASE learned[c][s] = Unknown -> {}
    [] Broken = "anyrecord" -> {x[3] : x \in {w \in cast[c] : w[1] = s}}
    [] Broken = "lastrecord" -> {accepted[c][s][2]} \ {NoVote[2]}
    [] OTHER -> {learned[c][s]}

\* Learned decrees may be copied from anyone else who has them, and again if that was forgotten.
\* What others know only grows, so reading it directly stands for a message of any age.
Copy(a, c, s) ==
  /\ a \in Learner /\ c \in Learner /\ a # c
  /\ Torn \/ learned[a][s] = Unknown
  /\ \E d \in ReadBack(c, s) : Know(a, s, d) /\ accepted' = Kept(a, s, d)
  /\ UNCHANGED <<promised, msgs>>

Next == \/ \E b \in Ballot : Phase1a(b) \/ \E s \in Slot : Phase2a(b, s)
        \/ \E a \in Acceptor : \/ \E b \in prepares : Phase1b(a, b)
                               \/ \E w \in accepts : Phase2b(a, w)
        \/ \E a \in Learner : \/ \E w \in accepts : Choose(a, w)
                              \/ \E b \in Ballot, c \in 2..(Last + 1) : Announce(a, b, c)
                              \/ \E m \in announced : Learn(a, m)
                              \/ \E c \in Learner, s \in Slot : Copy(a, c, s)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------------------
\* The proposals that a phase-2 quorum voted for, in one slot and ballot.
Chosen == {w \in accepts : \E q \in Quorum2 : \A a \in q : w \in cast[a]}

TypeOK == /\ promised \in [Acceptor -> Ballot \cup {-1}]
          /\ accepted \in [Acceptor -> [Slot -> ((Ballot \cup {Copied}) \X Decree) \cup {NoVote}]]
          /\ learned \in [Acceptor -> [Slot -> Decree \cup {Unknown}]]

Agreement == \A w, x \in Chosen : w[1] = x[1] => w[3] = x[3]

OneValuePerBallot == \A w, x \in accepts : w[1] = x[1] /\ w[2] = x[2] => w = x

\* What is proposed at b is safe there: in that slot no lower ballot chose, or still can choose,
\* another decree.
SafeAt == \A w \in accepts : \A c \in 0..(w[2] - 1) : \E p \in Quorum1 : \A a \in p :
  \/ <<w[1], c, w[3]>> \in cast[a]
  \/ promised[a] > c /\ \A x \in cast[a] : x[1] # w[1] \/ x[2] # c

\* Only what is chosen is learned, by whatever road; so learned prefixes agree.
LearnedIsChosen == \A a \in Acceptor, s \in Slot :
  learned[a][s] # Unknown => \E w \in Chosen : w[1] = s /\ w[3] = learned[a][s]

\* What is handed on as chosen is what was chosen, whoever may ask for it, and when.
ReadBackIsChosen == \A c \in Learner, s \in Slot :
  \A d \in ReadBack(c, s) : \E w \in Chosen : w[1] = s /\ w[3] = d

PromiseMonotonic == [][\A a \in Acceptor : promised'[a] >= promised[a]]_vars
LearnedNeverChanges == [][\A a \in Acceptor, s \in Slot :
                            learned[a][s] # Unknown => learned'[a][s] = learned[a][s]]_vars
=============================================================================
