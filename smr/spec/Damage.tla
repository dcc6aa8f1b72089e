------------------------------- MODULE Damage -------------------------------
(* An acceptor that lost votes to a damaged disk, and when it may promise again. Its promise p   *)
(* survives, as the journal repeats it; which votes are gone it does not know. A Promise that    *)
(* leaves them out could let a candidate choose something else: it is silent on every Prepare;  *)
(* it goes on voting, which is truthful; and it asks a settled leader of a ballot at or above p  *)
(* how far that ballot has assigned slots. Every lost vote was cast at or below p, so whatever   *)
(* it could have helped to choose is chosen in one of those slots or reported to that leader.    *)
(* Once it has learned all of them as chosen it promises again, and reports them as chosen.      *)
(*                                                                                               *)
(* The log is kept as small as in Reads and Reconfiguration; ballot 1 is promised by all.        *)
EXTENDS Integers, Sequences, FiniteSets
CONSTANTS Acceptor, Ballots, Slots,
          Damages,    \* how many acceptors are damaged at most
          Broken
VARIABLES promised,
          promise,    \* promise[a][b]: "none"; "full" with all votes; "part", given after damage
          cast,       \* cast[a]: all votes that a told of, <<slot, ballot>>
          lost,       \* lost[a]: those that its disk has no more
          proposal,   \* proposal[b][s]: the mark of a free choice, or 0 for nothing
          log,        \* log[b]: the chosen decrees that b's leader knows, without a gap
          health,     \* health[a]: "sound", "damaged", "healed"
          floor,      \* floor[a]: what it had promised when the damage was found
          limit       \* limit[a]: the slots that it has to learn, -1 while it does not know
voting == <<promised, promise, cast, proposal, log>>
vars == <<promised, promise, cast, lost, proposal, log, health, floor, limit>>

Ballot == 1..Ballots
Slot == 1..Slots
Min(x, y) == IF x < y THEN x ELSE y
Max0(X) == IF X = {} THEN 0 ELSE CHOOSE x \in X : \A y \in X : y <= x
IsQuorum(q) == 2 * Cardinality(q) > Cardinality(Acceptor)
Quorums == {q \in SUBSET Acceptor : Cardinality(q) = (Cardinality(Acceptor) \div 2) + 1}

Init == /\ promised = [a \in Acceptor |-> 1]
        /\ promise = [a \in Acceptor |-> [b \in Ballot |-> IF b = 1 THEN "full" ELSE "none"]]
        /\ cast = [a \in Acceptor |-> {}] /\ lost = [a \in Acceptor |-> {}]
        /\ proposal = [b \in Ballot |-> [s \in Slot |-> 0]]
        /\ log = [b \in Ballot |-> <<>>]
        /\ health = [a \in Acceptor |-> "sound"]
        /\ floor = [a \in Acceptor |-> 0]
        /\ limit = [a \in Acceptor |-> -1]

\* What a's promise of b says of slot s: the ballots of its votes, or nothing that counts.
Reported(a, b, s) == {c \in 1..(b - 1) : /\ <<s, c>> \in cast[a]
                                         /\ promise[a][b] = "part" => <<s, c>> \notin lost[a]}
Counts(a, b, s) == \/ promise[a][b] = "full"
                   \/ promise[a][b] = "part" /\ s > limit[a]

\* A damaged acceptor answers no Prepare, not even one that it has answered before. A healed one
\* answers anew what it promised before the damage.
Answers(a, b) ==
  \/ health[a] # "damaged" /\ promise[a][b] = "none"
  \/ health[a] = "healed" /\ promise[a][b] = "full"
  \/ Broken = "nosilence" /\ promise[a][b] = "none"
  \/ Broken = "repeated" /\ health[a] = "damaged" /\ promise[a][b] = "full"
Phase1b(a, b) ==
  /\ promised[a] <= b /\ Answers(a, b)
  /\ promised' = [promised EXCEPT ![a] = b]
  /\ promise' = [promise EXCEPT ![a][b] = IF health[a] = "sound" THEN "full" ELSE "part"]
  /\ UNCHANGED <<cast, lost, proposal, log, health, floor, limit>>

Phase2a(b, s) ==
  /\ proposal[b][s] = 0 /\ s > Len(log[b])
  /\ \E q \in Quorums :
       /\ \A a \in q : Counts(a, b, s)
       /\ LET R == UNION {Reported(a, b, s) : a \in q} IN
          proposal' = [proposal EXCEPT ![b][s] = IF R = {} THEN b ELSE proposal[Max0(R)][s]]
  /\ UNCHANGED <<promised, promise, cast, lost, log, health, floor, limit>>

