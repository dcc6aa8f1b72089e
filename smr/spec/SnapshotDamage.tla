--------------------------- MODULE SnapshotDamage ---------------------------
(* Snapshots that are damaged: what Snapshot says of whole ones, and a file that cannot be read. *)
(* It costs no vote: the node goes on as an acceptor above it, as its name tells that all below  *)
(* was chosen, has the state from a peer, as a snapshot or decree by decree, and answers nothing *)
(* until then. As in Snapshot the log is given. The rules that are broken there are not here.    *)
EXTENDS Naturals, FiniteSets
CONSTANTS Replica, Quorum,
          Log,        \* a sequence of clients: what would be chosen in each slot
          Crashes,
          Damages,    \* how many snapshots are damaged at most
          Broken
VARIABLES voted,      \* voted[r]: the slots that r ever told others that it accepted
          held,       \* held[r]: the slots whose record is in r's journal
          lost,       \* lost[r]: those of them whose record is a vote for a decree that lost
          base,       \* base[r]: r reads no decree back from its journal up to here
          snap,       \* snap[r]: r's durable snapshot: the slots that it covers, and the state
          ruin,       \* ruin[r]: the slots that a damaged one of r's stood for, which still has its name
          applied, state,   \* of r's machine, in memory
          wrong,      \* whether somebody was answered from a state that is not the one at its slot
          crashed, damaged
vars == <<voted, held, lost, base, snap, ruin, applied, state, wrong, crashed, damaged>>

Slot == DOMAIN Log
Empty == [count |-> 0, seen |-> {}]
Step(t, c) == IF c \in t.seen THEN t ELSE [count |-> t.count + 1, seen |-> t.seen \cup {c}]
RECURSIVE StateAt(_)
StateAt(n) == IF n = 0 THEN Empty ELSE Step(StateAt(n - 1), Log[n])
Max(x, y) == IF x < y THEN y ELSE x
\* The slots that a snapshot of r stands for, be it whole or damaged.
Stands(r) == Max(snap[r].upto, ruin[r])
\* What r tells others to be chosen, and has no votes to report of.
Known(r) == Max(base[r], applied[r])

Init == /\ voted = [r \in Replica |-> {}]
        /\ held = [r \in Replica |-> {}]
        /\ lost = [r \in Replica |-> {}]
        /\ base = [r \in Replica |-> 0]
        /\ snap = [r \in Replica |-> [upto |-> 0, state |-> Empty]]
        /\ ruin = [r \in Replica |-> 0]
        /\ applied = [r \in Replica |-> 0]
        /\ state = [r \in Replica |-> Empty]
        /\ wrong = FALSE
        /\ crashed = 0 /\ damaged = 0

\* A vote; below its snapshot a node casts none, as there the answer is "chosen". It takes the
\* place of one for a decree that lost.
Accept(r, s) ==
  /\ s > Stands(r) /\ s \notin held[r] \ lost[r]
  /\ voted' = [voted EXCEPT ![r] = @ \cup {s}]
  /\ held' = [held EXCEPT ![r] = @ \cup {s}]
  /\ lost' = [lost EXCEPT ![r] = @ \ {s}]
  /\ UNCHANGED <<base, snap, ruin, applied, state, wrong, crashed, damaged>>

\* A vote for a decree that another one will be chosen over.
Lose(r, s) ==
  /\ s > Stands(r) /\ s \notin held[r]
  /\ held' = [held EXCEPT ![r] = @ \cup {s}]
  /\ lost' = [lost EXCEPT ![r] = @ \cup {s}]
  /\ UNCHANGED <<voted, base, snap, ruin, applied, state, wrong, crashed, damaged>>

Chosen(s) == \E q \in Quorum : \A r \in q : s \in voted[r]

Apply(r) ==
  LET s == applied[r] + 1 IN
  /\ s \in Slot /\ Chosen(s) /\ s \in held[r] \ lost[r] /\ s > base[r]
  /\ applied' = [applied EXCEPT ![r] = s]
  /\ state' = [state EXCEPT ![r] = Step(@, Log[s])]
  /\ UNCHANGED <<voted, held, lost, base, snap, ruin, wrong, crashed, damaged>>

\* A node without the state at its base has the decrees below it from a peer, which reads them back
\* as chosen. Its own journal may hold votes there that lost.
ReadBack(r) == {s \in held[r] : base[r] < s /\ s <= applied[r]}
Fetch(r, q) ==
  LET s == applied[r] + 1 IN
  /\ s <= base[r]
  /\ IF Broken = "ownlog" THEN s \in held[r] ELSE s \in ReadBack(q)
  /\ applied' = [applied EXCEPT ![r] = s]
  /\ state' = [state EXCEPT ![r] =
       Step(@, IF Broken = "ownlog" /\ s \in lost[r] THEN "lost" ELSE Log[s])]
  /\ UNCHANGED <<voted, held, lost, base, snap, ruin, wrong, crashed, damaged>>

