------------------------- MODULE MultiPaxosDurable --------------------------
(* The log with crashes: MultiPaxos with the queues of SynodDurable. Records of promises, votes  *)
(* and copies lie in a node's queue until it syncs, and a crash loses what lies there; leadership *)
(* is never written; and of what a node knows to be chosen a crash may take anything, as the     *)
(* word how far all is chosen is written late. The rule that makes this harmless is that of      *)
(* SynodDurable: what claims something leaves when all records written before it are durable. An *)
(* announcement claims that its ballot is durable, too, so it leaves after the ballot's Prepare. *)
(* A promise may be given late here, in the ballot already promised, by nodes that crash.        *)
EXTENDS Integers, Sequences, FiniteSets
CONSTANTS Acceptor, Quorum1, Quorum2, Ballot, Slot,
          Owner,      \* Owner[b]: the one node that may lead ballot b
          Learner,    \* the nodes that learn; fewer of them make fewer states
          Noop,       \* the decree that does nothing; fills gaps
          Fragile,    \* the nodes that may crash; the others sync at once
          Crashes,    \* how often nodes crash at most, all together
          Broken
VARIABLES promised, accepted,   \* the durable state, as in MultiPaxos
          queue,                \* queue[a]: what a wrote since, with the claims that wait for it
          lead,                 \* lead[a]: the ballot that a leads, or -1
          mine,                 \* mine[a]: the slots in which a proposed in that ballot
          learned,              \* learned[a][s]: as in MultiPaxos, in memory
          prepares, promises, accepts, cast, announced,
          crashed               \* how often nodes have crashed
durable == <<promised, accepted>>
leading == <<lead, mine>>
network == <<prepares, promises, accepts, cast, announced>>
vars == <<durable, queue, leading, learned, network, crashed>>

NoVote == <<-1, "none">>
Unknown == "unknown"
\* As in SynodDurable, a free choice is marked so that any two differ.
Value == Ballot \X (0..Crashes)
Decree == Value \cup {Noop}
Last == CHOOSE s \in Slot : \A t \in Slot : t <= s
Copied == 1 + CHOOSE b \in Ballot : \A c \in Ballot : c <= b
QuorumIntersection == \A p \in Quorum1, q \in Quorum2 : p \cap q # {}
NoVotes == [s \in Slot |-> NoVote]

Init == /\ promised = [a \in Acceptor |-> -1]
        /\ accepted = [a \in Acceptor |-> NoVotes]
        /\ queue = [a \in Acceptor |-> <<>>]
        /\ lead = [a \in Acceptor |-> -1]
        /\ mine = [a \in Acceptor |-> {}]
        /\ learned = [a \in Acceptor |-> [s \in Slot |-> Unknown]]
        /\ prepares = {} /\ promises = {} /\ accepts = {} /\ announced = {}
        /\ cast = [a \in Acceptor |-> {}]
        /\ crashed = 0

\* What a node acts on: its memory, which is the state after all that it wrote.
Promised(a) == IF queue[a] = <<>> THEN promised[a] ELSE queue[a][Len(queue[a])].promised
Accepted(a) == IF queue[a] = <<>> THEN accepted[a] ELSE queue[a][Len(queue[a])].accepted
Knows(a, s) == learned[a][s] # Unknown
ChosenUpTo(a) == CHOOSE c \in 1..(Last + 1) :
                   (\A s \in 1..(c - 1) : Knows(a, s)) /\ (c = Last + 1 \/ ~ Knows(a, c))

-------------------------------------------------------------------------------
\* An entry is the state after a write, and the claim that waits for it: a Promise of `promised`
\* that calls all below `chosen` chosen and tells `report` of the others, or a vote in `slot`.
Entry(p, v, kind) ==
  [promised |-> p, accepted |-> v, kind |-> kind, chosen |-> 1, report |-> NoVotes, slot |-> 0]
Vote(e) == <<e.slot, e.accepted[e.slot][1], e.accepted[e.slot][2]>>
Promise(a, e) == [acc |-> a, bal |-> e.promised, chosen |-> e.chosen, votes |-> e.report]

Release(a, e) ==
  /\ prepares' = IF e.kind = "campaign" THEN prepares \cup {e.promised} ELSE prepares
  /\ promises' = IF e.kind \in {"campaign", "promise"}
                 THEN promises \cup {Promise(a, e)} ELSE promises
  /\ cast' = IF e.kind = "accepted" THEN [cast EXCEPT ![a] = @ \cup {Vote(e)}] ELSE cast
Persist(a, e) == /\ promised' = [promised EXCEPT ![a] = e.promised]
                 /\ accepted' = [accepted EXCEPT ![a] = e.accepted]

Recordless(a, e) == e.promised = Promised(a) /\ e.accepted = Accepted(a)
Enqueue(a, e, kind) ==
  /\ \A i \in 1..Len(queue[a]) : queue[a][i] \notin {e, [e EXCEPT !.kind = "left"]}
  /\ queue' = [queue EXCEPT ![a] = Append(@, [e EXCEPT !.kind = kind])]
Write(a, e) ==
  CASE a \notin Fragile -> Persist(a, e) /\ Release(a, e) /\ UNCHANGED queue
    [] a \in Fragile /\ Broken = "recordless" /\ Recordless(a, e) ->
         Release(a, e) /\ UNCHANGED <<queue, durable>>
    [] a \in Fragile /\ Broken = "early" \o e.kind ->
         Release(a, e) /\ Enqueue(a, e, "left") /\ UNCHANGED durable
    [] OTHER -> Enqueue(a, e, e.kind) /\ UNCHANGED <<durable, prepares, promises, cast>>

\* What a promise tells of slot s: the latest vote or copy in memory, synced or not.
Told(a, s) == IF Broken = "syncedreport" THEN accepted[a][s] ELSE Accepted(a)[s]
Promising(a, b, kind) == LET c == ChosenUpTo(a) IN
  [Entry(b, Accepted(a), kind) EXCEPT
     !.chosen = c, !.report = [s \in Slot |-> IF s < c THEN NoVote ELSE Told(a, s)]]

-------------------------------------------------------------------------------
\* A candidate takes a ballot above all that it promised, and writes so before anybody hears of it.
Phase1a(a, b) ==
  /\ a = Owner[b]
  /\ IF Broken = "reuse" THEN b >= Promised(a) ELSE b > Promised(a)
  /\ b \notin prepares \/ lead[a] # b
  /\ lead' = [lead EXCEPT ![a] = b]
  /\ mine' = [mine EXCEPT ![a] = {}]
  /\ Write(a, Promising(a, b, "campaign"))
  /\ UNCHANGED <<learned, accepts, announced, crashed>>

\* A late promise has no record of its own, and waits all the same.
Phase1b(a, b) ==
  /\ b \in prepares
  /\ b > Promised(a) \/ (b = Promised(a) /\ a \in Fragile /\ \A s \in Slot : Accepted(a)[s][1] < b)
  /\ Write(a, Promising(a, b, "promise"))
  /\ UNCHANGED <<leading, learned, accepts, announced, crashed>>

\* One promise of ballot b from each acceptor of p.
PromiseSets(p, b) ==
  LET P == {m \in promises : m.bal = b /\ m.acc \in p} IN
  {Q \in SUBSET P : {m.acc : m \in Q} = p /\ Cardinality(Q) = Cardinality(p)}

\* As in MultiPaxos; a free choice is marked.
Proposals(P, b, s) ==
  LET R == {m.votes[s] : m \in P} \ {NoVote}
      Gap == \E m \in P, t \in Slot : t > s /\ m.votes[t] # NoVote
  IN CASE R = {} /\ Gap -> {Noop}
       [] R = {} /\ ~ Gap -> {<<b, crashed>>}
       [] OTHER -> {w[2] : w \in {x \in R : \A y \in R : y[1] <= x[1]}}

\* A candidate proposes once in a slot, and nowhere where it knows what is chosen: so it proposes
\* nothing below what it announced.
Phase2a(a, b, s) ==
  /\ lead[a] = b /\ s \notin mine[a]
  /\ Broken = "proposesknown" \/ ~ Knows(a, s)
  /\ \E p \in Quorum1 : \E P \in PromiseSets(p, b) :
       /\ \A m \in P : m.chosen <= s
       /\ \E d \in Proposals(P, b, s) : accepts' = accepts \cup {<<s, b, d>>}
  /\ mine' = [mine EXCEPT ![a] = @ \cup {s}]
  /\ UNCHANGED <<durable, queue, lead, learned, prepares, promises, cast, announced, crashed>>

Phase2b(a, w) ==
  /\ w \in accepts /\ w[2] >= Promised(a)
  /\ Write(a, [Entry(w[2], [Accepted(a) EXCEPT ![w[1]] = <<w[2], w[3]>>], "accepted")
                 EXCEPT !.slot = w[1]])
  /\ UNCHANGED <<leading, learned, accepts, announced, crashed>>

Sync(a) ==
  /\ queue[a] # <<>>
  /\ Persist(a, Head(queue[a])) /\ Release(a, Head(queue[a]))
  /\ queue' = [queue EXCEPT ![a] = Tail(@)]
  /\ UNCHANGED <<leading, learned, accepts, announced, crashed>>

\* The node comes back with what is durable, leads nothing, and knows what is chosen only in slots
\* of K.
Crash(a) ==
  /\ a \in Fragile /\ crashed < Crashes
  /\ crashed' = crashed + 1
  /\ queue' = [queue EXCEPT ![a] = <<>>]
  /\ IF Broken = "forgetful" THEN UNCHANGED leading
     ELSE lead' = [lead EXCEPT ![a] = -1] /\ mine' = [mine EXCEPT ![a] = {}]
  /\ \E K \in SUBSET {s \in Slot : Knows(a, s)} :
       learned' = [learned EXCEPT ![a] = [s \in Slot |-> IF s \in K THEN @[s] ELSE Unknown]]
  /\ UNCHANGED <<durable, network>>

-------------------------------------------------------------------------------
Counted(w) == \E q \in Quorum2 : \A a \in q : w \in cast[a]
Choose(a, w) ==
  /\ a \in Learner /\ a = Owner[w[2]] /\ w \in accepts
  /\ ~ Knows(a, w[1]) /\ Counted(w)
  /\ learned' = [learned EXCEPT ![a][w[1]] = w[3]]
  /\ UNCHANGED <<durable, queue, leading, network, crashed>>

\* A leader announces only after its own Prepare: so nobody hears of a ballot that a crash can
\* take back.
Announce(a, b, c) ==
  /\ a \in Learner /\ lead[a] = b
  /\ Broken = "announceearly" \/ b \in prepares
  /\ c > 1 /\ c <= ChosenUpTo(a)
  /\ \A w \in accepts : w[2] = b /\ w[1] < c => w[3] = learned[a][w[1]]
  /\ announced' = announced \cup {<<b, c>>}
  /\ UNCHANGED <<durable, queue, leading, learned, prepares, promises, accepts, cast, crashed>>

\* A follower takes the announcement for its votes in memory, synced or not: they are chosen.
Concerns(a, m, s) == s < m[2] /\ ~ Knows(a, s) /\ Accepted(a)[s][1] = m[1]
Learn(a, m) ==
  /\ a \in Learner /\ m \in announced
  /\ \E s \in Slot : Concerns(a, m, s)
  /\ learned' = [learned EXCEPT ![a] =
       [s \in Slot |-> IF Concerns(a, m, s) THEN Accepted(a)[s][2] ELSE @[s]]]
  /\ UNCHANGED <<durable, queue, leading, network, crashed>>

\* A copy is a record that claims nothing; of a decree that the journal holds there is none.
Copy(a, c, s) ==
  /\ a \in Learner /\ c \in Learner /\ a # c
  /\ Knows(c, s) /\ ~ Knows(a, s)
  /\ learned' = [learned EXCEPT ![a][s] = learned[c][s]]
  /\ IF Accepted(a)[s][2] = learned[c][s]
     THEN UNCHANGED <<durable, queue, prepares, promises, cast>>
     ELSE Write(a, Entry(Promised(a),
                         [Accepted(a) EXCEPT ![s] = <<Copied, learned[c][s]>>], "left"))
  /\ UNCHANGED <<leading, accepts, announced, crashed>>

Next == \E a \in Acceptor :
          \/ Sync(a) \/ Crash(a)
          \/ \E b \in Ballot : \/ Phase1a(a, b)
                               \/ \E s \in Slot : Phase2a(a, b, s)
                               \/ \E c \in 2..(Last + 1) : Announce(a, b, c)
          \/ \E b \in prepares : Phase1b(a, b)
          \/ \E w \in accepts : Phase2b(a, w) \/ Choose(a, w)
          \/ \E m \in announced : Learn(a, m)
          \/ \E c \in Acceptor, s \in Slot : Copy(a, c, s)
Spec == Init /\ [][Next]_vars

-------------------------------------------------------------------------------
TypeOK == \A a \in Acceptor :
  /\ promised[a] \in Ballot \cup {-1} /\ lead[a] \in Ballot \cup {-1}
  /\ \A s \in Slot :
       /\ accepted[a][s] = NoVote \/ accepted[a][s] \in (Ballot \cup {Copied}) \X Decree
       /\ learned[a][s] \in Decree \cup {Unknown}

Chosen == {w \in accepts : \E q \in Quorum2 : \A a \in q : w \in cast[a]}
Agreement == \A w, x \in Chosen : w[1] = x[1] => w[3] = x[3]
OneValuePerBallot == \A w, x \in accepts : w[1] = x[1] /\ w[2] = x[2] => w = x
SafeAt == \A w \in accepts : \A c \in 0..(w[2] - 1) : \E p \in Quorum1 : \A a \in p :
  \/ <<w[1], c, w[3]>> \in cast[a]
  \/ promised[a] > c /\ \A x \in cast[a] : x[1] # w[1] \/ x[2] # c
LearnedIsChosen == \A a \in Acceptor, s \in Slot :
  Knows(a, s) => \E w \in Chosen : w[1] = s /\ w[3] = learned[a][s]

\* Whatever left is covered by what is durable.
PersistBeforeSend ==
  /\ \A b \in prepares : promised[Owner[b]] >= b
  /\ \A m \in promises : promised[m.acc] >= m.bal
  /\ \A a \in Acceptor : \A w \in cast[a] : accepted[a][w[1]][1] >= w[2]
  /\ \A m \in announced : promised[Owner[m[1]]] >= m[1]

\* Crashes included.
PromiseMonotonic == [][\A a \in Acceptor : promised'[a] >= promised[a]]_vars
=============================================================================
