//! State machine replication over Paxos: elections, sessions, linearizable reads, catch-up; sans-IO.
