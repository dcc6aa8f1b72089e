------------------------------- MODULE Lease --------------------------------
(* Leases by clocks that are close to true time: a holder asks a quorum of granters to follow    *)
(* nobody else until its own clock, as it asks, plus Term; it believes in its lease until Guard  *)
(* before that. Clocks differ from true time by Eps at most, and may do so differently at every  *)
(* look, which includes every jump and drift within the bound; so they are no state.             *)
(* The guard is needed in full: twice Eps suffices, and less does not.                           *)
EXTENDS Integers, FiniteSets
CONSTANTS Granter, Quorum, Holder, Term, Eps, Guard,
          Wait,       \* how long a granter that restarted grants nothing, by its own clock
          Horizon,    \* true time ends here
          Restarts
VARIABLES now,        \* true time
          asked,      \* asked[h]: the end of the lease that h asked for last, or None
          granted,    \* granted[h]: who granted that one
          bound,      \* bound[g]: <<holder, end>>, what g granted last, or Free
          quiet,      \* quiet[g]: until when g grants nothing, by its own clock
          restarted
vars == <<now, asked, granted, bound, quiet, restarted>>
None == -9
Free == <<"nobody", None>>

Init == /\ now = 0
        /\ asked = [h \in Holder |-> None]
        /\ granted = [h \in Holder |-> {}]
        /\ bound = [g \in Granter |-> Free]
        /\ quiet = [g \in Granter |-> None]
        /\ restarted = 0

Readings == (now - Eps)..(now + Eps)

Pass == /\ now < Horizon /\ now' = now + 1
        /\ UNCHANGED <<asked, granted, bound, quiet, restarted>>

\* The end is counted from the sending of the request.
Ask(h) ==
  /\ \E c \in Readings : asked' = [asked EXCEPT ![h] = c + Term]
  /\ granted' = [granted EXCEPT ![h] = {}]
  /\ UNCHANGED <<now, bound, quiet, restarted>>

\* A granter is bound to a holder until the end has passed by its own clock.
Grant(g, h) ==
  /\ asked[h] # None /\ g \notin granted[h]
  /\ \E c \in Readings :
       /\ bound[g][1] \in {h, "nobody"} \/ bound[g][2] <= c
       /\ quiet[g] <= c
  /\ bound' = [bound EXCEPT ![g] = <<h, IF @[1] = h /\ @[2] > asked[h] THEN @[2] ELSE asked[h]>>]
  /\ granted' = [granted EXCEPT ![h] = @ \cup {g}]
  /\ UNCHANGED <<now, asked, quiet, restarted>>

\* A restart forgets what was granted, so the granter keeps quiet until that must be over.
Restart(g) ==
  /\ restarted < Restarts
  /\ restarted' = restarted + 1
  /\ bound' = [bound EXCEPT ![g] = Free]
  /\ \E c \in Readings : quiet' = [quiet EXCEPT ![g] = c + Wait]
  /\ UNCHANGED <<now, asked, granted>>

Next == \/ Pass
        \/ \E h \in Holder : Ask(h) \/ \E g \in Granter : Grant(g, h)
        \/ \E g \in Granter : Restart(g)
Spec == Init /\ [][Next]_vars

\* Some reading of h's clock lets it believe.
Holds(h) == /\ \E q \in Quorum : q \subseteq granted[h]
            /\ now - Eps < asked[h] - Guard
OneHolder == \A h, i \in Holder : Holds(h) /\ Holds(i) => h = i
=============================================================================
