//! State machine replication over Paxos, sans-IO.
//!
//! Disks, networks and clocks are left to a driver. The claim kept true: one step per input, which
//! cannot fail, and the same inputs give the same effects.
#![doc = include_str!("../README.md")]

mod checkpoint;
pub mod client;
mod command;
mod config;
mod effects;
mod election;
mod executor;
mod message;
mod pace;
mod proposals;
mod queue;
mod read;
mod recovery;
mod replica;
mod request;
mod resend;
mod saved_state;
mod session;
mod snapshot;
mod state_machine;
mod status;
pub mod testing;
pub mod wire;

pub use checkpoint::{CHECKPOINT_SLOTS, Checkpoints, Difference, Finding};
pub use command::{
    BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, ClientId, Command, CommandBatch, Fingerprint,
    MalformedBatch, Opening, PAYLOAD_BYTES_MAX, Principal, Sequence, SessionId, fingerprint, mix,
};
pub use config::{CACHE_BYTES, CACHE_SLOTS, Config, ConfigError, Limits, SUSPICION_TICKS_MIN};
pub use effects::{Batch, Disk, Effects, Input, LogRead, Record, SetTimer, Timer};
pub use election::cause::{ElectionCause, FollowedLeader};
pub use election::{
    BACKOFF_MAX, DEAF_TIMES, Election, ElectionAction, ElectionView, PATIENCE_TICKS_MAX, Progress,
    SLOW_SYNC_MS, STALL_TICKS, TAKE_IN_BYTES_MAX, TAKE_IN_TICKS_MAX,
};
pub use executor::{Executor, WaitKey, answer};
pub use message::{
    Checkpoint, Folder, Heartbeat, Lane, Message, PeerStart, STATE_PART_BYTES_MAX, StatePart,
};
pub use pace::{PATH_SYNCS, Pace, RTT_TICKS_MAX, SYNC_TICKS_MAX, path_ticks};
pub use proposals::{Proposals, WAITERS_MAX, WAITERS_PER_COMMAND_MAX, WAITING_BYTES_MAX, Waiter};
pub use queue::Queue;
pub use read::{Confirmed, READ_BYTES_MAX, READS_MAX, Read, ReadLimits, Reads};
pub use recovery::Recovering;
pub use replica::Replica;
pub use replica::catch_up::{
    ANNOUNCED_TICKS, CatchUp, FETCH_BYTES_MAX, FETCH_SLOTS_MAX, PartVerdict,
};
pub use replica::observe::QUEUES;
pub use request::{Connection, NoPart, Refusal, Request, RequestBody, RequestId, Response};
pub use resend::{Awaited, RESEND_PATH_TICKS_MAX, RESEND_TICKS, RESEND_TICKS_MAX, Resends};
pub use session::{
    KEPT_BYTES, KEPT_REPLY_BYTES_MAX, KeptReply, NamedCommand, PIPELINE_MAX, SESSION_BYTES,
    SESSIONS_MAX, SESSIONS_PER_PRINCIPAL_MAX, SavedReply, SavedSession, SessionLimits,
    SessionVerdict, Sessions, TABLE_BYTES_MAX, TABLE_BYTES_PER_PRINCIPAL_MAX, UnsavedSession,
};
pub use snapshot::{NoSnapshot, RestoreError, SnapshotPieces, SnapshotView};
pub use state_machine::{Invalid, REPLY_BYTES_MAX, StateMachine};
pub use status::{DiskHealth, HostStatus, Status, Version};
