//! The table of all points: their names and meanings, and nothing else.
//!
//! A point is worth its line if a bug could hide behind it, and if the swarm reaches it: a point
//! that no fault can bring about would fail every batch, and one that every run passes says little.

macro_rules! points {
    ($($point:ident $name:literal $meaning:literal)*) => {
        /// A situation in which a bug would hide.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Point {
            $(#[doc = $meaning] $point,)*
        }

        impl Point {
            /// All points, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$point),*];

            /// Returns the name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }

            /// Returns what it means, in one line.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$point => $meaning,)*
                }
            }
        }
    };
}

points! {
    // Phase 1.
    PromiseWithVote "promise-with-vote" "A promise carries the vote of one slot."
    PromiseWithVotes "promise-with-votes" "A promise carries the votes of several slots."
    PromiseOfMixedBallots "promise-of-mixed-ballots" "A promise carries votes of different ballots."
    PromiseRepeated "promise-repeated" "A candidate gets the promise of one node a second time."
    PromiseAfterElection "promise-after-election" "A promise comes after its candidate leads."
    PromiseOfAnotherBallot "promise-of-another-ballot" "A promise comes for a ballot that is over."
    PrepareIgnored "prepare-ignored" "A content acceptor does not hear a higher ballot."
    PrepareRefused "prepare-refused" "A ballot is refused, as a higher one was promised."
    PrepareRepeated "prepare-repeated" "A ballot that was promised already is asked for again."
    DuellingCampaigns "duelling-campaigns" "A node begins a ballot while another is a candidate."
    CampaignAgainstLeader "campaign-against-leader" "A node campaigns although a leader runs."
    CandidateGivesUp "candidate-gives-up" "A candidate ends its ballot without having led."

    // Leaders.
    ElectedUnsettled "elected-unsettled" "A leader comes about that lacks what was chosen."
    ElectedMostStale "elected-most-stale" "A node wins whose chosen prefix is the shortest of all."
    ElectedWithoutLastLeader "elected-without-last-leader" "The last leader is not in the quorum."
    LedByEveryNode "led-by-every-node" "Each of at least three nodes has led in one run."
    LeaderAgainAfterRestart "leader-again-after-restart" "The last leader restarts and leads again."
    ReproposesOwn "reproposes-own" "A leader proposes again what it had proposed in a lower ballot."
    ReproposesAnothers "reproposes-anothers" "A leader proposes what promises reported of others."
    GapFilled "gap-filled" "A leader fills a gap with a Noop."
    BallotRaised "ballot-raised" "A leader begins a higher ballot, as a voter is lost to its own."
    BallotRaisedWithOpenSlots "ballot-raised-with-open-slots" "It does so with slots open."
    RaiseCompleted "raise-completed" "It leads in that ballot, and nobody led between."
    TwoLeaders "two-leaders" "A leader is elected while another one believes to lead."
    DeposedByPrepare "deposed-by-prepare" "A leader promises a higher ballot of another node."
    DeposedByAccept "deposed-by-accept" "A leader learns from an Accept that it is deposed."
    DeposedByHeartbeat "deposed-by-heartbeat" "A leader resigns, as another leads above it."
    DeposedWithOpenSlots "deposed-with-open-slots" "A leader is deposed while slots of it are open."
    ResignedByDrain "resigned-by-drain" "A leader that shall end hands over."
    OldLeaderProposes "old-leader-proposes" "A leader proposes although a higher ballot is led."

    // Slots.
    VoteReplaced "vote-replaced" "An acceptor votes again in a slot, in a higher ballot."
    VoteForAnother "vote-for-another" "It does so for another decree."
    ValueLostToNoop "value-lost-to-noop" "A vote for a value is replaced by one for a Noop."
    NoopChosen "noop-chosen" "A Noop is chosen."
    ChosenInABurst "chosen-in-a-burst" "A chosen prefix grows by eight slots or more in one step."
    SlotsInFlight "slots-in-flight" "A leader has three slots open or more."
    OwnVoteLast "own-vote-last" "A leader's own vote becomes durable when its slot is chosen."
    BatchOfCommands "batch-of-commands" "A leader proposes several commands in one slot."
    AcceptOfMany "accept-of-many" "An Accept carries several decrees."
    AcceptRefused "accept-refused" "An Accept is refused, as a higher ballot was promised."
    AcceptOfChosen "accept-of-chosen" "An Accept comes for a slot that is known to be chosen."
    AcceptMeetsCopy "accept-meets-copy" "An Accept comes for a slot whose decree was copied."
    AcceptedRepeated "accepted-repeated" "A leader gets a vote a second time, or out of order."
    AcceptedOfAnotherBallot "accepted-of-another-ballot" "A vote comes for a ballot that is over."
    AnnouncedInAnother "announced-in-another" "An announcement meets a vote of another ballot."
    AnnouncedAhead "announced-ahead" "An announcement comes before the vote that it speaks of."

    // Catching up.
    Copied "copied" "A decree is copied into the journal."
    CopyReplacesVote "copy-replaces-vote" "A copied decree replaces a vote for another one."
    LongCatchUp "long-catch-up" "A node is sent more than fifty decrees at once."
    DecreesKnown "decrees-known" "Decrees come that are all known by then."
    FetchAnsweredByFollower "fetch-answered-by-follower" "Somebody fetches from a follower."
    OldSlotsAwaitDisk "old-slots-await-disk" "A read of such slots waits for a disk that hangs."
    OldSlotsReadBack "old-slots-read-back" "Slots that left memory are read from the journal."
    ReadBackAfterRivals "read-back-after-rivals" "One of them held a vote for a rival before."
    CatchUpAcrossLeaders "catch-up-across-leaders" "A leader is elected while a node catches up."
    PromiseInParts "promise-in-parts" "A promise is too long for one message."
    SnapshotTaken "snapshot-taken" "A node writes its state down."
    SnapshotAwaitsDisk "snapshot-awaits-disk" "A snapshot waits for a disk that is slow or hangs."
    SnapshotNotTaken "snapshot-not-taken" "A snapshot is not made, as the disk is full or fails."
    SnapshotInParts "snapshot-in-parts" "A part of a snapshot is kept, and more of it is to come."
    SnapshotAskedOn "snapshot-asked-on" "A peer that has the beginning of a snapshot asks for more."
    SnapshotInstalled "snapshot-installed" "A node goes on from the snapshot of another one."
    BackupMade "backup-made" "A client makes a backup."
    BackupBegunAnew "backup-begun-anew" "The snapshot of a backup is exchanged for another one."
    BackupGivenUp "backup-given-up" "A client gives a backup up, as nobody gives anything."
    BackupNotAllowed "backup-not-allowed" "A client that may not read all asks for a part."
    BackupHeldOff "backup-held-off" "A client is given no part, as another one is given another."
    BackupAwaitsSnapshot "backup-awaits-snapshot" "A client waits for a snapshot to be taken."
    PartOfOlder "part-of-older" "A client is given a part of a snapshot that is not the newest."
    SnapshotRotten "snapshot-rotten" "A bit of a snapshot flips."
    BegunWithoutState "begun-without-state" "A life begins with a damaged snapshot, as an acceptor."
    StateFromPeer "state-from-peer" "The snapshot of a peer gives it its state."
    ScrubFound "scrub-found" "A snapshot that is read again is found to be damaged."
    ScrubRound "scrub-round" "A whole snapshot was read again."
    HoldLetGo "hold-let-go" "A snapshot that was held for a client is let go."
    LogCut "log-cut" "A node begins a life without records that a snapshot stands for."

    // Clients.
    RequestOvertaken "request-overtaken" "A request comes after a later one of its client."
    SessionOpenedTwice "session-opened-twice" "A client's session is opened in two slots."
    AnsweredFromSession "answered-from-session" "A repeated command gets the reply of the first."
    AttemptsAnsweredTogether "attempts-answered-together" "Two attempts of a command wait for it."
    CommandUncertain "command-uncertain" "A client is told that its command may take effect or not."
    CommandUnproposed "command-unproposed" "A command is refused that waited for a slot."
    CommandAtUnsettled "command-at-unsettled" "A command comes to a leader that is not settled."
    CommandAtDeposed "command-at-deposed" "A command comes to one that was deposed unawares."
    CommandWhileRaising "command-while-raising" "A command comes to one that raises its ballot."
    NotLeaderHinted "not-leader-hinted" "A client is told who leads."
    NotLeaderUnhinted "not-leader-unhinted" "A client is told that no leader is known."
    DiskFullRefused "disk-full-refused" "A command is refused as the disk is full."
    ReadAtUnsettled "read-at-unsettled" "A question comes to a leader that is not settled."
    ReadAtDeposed "read-at-deposed" "A question comes to one that was deposed unawares."
    ReadWaitsForRound "read-waits-for-round" "A question waits while a round runs."
    ReadRoundResent "read-round-resent" "A round of questions is sent again."
    ReadRefusedLate "read-refused-late" "A question that waited is refused by one that was deposed."
    ReadSurvivesRaise "read-survives-raise" "A question is answered in a ballot above its own."
    EchoOfHigherPromise "echo-of-higher-promise" "A voter does not confirm the leader that asks."
    EchoLate "echo-late" "An echo comes when no question waits."
    OverloadedRefused "overloaded-refused" "A request is refused as too much waits."
    SessionExpiredRefused "session-expired-refused" "A client's own session was evicted."
    ReplyLostRefused "reply-lost-refused" "The reply to a command that is repeated was not kept."
    SequenceStaleRefused "sequence-stale-refused" "A command comes whose reply was received."
    SequenceReusedRefused "sequence-reused-refused" "The number of a command comes with another."
    PipelineFullRefused "pipeline-full-refused" "A command is refused, too far past those open."
    ReplyTooLongRefused "reply-too-long-refused" "A question is refused, as its reply is too long."
    InvalidRefused "invalid-refused" "A command is refused that the machine cannot take."
    RequestNotConnected "request-not-connected" "A request finds no connection to its node."
    RequestQueueFull "request-queue-full" "A request finds the queue of its own end full."
    AccessDenied "access-denied" "A node denies a client access, and not every other one does."
    AccessRefused "access-refused" "A client is told that no node grants it access."
    AccessRefusedMidway "access-refused-midway" "It is told so of a command that was sent before."
    AccessAgain "access-again" "A client that every node denied is answered again."
    PinnedSentAway "pinned-sent-away" "A pinned client is sent to another node, and stays."
    OutcomeUnknown "outcome-unknown" "A client never learns what became of its operation."
    OutcomeFailed "outcome-failed" "An operation of a client certainly did not happen."
    OutcomeSlow "outcome-slow" "An operation is answered after more than a second."

    // Disks and lives.
    CrashOfLeader "crash-of-leader" "A leader ends without a word."
    CrashOfCandidate "crash-of-candidate" "A candidate ends without a word."
    CrashWithOpenSlots "crash-with-open-slots" "A leader with open slots ends without a word."
    CrashBeforeSyncOfPromise "crash-before-sync-of-promise" "It ends before its promise is synced."
    CrashBeforeSyncOfVote "crash-before-sync-of-vote" "A process ends with a vote not synced."
    CrashWithBatchWaiting "crash-with-batch-waiting" "A process ends with two batches under way."
    PowerFailedMidway "power-failed-midway" "The power fails in the middle of an operation."
    ThreeCrashes "three-crashes" "A node ends three times within seconds."
    AllDown "all-down" "No node runs."
    StartAmongFew "start-among-few" "A node starts while a majority is down."
    NothingSurvived "nothing-survived" "Nothing of what was written and not synced is there."
    AllSurvived "all-survived" "What was written and not synced is there all the same."
    VoteSurvived "vote-survived" "A vote that was never vouched for is there."
    TailCut "tail-cut" "A recovery cuts a torn tail."
    RecoveryInterrupted "recovery-interrupted" "A recovery ends with its disk's error."
    SyncErrorEnds "sync-error-ends" "A failed sync ends the process."
    WriteErrorEnds "write-error-ends" "A failed write ends the process."
    NodeRuined "node-ruined" "A node finds its journal damaged, and never starts again."
    LastRepliesAwaited "last-replies-awaited" "A node that shall end waits for its clients to read."
    RetirementCompleted "retirement-completed" "A node ends as it was asked to."
    FullAlone "full-alone" "The disk of one node becomes full, and those of the others are not."
    StartOnFullDisk "start-on-full-disk" "A node starts on a disk that has no room for anything."
    CommitSplit "commit-split" "A batch is cut into several commits."
    LeaderLosesRoom "leader-loses-room" "The disk of a leader becomes full."
    RoomAgain "room-again" "A full disk has room again."
    HungSyncEnded "hung-sync-ended" "A sync that hung comes to an end."
    LeaderHangs "leader-hangs" "The sync of a leader hangs."
    BatchWaiting "batch-waiting" "A batch waits for the sync of the one before."
    LongBatch "long-batch" "A batch of more than eight records is written."
    SegmentTurned "segment-turned" "A journal fills a segment and goes on in the next one."
    ClientsHeldBack "clients-held-back" "A leader is too crowded to hear its clients."
    CrowdHeardAgain "crowd-heard-again" "A crowded leader that does not get on hears clients."
    SeveralInATurn "several-in-a-turn" "A turn takes several events before its flush."
    FolderRolledBack "folder-rolled-back" "A node is given an older copy of its folder."
    FolderMadeAnew "folder-made-anew" "A node's folder is lost, and it is made anew."
    FolderOfAnother "folder-of-another" "A node is given the folder of another one."
    StrangerRefused "stranger-refused" "A node with another folder than it had is found out."
    RefusedAgain "refused-again" "A node that was refused is started again, and refuses itself."
    FrameOfPastLife "frame-of-past-life" "A message of a life comes after one of the next life."

    // Links, clocks and pauses.
    LinkOfEarlierLife "link-of-earlier-life" "A link is told of with an earlier life than before."
    LaneStalls "lane-stalls" "A peer takes nothing more of the log for a while."
    BulkStalls "bulk-stalls" "A peer takes nothing more of what is long for a while."
    LaneNarrow "lane-narrow" "The way of the log to a peer is narrow for a while."
    LaneBegunAnew "lane-begun-anew" "The link to a peer is another one, and its lane had waited."
    LaneOfLargerBallot "lane-of-larger-ballot" "What waits makes room for a larger ballot."
    RepetitionLeftOut "repetition-left-out" "What is still on its way is not said again."
    LinkToldAgain "link-told-again" "A link is told of again for the life that it has."
    ConnectionBreaks "connection-breaks" "A client's connection breaks, and it comes back."
    ConnectionBreaksUnread "connection-breaks-unread" "It breaks with replies not written."
    ClientReadsNothing "client-reads-nothing" "A client reads none of its replies for a while."
    LeaderAlone "leader-alone" "A leader hears nobody."
    OneWayLink "one-way-link" "Of two nodes only one hears the other for half a second."
    Bridge "bridge" "Two nodes that do not hear each other hear a third."
    ServedMeanwhile "served-meanwhile" "Somebody is served long after links were cut or nodes went."
    WrittenMeanwhile "written-meanwhile" "A write is answered long after a disk or log stood."
    LinkFlaps "link-flaps" "A node loses and finds another one several times in seconds."
    NodeReturns "node-returns" "A node goes on after a pause of a second."
    LoopHeldUp "loop-held-up" "A state machine holds up the loop of its node."
    LeaderReturns "leader-returns" "A leader goes on after a pause of a second."
    DeposedLeaderReturns "deposed-leader-returns" "It was deposed meanwhile and does not know."
    ClockJumped "clock-jumped" "A node's time jumps from one tick to the next."
}
