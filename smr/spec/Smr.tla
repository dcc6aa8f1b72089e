-------------------------------- MODULE Smr ---------------------------------
(* State machine replication over a log that agrees, which is MultiPaxos's claim and is taken as *)
(* given: log[s] is what was chosen in slot s. Slots are chosen in any order within a window;    *)
(* clients retry, so that a command may be chosen twice; a gap is filled with a Noop. Replicas   *)
(* apply the log in order, each slot once, and a command that its session has applied is         *)
(* answered from the session and not applied again.                                              *)
(*                                                                                               *)
(* `value`, `stage` and `reply` are what clients see; with them it refines StateMachine, where a *)
(* command takes effect when the first replica applies it.                                       *)
EXTENDS Naturals, FiniteSets
CONSTANTS Client, Replica,
          Slots,      \* the slots are 1..Slots
          Window,     \* how many slots may be open past the prefix that somebody applied
          Broken
VARIABLES log,        \* log[s]: a client, "noop", or "open" while nothing is chosen
          applied,    \* applied[r]: how many slots r has applied
          machine,    \* machine[r]: the state of r's machine
          sessions,   \* sessions[r][c]: the kept reply to c's command, or None
          answer,     \* replies on their way to clients, <<client, reply>>
          value, stage, reply
seen == <<value, stage, reply>>
vars == <<log, applied, machine, sessions, answer, value, stage, reply>>

Slot == 1..Slots
None == 99
Front == CHOOSE n \in 0..Slots : /\ \E r \in Replica : applied[r] = n
                                 /\ \A r \in Replica : applied[r] <= n

Init == /\ log = [s \in Slot |-> "open"]
        /\ applied = [r \in Replica |-> 0]
        /\ machine = [r \in Replica |-> 0]
        /\ sessions = [r \in Replica |-> [c \in Client |-> None]]
        /\ answer = {}
        /\ value = 0
        /\ stage = [c \in Client |-> "idle"]
        /\ reply = [c \in Client |-> None]

Submit(c) ==
  /\ stage[c] = "idle"
  /\ stage' = [stage EXCEPT ![c] = "open"]
  /\ UNCHANGED <<log, applied, machine, sessions, answer, value, reply>>

\* A submitted command is chosen, perhaps once more, perhaps after its client was answered.
Choose(s, c) ==
  /\ log[s] = "open" /\ s <= Front + Window
  /\ stage[c] # "idle"
  /\ log' = [log EXCEPT ![s] = c]
  /\ UNCHANGED <<applied, machine, sessions, answer, seen>>

\* A new leader fills a slot below one that is taken.
Fill(s) ==
  /\ log[s] = "open" /\ \E t \in Slot : t > s /\ log[t] # "open"
  /\ log' = [log EXCEPT ![s] = "noop"]
  /\ UNCHANGED <<applied, machine, sessions, answer, seen>>

Following(r) == IF Broken = "overgap" /\ applied[r] + 2 \in Slot /\ log[applied[r] + 1] = "open"
            THEN applied[r] + 2 ELSE applied[r] + 1
Fresh(r, c) == sessions[r][c] = None \/ Broken = "nodedup"
Apply(r) ==
  LET s == Following(r) IN
  /\ s \in Slot /\ log[s] # "open"
  /\ applied' = [applied EXCEPT ![r] = s]
  /\ IF log[s] = "noop"
     THEN UNCHANGED <<machine, sessions, answer, value, reply>>
     ELSE LET c == log[s] IN
       IF Fresh(r, c)
       THEN /\ machine' = [machine EXCEPT ![r] = @ + 1]
            /\ sessions' = [sessions EXCEPT ![r][c] = machine[r]]
            /\ answer' = answer \cup {<<c, machine[r]>>}
            /\ IF s > Front
               THEN /\ value' = value + 1
                    /\ reply' = [reply EXCEPT ![c] = machine[r]]
               ELSE UNCHANGED <<value, reply>>
       ELSE /\ answer' = answer \cup
                 {<<c, IF Broken = "reapply" THEN machine[r] ELSE sessions[r][c]>>}
            /\ UNCHANGED <<machine, sessions, value, reply>>
  /\ UNCHANGED <<log, stage>>

\* A client takes the first reply that reaches it.
Reply(c) ==
  /\ stage[c] = "open"
  /\ \/ <<c, reply[c]>> \in answer
     \/ Broken = "early" /\ \E s \in Slot : log[s] = c
  /\ stage' = [stage EXCEPT ![c] = "done"]
  /\ UNCHANGED <<log, applied, machine, sessions, answer, value, reply>>

Next == \/ \E c \in Client : Submit(c) \/ Reply(c) \/ \E s \in Slot : Choose(s, c)
        \/ \E s \in Slot : Fill(s)
        \/ \E r \in Replica : Apply(r)
Spec == Init /\ [][Next]_vars

A == INSTANCE StateMachine

\* Replicas that applied as much are equal, machine and sessions.
StateEquality == \A q, r \in Replica : applied[q] = applied[r] =>
                   machine[q] = machine[r] /\ sessions[q] = sessions[r]
\* Each command changes the machine once, whatever is in the log.
ExactlyOnce == \A r \in Replica :
  machine[r] = Cardinality({c \in Client : \E s \in 1..applied[r] : log[s] = c})
NoGapApplied == \A r \in Replica, s \in Slot : s <= applied[r] => log[s] # "open"
\* All replies to a command are the same.
OneReply == \A x, y \in answer : x[1] = y[1] => x = y
=============================================================================
