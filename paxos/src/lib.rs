//! Single-decree and multi-decree Paxos as pure state machines: no IO, no clock, no randomness.
