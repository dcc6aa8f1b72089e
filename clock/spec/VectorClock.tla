---------------------------- MODULE VectorClock -----------------------------
(* Vectors that are causality (Fidge 1988, Mattern 1989): a process counts its own events and    *)
(* keeps, for each other, the highest count that it heard of. Then one event happened before     *)
(* another exactly if its vector is smaller, and two are concurrent exactly if neither is.       *)
EXTENDS Causality
CONSTANT Broken
VARIABLE clock        \* clock[p][q]: how many events of q p knows of
vars == <<history, clock>>

Init == history = {} /\ clock = [p \in Process |-> [q \in Process |-> 0]]

Issue(p, kind, heard, time) ==
  /\ Room
  /\ clock' = [clock EXCEPT ![p] = time]
  /\ history' = history \cup {Event(p, kind, heard, time)}

Tick(p, kind) == Issue(p, kind, {}, [clock[p] EXCEPT ![p] = @ + 1])

Larger(x, y) == IF x > y THEN x ELSE y
Merged(p, t) == [q \in Process |-> Larger(clock[p][q], t[q])]
Observe(p, e) ==
  /\ e.kind = "send" /\ e.proc # p
  /\ Issue(p, "receive", e.past \cup {Id(e)},
       CASE Broken = "nomerge" -> [clock[p] EXCEPT ![p] = @ + 1, ![e.proc] = e.time[e.proc]]
         [] Broken = "noincrement" -> Merged(p, e.time)
         [] OTHER -> [Merged(p, e.time) EXCEPT ![p] = @ + 1])

Next == \E p \in Process : \/ \E kind \in {"local", "send"} : Tick(p, kind)
                           \/ \E e \in history : Observe(p, e)
Spec == Init /\ [][Next]_vars

AtMost(t, u) == \A q \in Process : t[q] <= u[q]
Less(t, u) == AtMost(t, u) /\ t # u

ExactlyCausality == \A e, f \in history : Less(e.time, f.time) <=> HappenedBefore(e, f)
ExactlyConcurrency == \A e, f \in history :
  e # f => (Concurrent(e, f) <=> ~ AtMost(e.time, f.time) /\ ~ AtMost(f.time, e.time))
\* Nobody knows of more events than there are.
NoRumour == \A p, q \in Process : clock[p][q] <= clock[q][q]
=============================================================================