\* Who leads answers from the state at what it knows to be chosen.
Answer(r) ==
  /\ applied[r] >= base[r] \/ Broken = "answerswithout"
  /\ wrong' = (wrong \/ state[r] # StateAt(Known(r)))
  /\ UNCHANGED <<voted, held, lost, base, snap, ruin, applied, state, crashed, damaged>>

\* One that is damaged is replaced as well by one of the same slot: the state is in memory.
Take(r) ==
  /\ applied[r] > snap[r].upto /\ applied[r] >= base[r]
  /\ snap' = [snap EXCEPT ![r] = [upto |-> applied[r], state |-> state[r]]]
  /\ ruin' = [ruin EXCEPT ![r] = 0]
  /\ UNCHANGED <<voted, held, lost, base, applied, state, wrong, crashed, damaged>>

\* A snapshot is damaged while nobody reads it. That it was there its name goes on to tell.
Rot(r) ==
  /\ damaged < Damages /\ damaged' = damaged + 1
  /\ snap[r].upto > 0
  /\ ruin' = [ruin EXCEPT ![r] = Stands(r)]
  /\ snap' = [snap EXCEPT ![r] = [upto |-> 0, state |-> Empty]]
  /\ UNCHANGED <<voted, held, lost, base, applied, state, wrong, crashed>>

\* Segments below the durable snapshot are deleted; below the applied slot is not enough.
Truncate(r) ==
  LET below == Stands(r) IN
  /\ held[r] \cap (1..below) # {}
  /\ held' = [held EXCEPT ![r] = @ \ (1..below)]
  /\ lost' = [lost EXCEPT ![r] = @ \ (1..below)]
  /\ UNCHANGED <<voted, base, snap, ruin, applied, state, wrong, crashed, damaged>>

\* Install replaces the state and keeps every vote at or above the snapshot's slot. Of the slots
\* that it passes over the journal may hold votes that lost, and nobody is told of them again.
Install(r, q) ==
  /\ snap[q].upto > applied[r]
  /\ r # q
  /\ snap' = [snap EXCEPT ![r] = snap[q]]
  /\ ruin' = [ruin EXCEPT ![r] = IF @ <= snap[q].upto THEN 0 ELSE @]
  /\ applied' = [applied EXCEPT ![r] = snap[q].upto]
  /\ state' = [state EXCEPT ![r] = snap[q].state]
  /\ base' = [base EXCEPT ![r] = Max(@, snap[q].upto)]
  /\ UNCHANGED <<voted, held, lost, wrong, crashed, damaged>>

\* A node comes back with its snapshot, and applies again what its journal has above it. Above a
\* damaged one it has its votes, and no state.
Crash(r) ==
  /\ crashed < Crashes /\ crashed' = crashed + 1
  /\ applied' = [applied EXCEPT ![r] = snap[r].upto]
  /\ state' = [state EXCEPT ![r] = snap[r].state]
  /\ base' = [base EXCEPT ![r] =
       IF Broken = "ruinforgotten" THEN snap[r].upto ELSE Stands(r)]
  /\ UNCHANGED <<voted, held, lost, snap, ruin, wrong, damaged>>

Next == \E r \in Replica : \/ Apply(r) \/ Take(r) \/ Truncate(r) \/ Crash(r) \/ Rot(r) \/ Answer(r)
                           \/ \E s \in Slot : Accept(r, s) \/ Lose(r, s)
                           \/ \E q \in Replica : Install(r, q) \/ Fetch(r, q)
Spec == Init /\ [][Next]_vars

\* The state is what the log leads to, by whatever road the node came there.
SnapshotEq == \A r \in Replica : /\ state[r] = StateAt(applied[r])
                                 /\ snap[r].state = StateAt(snap[r].upto)
\* What a node told of is in its journal, or under a snapshot and told of as chosen.
NoAmnesia == \A r \in Replica : \A s \in voted[r] :
  s \in held[r] \/ (s <= Stands(r) /\ s <= Known(r))
\* Only what is chosen is under a snapshot, and the machine is never behind one that is whole.
Covers == \A r \in Replica : /\ \A s \in 1..Known(r) : Chosen(s)
                             /\ \A s \in 1..Stands(r) : Chosen(s)
                             /\ applied[r] >= snap[r].upto
\* Nobody is answered from a state that a node does not have.
Answered == ~wrong
\* What is handed on as chosen is what was chosen.
ReadBackIsChosen == \A r \in Replica : ReadBack(r) \cap lost[r] = {}
SnapshotForward == [][\A r \in Replica : Stands(r)' >= Stands(r)]_vars
=============================================================================
