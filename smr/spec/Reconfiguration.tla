--------------------------- MODULE Reconfiguration ---------------------------
(* Changing the voters by Lamport's window: the configuration of slot s is decided by the        *)
(* decrees up to slot s - Alpha, so that it is fixed before anybody may propose in s. Any set of *)
(* voters may follow any other; there is one log, and no second kind of quorum.                  *)
(*                                                                                               *)
(* The log is kept small. Messages are never removed: a vote stays, and a promise is             *)
(* promised[a] >= b, since whoever promised b casts no vote below it. Acceptors know no          *)
(* configuration; only counting depends on it. A ballot is its leader: log[b] is what the leader *)
(* of b knows to be chosen. Ballot 1 is promised by all at the start, which constrains nothing.  *)
(* A leader's free choice is marked by its ballot: any two differ, the worst case for agreement. *)
EXTENDS Integers, Sequences, FiniteSets
CONSTANTS Node, Ballots, Slots, Alpha,
          Old, New,   \* the voters before and after the decree "change"
          Broken
VARIABLES promised,
          cast,       \* cast[a]: the votes of a, <<slot, ballot>>
          proposal,   \* proposal[b][s]: what ballot b's leader proposed in s, or Nothing
          log         \* log[b]: the chosen decrees that b's leader knows, without a gap
vars == <<promised, cast, proposal, log>>

Ballot == 1..Ballots
Slot == 1..Slots
Nothing == "nothing"
Change == "change"
Mark == <<"x", "y", "z">>
Min(x, y) == IF x < y THEN x ELSE y
Max(X) == CHOOSE x \in X : \A y \in X : y <= x

\* The configuration after the first k decrees of l, and that of slot s.
After(l, k) == IF \E i \in 1..k : l[i] = Change THEN New ELSE Old
Configuration(l, s) == After(l, Min(Len(l), IF s > Alpha THEN s - Alpha ELSE 0))
IsQuorum(q, c) == 2 * Cardinality(q \cap c) > Cardinality(c)

For(b, s, phase) ==
  CASE Broken = "newest" \/ Broken = "newest" \o phase -> After(log[b], Len(log[b]))
    [] Broken = "oldpromises" /\ phase = "1" -> Old
    [] OTHER -> Configuration(log[b], s)

Init == /\ promised = [a \in Node |-> 1]
        /\ cast = [a \in Node |-> {}]
        /\ proposal = [b \in Ballot |-> [s \in Slot |-> Nothing]]
        /\ log = [b \in Ballot |-> <<>>]

Phase1b(a, b) ==
  /\ promised[a] < b
  /\ promised' = [promised EXCEPT ![a] = b]
  /\ UNCHANGED <<cast, proposal, log>>

\* The ballots below b in which a's promise of b reports a vote in s.
Longest == Max({Len(log[c]) : c \in Ballot})
Reported(a, b, s) ==
  IF Broken = "cut" /\ s > Alpha THEN {} ELSE {c \in 1..(b - 1) : <<s, c>> \in cast[a]}
\* Acceptors that have a snapshot say "chosen"; a wrong candidate takes their silence for no vote.
MaySkip(q, s) == IF Broken = "truncated" /\ s <= Longest THEN SUBSET q ELSE {{}}
\* A change that takes effect past the last slot would only add states.
Free(b, s) == {Mark[b]} \cup (IF s + 1 <= Slots THEN {Change} ELSE {})
Window == IF Broken = "window" THEN Alpha + 1 ELSE Alpha

\* In s the leader needs promises of a phase-1 quorum of s's own configuration.
Phase2a(b, s) ==
  /\ proposal[b][s] = Nothing
  /\ s > Len(log[b]) /\ s <= Len(log[b]) + Window
  /\ \E q \in SUBSET For(b, s, "1") :
       /\ IsQuorum(q, For(b, s, "1")) /\ \A a \in q : promised[a] >= b
       /\ \E skipped \in MaySkip(q, s) :
            LET R == UNION {Reported(a, b, s) : a \in q \ skipped} IN
            \E d \in IF R = {} \/ Broken = "anydecree" THEN Free(b, s)
                     ELSE {proposal[Max(R)][s]} :
              proposal' = [proposal EXCEPT ![b][s] = d]
  /\ UNCHANGED <<promised, cast, log>>

Phase2b(a, b, s) ==
  /\ proposal[b][s] # Nothing /\ promised[a] <= b /\ <<s, b>> \notin cast[a]
  /\ a \in Old \cup (IF s > Alpha \/ Broken # "no" THEN New ELSE {})
  /\ promised' = [promised EXCEPT ![a] = b]
  /\ cast' = [cast EXCEPT ![a] = @ \cup {<<s, b>>}]
  /\ UNCHANGED <<proposal, log>>

Voters(b, s) == {a \in Node : <<s, b>> \in cast[a]}
Choose(b) ==
  LET s == Len(log[b]) + 1 IN
  /\ s \in Slot /\ proposal[b][s] # Nothing
  /\ IsQuorum(Voters(b, s), For(b, s, "2"))
  /\ log' = [log EXCEPT ![b] = Append(@, proposal[b][s])]
  /\ UNCHANGED <<promised, cast, proposal>>

Copy(b, c) ==
  /\ Len(log[c]) > Len(log[b])
  /\ log' = [log EXCEPT ![b] = Append(@, log[c][Len(@) + 1])]
  /\ UNCHANGED <<promised, cast, proposal>>

Next == \/ \E a \in Node, b \in Ballot : Phase1b(a, b) \/ \E s \in Slot : Phase2b(a, b, s)
        \/ \E b \in Ballot : \/ Choose(b)
                             \/ \E s \in Slot : Phase2a(b, s)
                             \/ \E c \in Ballot : Copy(b, c)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------------------
Agreement == \A b, c \in Ballot : \A s \in 1..Min(Len(log[b]), Len(log[c])) : log[b][s] = log[c][s]

\* No two nodes ever use different configurations for one slot.
OneConfiguration == \A b, c \in Ballot :
  \A s \in 1..Min(Slots, Min(Len(log[b]), Len(log[c])) + Alpha) :
    Configuration(log[b], s) = Configuration(log[c], s)

-------------------------------------------------------------------------------
(* Reads across configurations. Promises and knowledge only grow, so that a confirmation after   *)
(* a question came holds when it came, too, and staleness is a matter of one state.              *)
Open(b) == Len(log[b]) + 1
Covered(b, c) == \E q \in SUBSET c : /\ IsQuorum(q, c)
                                     /\ \A a \in q : /\ promised[a] >= b
                                                     /\ Reported(a, b, Open(b)) = {}
Confirmed(b, c) == IsQuorum({a \in Node : promised[a] <= b}, c)
Fresh(b) == Len(log[b]) = Longest

\* Settled and confirmed, both by the configuration of the first slot not known to be chosen.
ReadsFresh == \A b \in Ballot : LET c == Configuration(log[b], Open(b)) IN
  Covered(b, c) /\ Confirmed(b, c) => Fresh(b)
\* Wrong: the confirmation by the configuration of the last chosen slot.
ReadsByLast == \A b \in Ballot : LET c == Configuration(log[b], Open(b)) IN
  Covered(b, c) /\ Confirmed(b, Configuration(log[b], Len(log[b]))) => Fresh(b)
\* Wrong: the confirmation by the newest configuration known.
ReadsByNewest == \A b \in Ballot : LET c == Configuration(log[b], Open(b)) IN
  Covered(b, c) /\ Confirmed(b, After(log[b], Len(log[b]))) => Fresh(b)
\* Wrong: phase 1 covered by the old voters alone.
ReadsCoveredByOld == \A b \in Ballot : LET c == Configuration(log[b], Open(b)) IN
  Covered(b, Old) /\ Confirmed(b, c) => Fresh(b)
\* Wrong: confirmed and not settled.
ReadsUncovered == \A b \in Ballot : Confirmed(b, Configuration(log[b], Open(b))) => Fresh(b)
=============================================================================
