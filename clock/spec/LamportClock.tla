---------------------------- MODULE LamportClock ----------------------------
(* Numbers that respect causality (Lamport 1978): each event gets a number above the process's   *)
(* last one and, if it is a receipt, above the message's. With the process's name as tie-break   *)
(* the numbers order all events. They do not tell causality apart from chance.                   *)
EXTENDS Causality
CONSTANT Broken
VARIABLE clock        \* clock[p]: the number of p's last event
vars == <<history, clock>>

Init == history = {} /\ clock = [p \in Process |-> 0]

Larger(x, y) == IF x > y THEN x ELSE y
Issue(p, kind, heard, time) ==
  /\ Room
  /\ clock' = [clock EXCEPT ![p] = time]
  /\ history' = history \cup {Event(p, kind, heard, time)}

\* A local event, or a sending.
Tick(p, kind) == Issue(p, kind, {}, IF Broken = "frozen" THEN clock[p] ELSE clock[p] + 1)

\* The receipt of what e sent: above both numbers, not only above one of them.
Observe(p, e) ==
  /\ e.kind = "send" /\ e.proc # p
  /\ Issue(p, "receive", e.past \cup {Id(e)},
       CASE Broken = "ignore" -> clock[p] + 1
         [] Broken = "adopt" -> e.time + 1
         [] Broken = "equal" -> Larger(clock[p] + 1, e.time)
         [] OTHER -> Larger(clock[p], e.time) + 1)

Next == \E p \in Process : \/ \E kind \in {"local", "send"} : Tick(p, kind)
                           \/ \E e \in history : Observe(p, e)
Spec == Init /\ [][Next]_vars

ClockCondition == \A e, f \in history : HappenedBefore(e, f) => e.time < f.time

\* Number, then name: no two events are equal in it, and it extends causality.
Before(e, f) == e.time < f.time \/ (e.time = f.time /\ e.proc < f.proc)
TotalOrder == \A e, f \in history : e # f => (Before(e, f) \/ Before(f, e))

\* Not true, and a run shows it: a lower number does not mean that it happened before.
Converse == \A e, f \in history : e.time < f.time => HappenedBefore(e, f)

Monotone == [][\A p \in Process : LET n == Cardinality({e \in history' : e.proc = p}) IN
                 IF n > Count(p) THEN clock'[p] > clock[p] ELSE clock'[p] = clock[p]]_vars
=============================================================================
