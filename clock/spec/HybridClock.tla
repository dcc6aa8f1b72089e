---------------------------- MODULE HybridClock -----------------------------
(* Times that respect causality and read like wall time (Kulkarni et al. 2014): <<l, c>>, a      *)
(* physical part and a counter, compared in this order. Physical clocks here may stand, jump     *)
(* and go back. A process issues nothing above a ceiling that it made durable, and begins above  *)
(* the ceiling when it restarts; it refuses a message that is too far ahead of its own clock.    *)
EXTENDS Causality
CONSTANTS Top,        \* physical clocks show 0..Top
          MaxAhead,   \* how far a message may be ahead
          Headroom,   \* how far a ceiling is set above the physical clock
          Restarts,
          Broken
VARIABLES physical,   \* what p's physical clock shows
          last,       \* the time that p issued last
          ceiling,    \* p's durable ceiling
          ready,      \* whether p raised its ceiling since it started
          shown,      \* the highest that p's clock has shown, or vouched for by a ceiling
          restarted
clocks == <<physical, last, ceiling, ready, shown, restarted>>
vars == <<history, clocks>>

Max(x, y) == IF x > y THEN x ELSE y
AtMost(t, u) == t[1] < u[1] \/ (t[1] = u[1] /\ t[2] <= u[2])
Less(t, u) == AtMost(t, u) /\ t # u
Zero == <<0, 0>>

Init == /\ history = {}
        /\ physical = [p \in Process |-> 0]
        /\ last = [p \in Process |-> Zero]
        /\ ceiling = [p \in Process |-> Zero]
        /\ ready = [p \in Process |-> FALSE]
        /\ shown = [p \in Process |-> 0]
        /\ restarted = 0

\* The machine's clock moves, forward or back.
Shift(p) ==
  /\ \E t \in 0..Top : t # physical[p] /\ physical' = [physical EXCEPT ![p] = t]
  /\ UNCHANGED <<history, last, ceiling, ready, shown, restarted>>

RaiseCeiling(p) ==
  LET t == <<Max(physical[p], last[p][1]) + Headroom, 0>> IN
  /\ Less(ceiling[p], t) \/ ~ ready[p]
  /\ ceiling' = [ceiling EXCEPT ![p] = IF Less(@, t) THEN t ELSE @]
  /\ ready' = [ready EXCEPT ![p] = TRUE]
  /\ UNCHANGED <<history, physical, last, shown, restarted>>

\* The least time above the last one and the remote one, and not behind the physical clock.
Above(p, remote) ==
  LET high == IF Less(last[p], remote) THEN remote ELSE last[p] IN
  CASE Broken = "physical" -> <<physical[p], 0>>
    [] Broken # "physical" /\ physical[p] > high[1] -> <<physical[p], 0>>
    [] OTHER -> <<high[1], high[2] + 1>>
Issue(p, kind, heard, remote) ==
  LET t == Above(p, remote) IN
  /\ Room
  /\ ready[p] /\ (AtMost(t, ceiling[p]) \/ Broken = "noceiling")
  /\ last' = [last EXCEPT ![p] = t]
  /\ shown' = [shown EXCEPT ![p] = Max(@, physical[p])]
  /\ history' = history \cup {Event(p, kind, heard, t)}
  /\ UNCHANGED <<physical, ceiling, ready, restarted>>

Now(p) == Issue(p, "send", {}, Zero)
Observe(p, e) ==
  /\ e.kind = "send" /\ e.proc # p
  /\ e.time[1] <= physical[p] + MaxAhead \/ Broken = "nolimit"
  /\ Issue(p, "receive", e.past \cup {Id(e)}, e.time)

\* The process begins above all that it can have issued.
Restart(p) ==
  /\ restarted < Restarts /\ Of(p) # {}
  /\ restarted' = restarted + 1
  /\ last' = [last EXCEPT ![p] = IF Broken = "forget" THEN Zero ELSE ceiling[p]]
  /\ shown' = [shown EXCEPT ![p] = Max(@, ceiling[p][1])]
  /\ ready' = [ready EXCEPT ![p] = FALSE]
  /\ UNCHANGED <<history, physical, ceiling>>

Next == \E p \in Process : \/ Shift(p) \/ RaiseCeiling(p) \/ Now(p) \/ Restart(p)
                           \/ \E e \in history : Observe(p, e)
Spec == Init /\ [][Next]_vars

\* Own events before a restart included: a restart is no excuse.
ClockCondition == \A e, f \in history : HappenedBefore(e, f) => Less(e.time, f.time)

\* Never behind the clock that was read for it, and ahead of it only as far as allowed.
NotBehind == [][history' # history =>
                 \A p \in Process : last'[p] # last[p] => last'[p][1] >= physical[p]]_vars
Bounded == \A p \in Process : last[p][1] <= shown[p] + MaxAhead
=============================================================================
