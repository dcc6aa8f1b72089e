------------------------- MODULE MultiPaxosInductive ------------------------
(* The inductive invariant of MultiPaxos, by the names that its parts have in the model of that  *)
(* name in paxos/proof; OneValuePerBallot and SafeAt stand in MultiPaxos, and learned_won is     *)
(* LearnedIsChosen. What the model keeps as history is here what it stands for: what is chosen.  *)
EXTENDS MultiPaxos

Won(s, d) == \E w \in Chosen : w[1] = s /\ w[3] = d
Votes(a, s) == {w \in cast[a] : w[1] = s}
IsVote(v) == v # NoVote /\ v[1] # Copied

\* The latest vote of an acceptor, or a copy of what was chosen; its promise covers its votes.
latest_vote == \A a \in Acceptor : \A w \in cast[a] : w[2] <= accepted[a][w[1]][1]
accepted_is_vote == \A a \in Acceptor, s \in Slot :
  IsVote(accepted[a][s]) => <<s, accepted[a][s][1], accepted[a][s][2]>> \in cast[a]
copy_won == \A a \in Acceptor, s \in Slot :
  accepted[a][s][1] = Copied => Won(s, accepted[a][s][2])
promised_covers_votes == \A a \in Acceptor : \A w \in cast[a] : promised[a] >= w[2]
\* A Promise is kept, hides no vote in a slot that it does not call chosen, and makes up none.
promise_kept == \A m \in promises : promised[m.acc] >= m.bal
promise_reports == \A m \in promises : \A s \in Slot : s >= m.chosen =>
  \A w \in Votes(m.acc, s) : w[2] < m.bal => w[2] <= m.votes[s][1]
promise_true == \A m \in promises : \A s \in Slot : IsVote(m.votes[s]) =>
  <<s, m.votes[s][1], m.votes[s][2]>> \in accepts /\ m.votes[s][1] <= m.bal
promise_copy == \A m \in promises : \A s \in Slot :
  m.votes[s][1] = Copied => Won(s, m.votes[s][2])
\* Only what was proposed is voted for; what is proposed is a decree.
vote_proposed == \A a \in Acceptor : cast[a] \subseteq accepts
proposal_decree == \A w \in accepts : w[3] \in Decree
\* What a ballot proposed below its announcement was chosen.
announced_won == \A m \in announced : \A w \in accepts :
  w[2] = m[1] /\ w[1] < m[2] => Won(w[1], w[3])
=============================================================================
