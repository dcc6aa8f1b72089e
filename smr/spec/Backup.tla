------------------------------- MODULE Backup -------------------------------
(* Backups: a client puts a snapshot together out of parts that nodes give it, and another       *)
(* cluster begins with it. A snapshot is known by its slot, as it is a function of the chosen    *)
(* prefix (Snapshot). What must not happen: parts of two slots in one backup, a backup that      *)
(* lacks what was acknowledged before it, and a node that began with nothing among those that    *)
(* began with the backup, as both would choose the slots below it.                               *)
EXTENDS Naturals, FiniteSets
CONSTANTS Replica, Quorum,
          Parts, Last,   \* parts of a snapshot; the last slot of which one may be taken
          Asked,         \* what was acknowledged before the client asked is below this slot
          Broken
VARIABLES snap,       \* snap[r]: the slot of r's newest snapshot, of the old cluster
          slots,      \* slots[i]: of which snapshot the client kept part i; 0 for none
          began,      \* began[r]: what the journal of node r of the new cluster was made with
          first,      \* the nodes of it that voted in a slot below the backup
          second      \* the nodes of it that voted in a slot above the backup
vars == <<snap, slots, began, first, second>>

Part == 1..Parts
Kept == {i \in Part : slots[i] # 0}
IsWhole == Kept = Part
Init == /\ snap = [r \in Replica |-> 0]
        /\ slots = [i \in Part |-> 0]
        /\ began = [r \in Replica |-> "unmade"]
        /\ first = {} /\ second = {}

\* A node takes a snapshot, which takes the place of the one that it had.
Grow(r) == /\ ~ IsWhole /\ snap[r] < Last
           /\ \E s \in (snap[r] + 1)..Last : snap' = [snap EXCEPT ![r] = s]
           /\ UNCHANGED <<slots, began, first, second>>

\* The client asks a node for the part after the last one that it has, and is given it of the
\* snapshot that it began, or the first part of another one.
Fetch(r) ==
  LET next == Cardinality(Kept) + 1
      covers == snap[r] >= Asked \/ Broken = "anyage"
      same == next > 1 /\ (snap[r] = slots[1] \/ Broken = "anyslot") IN
  /\ ~ IsWhole /\ snap[r] # 0 /\ covers
  /\ slots' = IF same THEN [slots EXCEPT ![next] = snap[r]]
              ELSE [i \in Part |-> IF i = 1 THEN snap[r] ELSE 0]
  /\ UNCHANGED <<snap, began, first, second>>

\* A node of the new cluster is made, with the backup or by mistake with nothing.
Begin(r, with) == /\ IsWhole /\ began[r] = "unmade"
                  /\ began' = [began EXCEPT ![r] = with]
                  /\ UNCHANGED <<snap, slots, first, second>>

\* Nodes hear each other only if they began with the same.
Hears(r, q) == began[r] # "unmade" /\ began[q] # "unmade"
               /\ (began[r] = began[q] \/ Broken = "meets")

\* A leader that began with nothing proposes in the first slot, and r, which has no state that
\* stands for it, votes.
First(l, r) == /\ began[l] = "nothing" /\ began[r] = "nothing" /\ Hears(r, l)
               /\ first' = first \cup {r}
               /\ UNCHANGED <<snap, slots, began, second>>
\* A leader that began with the backup proposes above it.
Second(l, r) == /\ began[l] = "backup" /\ Hears(r, l)
                /\ second' = second \cup {r}
                /\ UNCHANGED <<snap, slots, began, first>>

Next == \E r \in Replica : \/ Grow(r) \/ Fetch(r)
                           \/ \E with \in {"backup", "nothing"} : Begin(r, with)
                           \/ \E l \in Replica : First(l, r) \/ Second(l, r)
Spec == Init /\ [][Next]_vars

\* A backup is the state at one slot, and has all that was acknowledged before.
BackedUpIsChosen == IsWhole => \A i \in Part : slots[i] = slots[1] /\ slots[i] >= Asked
\* What a quorum chose below the backup and above it is never both the new cluster's.
OneHistory == ~ (/\ \E q \in Quorum : q \subseteq first
                 /\ \E q \in Quorum : q \subseteq second)
=============================================================================
