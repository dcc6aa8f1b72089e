---------------------------- MODULE StateMachine ----------------------------
(* What a client is promised: one machine, nothing replicated. A command takes effect once, at   *)
(* some moment between its submission and its reply, and the reply is what it led to then. The   *)
(* machine counts; the reply to a command is the count before it, so that a command applied      *)
(* twice, lost or reordered shows.                                                               *)
EXTENDS Naturals
CONSTANT Client       \* each submits one command
VARIABLES value,      \* the state of the machine
          stage,      \* stage[c]: "idle", "open" once submitted, "done" once replied
          reply       \* reply[c]: what c's command led to, or None before it took effect
vars == <<value, stage, reply>>
None == 99

Init == /\ value = 0
        /\ stage = [c \in Client |-> "idle"]
        /\ reply = [c \in Client |-> None]

Submit(c) == /\ stage[c] = "idle"
             /\ stage' = [stage EXCEPT ![c] = "open"]
             /\ UNCHANGED <<value, reply>>

Effect(c) == /\ stage[c] = "open" /\ reply[c] = None
             /\ reply' = [reply EXCEPT ![c] = value]
             /\ value' = value + 1
             /\ UNCHANGED stage

Reply(c) == /\ stage[c] = "open" /\ reply[c] # None
            /\ stage' = [stage EXCEPT ![c] = "done"]
            /\ UNCHANGED <<value, reply>>

Next == \E c \in Client : Submit(c) \/ Effect(c) \/ Reply(c)
Spec == Init /\ [][Next]_vars
=============================================================================
