------------------------------- MODULE Reads --------------------------------
(* Linearizable reads without the log. That the log agrees is MultiPaxos's claim; here only      *)
(* lengths matter: a read is stale when it is answered from a shorter chosen prefix than anybody *)
(* knew when it arrived, as that prefix may hold a write that was answered.                      *)
(*                                                                                               *)
(* So the log is kept small. A promise is promised[a] >= b: whoever promised b casts no vote     *)
(* below it, so that its report stays what it was. Votes and proposals have no content. Ballot 1 *)
(* is promised by all at the start, which constrains nothing. What a leader knows is a prefix.   *)
EXTENDS Integers, FiniteSets
CONSTANTS Acceptor, Quorum1, Quorum2, Ballot, Slot,
          Owner,      \* Owner[b]: the node that leads ballot b
          Broken
VARIABLES promised,
          cast,       \* cast[a]: the votes of a, <<slot, ballot>>
          proposed,   \* proposed[b]: the slots that ballot b's leader proposed in
          found,      \* found[b]: the end of what b's phase 1 found, or -1 before it is over
          known,      \* known[b]: the length of the chosen prefix that b's leader knows
          read        \* the one read
log == <<promised, cast, proposed, found, known>>
vars == <<log, read>>

Max(X) == CHOOSE x \in X : \A y \in X : y <= x
Longest == Max({known[b] : b \in Ballot})
NoRead == [stage |-> "none", floor |-> 0, bal |-> 0, at |-> 0, echoes |-> {}]

Init == /\ promised = [a \in Acceptor |-> 1]
        /\ cast = [a \in Acceptor |-> {}]
        /\ proposed = [b \in Ballot |-> {}]
        /\ found = [b \in Ballot |-> -1]
        /\ known = [b \in Ballot |-> 0]
        /\ read = NoRead

-------------------------------------------------------------------------------
Phase1b(a, b) ==
  /\ promised[a] < b
  /\ promised' = [promised EXCEPT ![a] = b]
  /\ UNCHANGED <<cast, proposed, found, known, read>>

\* The candidate notes how far a quorum's reports reach.
Elect(b) ==
  /\ found[b] = -1
  /\ \E p \in Quorum1 :
       /\ \A a \in p : promised[a] >= b
       /\ found' = [found EXCEPT ![b] =
            Max({0} \cup UNION {{w[1] : w \in {x \in cast[a] : x[2] < b}} : a \in p})]
  /\ UNCHANGED <<promised, cast, proposed, known, read>>

Phase2a(b, s) ==
  /\ found[b] # -1 /\ s \notin proposed[b] /\ s > known[b]
  /\ proposed' = [proposed EXCEPT ![b] = @ \cup {s}]
  /\ UNCHANGED <<promised, cast, found, known, read>>

Phase2b(a, b, s) ==
  /\ s \in proposed[b] /\ promised[a] <= b /\ <<s, b>> \notin cast[a]
  /\ promised' = [promised EXCEPT ![a] = b]
  /\ cast' = [cast EXCEPT ![a] = @ \cup {<<s, b>>}]
  /\ UNCHANGED <<proposed, found, known, read>>

Counted(b, s) == \E q \in Quorum2 : \A a \in q : <<s, b>> \in cast[a]
Choose(b) ==
  /\ Counted(b, known[b] + 1)
  /\ known' = [known EXCEPT ![b] = @ + 1]
  /\ UNCHANGED <<promised, cast, proposed, found, read>>

Copy(b, c) ==
  /\ known[c] > known[b]
  /\ known' = [known EXCEPT ![b] = @ + 1]
  /\ UNCHANGED <<promised, cast, proposed, found, read>>

-------------------------------------------------------------------------------
\* A question comes; every write that was answered before is in the longest prefix of this moment.
Arrive ==
  /\ read.stage = "none" \/ (Broken = "joinround" /\ read.stage = "early")
  /\ read' = [read EXCEPT !.stage = IF @ = "early" THEN "round" ELSE "waiting", !.floor = Longest]
  /\ UNCHANGED log

\* Settled: the leader knows all that its phase 1 found, hence all that was chosen before it.
Own(b) == {s \in 1..known[b] : Counted(b, s)}
Settled(b) ==
  CASE Broken = "unsettled" -> TRUE
    [] Broken = "elected" -> found[b] # -1
    [] Broken = "chosenown" -> found[b] # -1 /\ Own(b) # {}
    [] Broken = "ownlast" -> found[b] # -1 /\ known[b] \in Own(b)
    [] OTHER -> found[b] # -1 /\ known[b] >= found[b]

\* The settled leader notes its prefix and begins a round, after the question came.
Ask(b) ==
  /\ Settled(b)
  /\ read.stage = "waiting" \/ (Broken = "joinround" /\ read.stage = "none")
  /\ read' = [read EXCEPT !.stage = IF @ = "none" THEN "early" ELSE "round",
                          !.bal = b, !.at = known[b],
                          !.echoes = IF Broken = "selfecho" THEN {Owner[b]} ELSE {}]
  /\ UNCHANGED log

\* A voter that promised nothing above the ballot confirms the round.
Echo(a) ==
  /\ read.stage \in {"round", "early"} /\ a \notin read.echoes
  /\ promised[a] <= read.bal \/ Broken = "echoany"
  /\ read' = [read EXCEPT !.echoes = @ \cup {a}]
  /\ UNCHANGED log

Serve ==
  /\ read.stage = "round"
  /\ Broken = "unconfirmed" \/ \E q \in Quorum2 : q \subseteq read.echoes
  /\ read' = [read EXCEPT !.stage = "served"]
  /\ UNCHANGED log

Next == \/ Arrive \/ Serve
        \/ \E b \in Ballot : \/ Elect(b) \/ Choose(b) \/ Ask(b)
                             \/ \E c \in Ballot : Copy(b, c)
                             \/ \E s \in Slot : Phase2a(b, s)
        \/ \E a \in Acceptor : \/ Echo(a)
                               \/ \E b \in Ballot : \/ Phase1b(a, b)
                                                    \/ \E s \in Slot : Phase2b(a, b, s)
Spec == Init /\ [][Next]_vars

TypeOK == /\ promised \in [Acceptor -> Ballot]
          /\ found \in [Ballot -> {-1, 0} \cup Slot] /\ known \in [Ballot -> {0} \cup Slot]

\* An answer is not older than its question.
ReadsFresh == read.stage = "served" => read.at >= read.floor
=============================================================================
