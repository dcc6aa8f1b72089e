--------------------------- MODULE SynodInductive ---------------------------
(* The inductive invariant of Synod, by the names that its parts have in the model of that name  *)
(* in paxos/proof, where it is proved for all sizes; OneValuePerBallot and SafeAt stand in Synod. *)
(* What is about a promise as two relations there is about a number here, and needs no saying.   *)
EXTENDS Synod

\* Nobody voted above its latest vote, which is a vote that it cast, and covered by its promise.
latest_vote == \A a \in Acceptor : \A w \in votes[a] : w[1] <= accepted[a][1]
accepted_is_vote == \A a \in Acceptor : accepted[a] # NoVote => accepted[a] \in votes[a]
promised_covers_votes == \A a \in Acceptor : \A w \in votes[a] : promised[a] >= w[1]
\* A Promise is kept; its sender never voted between what it reports and what it promises, nor will.
promise_kept == \A m \in promises : promised[m.acc] >= m.bal
promise_reports == \A m \in promises : \A w \in votes[m.acc] : w[1] < m.bal => w[1] <= m.vote[1]
promise_true == \A m \in promises : m.vote # NoVote => m.vote \in accepts /\ m.vote[1] < m.bal
\* Only what was proposed is voted for, and proposals are made in real ballots.
vote_proposed == \A a \in Acceptor : votes[a] \subseteq accepts
ballot_real == \A w \in accepts : w[1] \in Ballot
=============================================================================
