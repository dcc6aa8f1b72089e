----------------------------- MODULE Causality -----------------------------
(* Events of processes that send messages, and what happened before what (Lamport 1978). This    *)
(* is the ground truth that clocks are measured against; it knows no clock. An event is local, a *)
(* sending, or a receipt of a message sent before; messages may be received many times or never. *)
EXTENDS Naturals, FiniteSets
CONSTANTS Process,
          Length      \* the number of events, all together
VARIABLE history      \* the events, each with the set of those that happened before it

Count(p) == Cardinality({e \in history : e.proc = p})
Of(p) == {e \in history : e.proc = p}

\* What p knows of: its own events and all that happened before them.
Past(p) == UNION {e.past \cup {<<e.proc, e.number>>} : e \in Of(p)}
Id(e) == <<e.proc, e.number>>

\* The next event of p; `heard` is what the message that it receives brings with it.
Event(p, kind, heard, time) ==
  [proc |-> p, number |-> Count(p) + 1, kind |-> kind, past |-> Past(p) \cup heard, time |-> time]
Room == Cardinality(history) < Length

HappenedBefore(e, f) == Id(e) \in f.past
Concurrent(e, f) == e # f /\ ~ HappenedBefore(e, f) /\ ~ HappenedBefore(f, e)
=============================================================================
