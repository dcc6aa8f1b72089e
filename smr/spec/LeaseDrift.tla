----------------------------- MODULE LeaseDrift -----------------------------
(* Leases by timers alone: no two clocks are compared, only their rates are bounded. A timer set *)
(* to T rings after a true time between its shortest and its longest. The holder counts from the *)
(* sending of its request, the granter from its receipt: so the holder's longest may be as long  *)
(* as the granter's shortest, and no longer. With a drift of rho that is a term of the holder of *)
(* T * (1 - rho) / (1 + rho), where T is the granter's.                                          *)
EXTENDS Integers, FiniteSets
CONSTANTS Granter, Quorum, Holder,
          Longest,    \* the longest true time that a holder's timer runs
          Shortest,   \* the shortest true time that a granter's timer runs
          Horizon, Restarts, Broken
VARIABLES now,
          sent,       \* sent[h]: when h sent its last request, or None
          counts,     \* counts[h]: from when h counts
          granted,    \* granted[h]: who granted it
          bound,      \* bound[g]: <<holder, when g granted it>>, or Free
          restarted
vars == <<now, sent, counts, granted, bound, restarted>>
None == -99
Free == <<"nobody", None>>

Init == /\ now = 0
        /\ sent = [h \in Holder |-> None] /\ counts = [h \in Holder |-> None]
        /\ granted = [h \in Holder |-> {}]
        /\ bound = [g \in Granter |-> Free]
        /\ restarted = 0

Pass == /\ now < Horizon /\ now' = now + 1
        /\ UNCHANGED <<sent, counts, granted, bound, restarted>>

Ask(h) ==
  /\ sent' = [sent EXCEPT ![h] = now]
  /\ counts' = [counts EXCEPT ![h] = now]
  /\ granted' = [granted EXCEPT ![h] = {}]
  /\ UNCHANGED <<now, bound, restarted>>

\* A granter whose timer may have rung is free; nobody else gets its grant before.
Grant(g, h) ==
  /\ sent[h] # None /\ g \notin granted[h]
  /\ bound[g][1] \in {h, "nobody"} \/ now - bound[g][2] >= Shortest
  /\ bound[g][1] = "boot" => now - bound[g][2] >= Shortest
  /\ bound' = [bound EXCEPT ![g] = <<h, now>>]
  /\ granted' = [granted EXCEPT ![h] = @ \cup {g}]
  /\ UNCHANGED <<now, sent, counts, restarted>>

\* Wrong: the grant has been on its way, and the holder counts from when it comes.
CountFromReceipt(h) ==
  /\ Broken = "fromreceipt" /\ granted[h] # {}
  /\ counts' = [counts EXCEPT ![h] = now]
  /\ UNCHANGED <<now, sent, granted, bound, restarted>>

\* After a boot a granter waits as if it had just granted a lease to it knows not whom.
Restart(g) ==
  /\ restarted < Restarts
  /\ restarted' = restarted + 1
  /\ bound' = [bound EXCEPT ![g] = IF Broken = "noboot" THEN Free ELSE <<"boot", now>>]
  /\ UNCHANGED <<now, sent, counts, granted>>

Next == \/ Pass
        \/ \E h \in Holder : Ask(h) \/ CountFromReceipt(h) \/ \E g \in Granter : Grant(g, h)
        \/ \E g \in Granter : Restart(g)
Spec == Init /\ [][Next]_vars

Holds(h) == /\ \E q \in Quorum : q \subseteq granted[h]
            /\ now - counts[h] < Longest
OneHolder == \A h, i \in Holder : Holds(h) /\ Holds(i) => h = i
=============================================================================
