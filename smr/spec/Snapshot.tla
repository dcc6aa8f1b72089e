------------------------------ MODULE Snapshot ------------------------------
(* Snapshots: a node writes its state at a slot to disk and may then forget the decrees below;   *)
(* one that is far behind installs another's. The log is given, as agreement is MultiPaxos's     *)
(* claim: Log[s] is the client whose command is in slot s, and a command that is in two slots    *)
(* changes the machine once, by the session table, which is part of the state. What must not     *)
(* happen: a node forgets a vote that it told of, or a state that no log leads to.               *)
EXTENDS Naturals, FiniteSets
CONSTANTS Replica, Quorum,
          Log,        \* a sequence of clients: what would be chosen in each slot
          Crashes, Broken
VARIABLES voted,      \* voted[r]: the slots that r ever told others that it accepted
          held,       \* held[r]: the slots whose record is in r's journal
          lost,       \* lost[r]: those of them whose record is a vote for a decree that lost
          base,       \* base[r]: r reads no decree back from its journal up to here
          snap,       \* snap[r]: r's durable snapshot: the slots that it covers, and the state
          applied, state,   \* of r's machine, in memory
          crashed
vars == <<voted, held, lost, base, snap, applied, state, crashed>>

Slot == DOMAIN Log
Empty == [count |-> 0, seen |-> {}]
Step(t, c) == IF c \in t.seen THEN t ELSE [count |-> t.count + 1, seen |-> t.seen \cup {c}]
RECURSIVE StateAt(_)
StateAt(n) == IF n = 0 THEN Empty ELSE Step(StateAt(n - 1), Log[n])

Init == /\ voted = [r \in Replica |-> {}]
        /\ held = [r \in Replica |-> {}]
        /\ lost = [r \in Replica |-> {}]
        /\ base = [r \in Replica |-> 0]
        /\ snap = [r \in Replica |-> [upto |-> 0, state |-> Empty]]
        /\ applied = [r \in Replica |-> 0]
        /\ state = [r \in Replica |-> Empty]
        /\ crashed = 0

\* A vote; below its snapshot a node casts none, as there the answer is "chosen". It takes the
\* place of one for a decree that lost.
Accept(r, s) ==
  /\ s > snap[r].upto /\ s \notin held[r] \ lost[r]
  /\ voted' = [voted EXCEPT ![r] = @ \cup {s}]
  /\ held' = [held EXCEPT ![r] = @ \cup {s}]
  /\ lost' = [lost EXCEPT ![r] = @ \ {s}]
  /\ UNCHANGED <<base, snap, applied, state, crashed>>

\* A vote for a decree that another one will be chosen over.
Lose(r, s) ==
  /\ s > snap[r].upto /\ s \notin held[r]
  /\ held' = [held EXCEPT ![r] = @ \cup {s}]
  /\ lost' = [lost EXCEPT ![r] = @ \cup {s}]
  /\ UNCHANGED <<voted, base, snap, applied, state, crashed>>

Chosen(s) == \E q \in Quorum : \A r \in q : s \in voted[r]

Apply(r) ==
  LET s == applied[r] + 1 IN
  /\ s \in Slot /\ Chosen(s) /\ s \in held[r] \ lost[r]
  /\ applied' = [applied EXCEPT ![r] = s]
  /\ state' = [state EXCEPT ![r] = Step(@, Log[s])]
  /\ UNCHANGED <<voted, held, lost, base, snap, crashed>>

Written(t) == IF Broken = "nosessions" THEN [t EXCEPT !.seen = {}] ELSE t
Take(r) ==
  /\ applied[r] > snap[r].upto
  /\ snap' = [snap EXCEPT ![r] = [upto |-> applied[r], state |-> Written(state[r])]]
  /\ UNCHANGED <<voted, held, lost, base, applied, state, crashed>>

\* Segments below the durable snapshot are deleted; below the applied slot is not enough.
Truncate(r) ==
  LET below == IF Broken = "truncatefirst" THEN applied[r] ELSE snap[r].upto IN
  /\ held[r] \cap (1..below) # {}
  /\ held' = [held EXCEPT ![r] = @ \ (1..below)]
  /\ lost' = [lost EXCEPT ![r] = @ \ (1..below)]
  /\ UNCHANGED <<voted, base, snap, applied, state, crashed>>

\* Install replaces the state and keeps every vote at or above the snapshot's slot. Of the slots
\* that it passes over the journal may hold votes that lost, and nobody is told of them again.
Install(r, q) ==
  /\ snap[q].upto > IF Broken = "backwards" THEN 0 ELSE applied[r]
  /\ r # q
  /\ snap' = [snap EXCEPT ![r] = snap[q]]
  /\ applied' = [applied EXCEPT ![r] = snap[q].upto]
  /\ state' = [state EXCEPT ![r] = snap[q].state]
  /\ held' = [held EXCEPT ![r] = IF Broken = "dropsabove" THEN {} ELSE @]
  /\ lost' = [lost EXCEPT ![r] = IF Broken = "dropsabove" THEN {} ELSE @]
  /\ base' = [base EXCEPT ![r] = IF Broken = "readsbelow" THEN @ ELSE snap[q].upto]
  /\ UNCHANGED <<voted, crashed>>

\* A node comes back with its snapshot, and applies again what its journal has above it.
Crash(r) ==
  /\ crashed < Crashes /\ crashed' = crashed + 1
  /\ applied' = [applied EXCEPT ![r] = snap[r].upto]
  /\ state' = [state EXCEPT ![r] = snap[r].state]
  /\ base' = [base EXCEPT ![r] = IF Broken = "readsbelow" THEN @ ELSE snap[r].upto]
  /\ UNCHANGED <<voted, held, lost, snap>>

\* What r hands on as chosen out of its journal: the slots that it applied from there.
ReadBack(r) == {s \in held[r] : base[r] < s /\ s <= applied[r]}

Next == \E r \in Replica : \/ Apply(r) \/ Take(r) \/ Truncate(r) \/ Crash(r)
                           \/ \E s \in Slot : Accept(r, s) \/ Lose(r, s)
                           \/ \E q \in Replica : Install(r, q)
Spec == Init /\ [][Next]_vars

\* The state is what the log leads to, by whatever road the node came there.
SnapshotEq == \A r \in Replica : /\ state[r] = StateAt(applied[r])
                                 /\ snap[r].state = StateAt(snap[r].upto)
\* What a node told of is in its journal or under its snapshot.
NoAmnesia == \A r \in Replica : \A s \in voted[r] : s \in held[r] \/ s <= snap[r].upto
\* Only what is chosen is under a snapshot, and the machine is never behind it.
Covers == \A r \in Replica : /\ \A s \in 1..snap[r].upto : Chosen(s)
                             /\ applied[r] >= snap[r].upto
\* What is handed on as chosen is what was chosen.
ReadBackIsChosen == \A r \in Replica : ReadBack(r) \cap lost[r] = {}
SnapshotForward == [][\A r \in Replica : snap'[r].upto >= snap[r].upto]_vars
=============================================================================