\* A vote cast again after the damage is on the disk again.
Phase2b(a, b, s) ==
  /\ proposal[b][s] # 0 /\ promised[a] <= b
  /\ <<s, b>> \notin cast[a] \/ <<s, b>> \in lost[a]
  /\ promised' = [promised EXCEPT ![a] = b]
  /\ cast' = [cast EXCEPT ![a] = @ \cup {<<s, b>>}]
  /\ lost' = [lost EXCEPT ![a] = @ \ {<<s, b>>}]
  /\ UNCHANGED <<promise, proposal, log, health, floor, limit>>

Choose(b) ==
  LET s == Len(log[b]) + 1 IN
  /\ s \in Slot /\ proposal[b][s] # 0
  /\ IsQuorum({a \in Acceptor : <<s, b>> \in cast[a]})
  /\ log' = [log EXCEPT ![b] = Append(@, proposal[b][s])]
  /\ UNCHANGED <<promised, promise, cast, lost, proposal, health, floor, limit>>

Copy(b, c) ==
  /\ Len(log[c]) > Len(log[b])
  /\ log' = [log EXCEPT ![b] = Append(@, log[c][Len(@) + 1])]
  /\ UNCHANGED <<promised, promise, cast, lost, proposal, health, floor, limit>>

-------------------------------------------------------------------------------
Damage(a) ==
  /\ health[a] = "sound" /\ cast[a] # {}
  /\ Cardinality({x \in Acceptor : health[x] # "sound"}) < Damages
  /\ \E x \in SUBSET cast[a] : x # {} /\ lost' = [lost EXCEPT ![a] = x]
  /\ health' = [health EXCEPT ![a] = "damaged"]
  /\ floor' = [floor EXCEPT ![a] = promised[a]]
  /\ UNCHANGED <<voting, limit>>

Assigned(b) == Max0({s \in Slot : proposal[b][s] # 0})
Elected(b, q) == \A a \in q, s \in Slot : s > Len(log[b]) => Counts(a, b, s)
\* The leader knows all that phase 1 of its ballot reported from lower ballots.
Settled(b) == \E q \in Quorums :
  /\ Elected(b, q)
  /\ \A s \in Slot : s > Len(log[b]) => \A a \in q : Reported(a, b, s) = {}

\* The damaged acceptor asks; the leader of b answers how far it has assigned slots.
Ask(a, b) ==
  /\ health[a] = "damaged" /\ limit[a] = -1
  /\ b >= floor[a] \/ Broken = "anyballot"
  /\ IF Broken = "unsettled" THEN \E q \in Quorums : Elected(b, q) ELSE Settled(b)
  /\ limit' = [limit EXCEPT ![a] =
       IF Broken = "chosenonly" THEN Len(log[b]) ELSE Max0({Assigned(b), Len(log[b])})]
  /\ UNCHANGED <<voting, lost, health, floor>>

Heal(a) ==
  /\ health[a] = "damaged" /\ limit[a] >= 0
  /\ \E b \in Ballot : Len(log[b]) >= limit[a]
  /\ health' = [health EXCEPT ![a] = "healed"]
  /\ UNCHANGED <<voting, lost, floor, limit>>

Next == \/ \E a \in Acceptor : \/ Damage(a) \/ Heal(a)
                               \/ \E b \in Ballot : \/ Phase1b(a, b) \/ Ask(a, b)
                                                    \/ \E s \in Slot : Phase2b(a, b, s)
        \/ \E b \in Ballot : \/ Choose(b)
                             \/ \E s \in Slot : Phase2a(b, s)
                             \/ \E c \in Ballot : Copy(b, c)
Spec == Init /\ [][Next]_vars

Agreement == \A b, c \in Ballot : \A s \in 1..Min(Len(log[b]), Len(log[c])) : log[b][s] = log[c][s]

\* A vote cast in a ballot above the promise at the damage makes up for all that was lost there.
HealedByVote == \A a \in Acceptor, s \in Slot :
  LET Has == {c \in Ballot : <<s, c>> \in cast[a] \ lost[a]}
      Lost == {c \in Ballot : <<s, c>> \in lost[a]}
  IN health[a] # "sound" /\ (\E c \in Has : c > floor[a]) => Max0(Has) > Max0(Lost)
=============================================================================
