------------------------------- MODULE Mutex --------------------------------
(* Mutual exclusion without a coordinator, the example of Lamport 1978: a process asks everybody *)
(* with its clock's number, and enters when its request is the first that it knows of and it has *)
(* heard something later from all others. Channels keep the order of what is sent through them.  *)
EXTENDS Naturals, Sequences, FiniteSets
CONSTANTS Process,    \* 1..n, so that names break ties
          Requests,   \* how often each process asks
          Broken
VARIABLES clock,
          request,    \* request[p][q]: the number of q's request as p knows it, or 0
          heard,      \* heard[p]: who has acknowledged p's request
          inside,     \* the processes in the critical section
          channel,    \* channel[p][q]: what p sent to q and q has not received
          left        \* left[p]: how many requests p may still make
vars == <<clock, request, heard, inside, channel, left>>

Others(p) == Process \ {p}
Larger(x, y) == IF x > y THEN x ELSE y

Init == /\ clock = [p \in Process |-> 1]
        /\ request = [p \in Process |-> [q \in Process |-> 0]]
        /\ heard = [p \in Process |-> {}]
        /\ inside = {}
        /\ channel = [p \in Process |-> [q \in Process |-> <<>>]]
        /\ left = [p \in Process |-> Requests]

ToAll(p, m) == [channel EXCEPT ![p] =
                  [q \in Process |-> IF q = p THEN <<>> ELSE Append(channel[p][q], m)]]

Ask(p) ==
  /\ request[p][p] = 0 /\ left[p] > 0
  /\ request' = [request EXCEPT ![p][p] = clock[p]]
  /\ channel' = ToAll(p, [kind |-> "request", time |-> clock[p]])
  /\ heard' = [heard EXCEPT ![p] = {}]
  /\ left' = [left EXCEPT ![p] = @ - 1]
  /\ clock' = [clock EXCEPT ![p] = @ + 1]
  /\ UNCHANGED inside

\* The first message from q to p.
Receive(p, q) ==
  /\ channel[q][p] # <<>>
  /\ LET m == Head(channel[q][p])
         rest == [channel EXCEPT ![q][p] = Tail(@)]
     IN CASE m.kind = "request" ->
               /\ request' = [request EXCEPT ![p][q] = m.time]
               /\ clock' = [clock EXCEPT ![p] = Larger(@, m.time) + 1]
               /\ channel' = [rest EXCEPT ![p][q] = Append(@, [kind |-> "heard", time |-> 0])]
               /\ UNCHANGED heard
          [] m.kind = "heard" ->
               /\ heard' = [heard EXCEPT ![p] = @ \cup {q}]
               /\ channel' = rest /\ UNCHANGED <<request, clock>>
          [] OTHER ->
               /\ request' = [request EXCEPT ![p][q] = 0]
               /\ channel' = rest /\ UNCHANGED <<heard, clock>>
  /\ UNCHANGED <<inside, left>>

First(p, q) == \/ request[p][q] = 0
               \/ request[p][p] < request[p][q]
               \/ request[p][p] = request[p][q] /\ (p < q \/ Broken = "notie")
Enter(p) ==
  /\ p \notin inside /\ request[p][p] # 0
  /\ heard[p] = Others(p) \/ Broken = "unheard"
  /\ \A q \in Others(p) : First(p, q)
  /\ inside' = inside \cup {p}
  /\ UNCHANGED <<clock, request, heard, channel, left>>

Leave(p) ==
  /\ p \in inside
  /\ inside' = inside \ {p}
  /\ request' = [request EXCEPT ![p][p] = 0]
  /\ channel' = ToAll(p, [kind |-> "release", time |-> 0])
  /\ UNCHANGED <<clock, heard, left>>

Next == \E p \in Process : \/ Ask(p) \/ Enter(p) \/ Leave(p)
                           \/ \E q \in Others(p) : Receive(p, q)
Spec == Init /\ [][Next]_vars
\* Whoever can enter or leave does, and what was sent arrives. Nobody has to ask.
Live == /\ \A p \in Process : WF_vars(Enter(p)) /\ WF_vars(Leave(p))
        /\ \A p, q \in Process : WF_vars(Receive(p, q))
LiveSpec == Spec /\ Live
Greedy == /\ \A p \in Process : WF_vars(Enter(p))
          /\ \A p, q \in Process : WF_vars(Receive(p, q))
GreedySpec == Spec /\ Greedy

MutualExclusion == Cardinality(inside) <= 1
\* Requests are granted in their order: whoever is inside asked before all who wait.
InOrder == \A p \in inside, q \in Process : request[q][q] # 0 /\ p # q =>
             request[p][p] < request[q][q] \/ (request[p][p] = request[q][q] /\ p < q)
EveryoneServed == \A p \in Process : (request[p][p] # 0) ~> (p \in inside)
=============================================================================
