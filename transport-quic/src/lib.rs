//! Peers and clients over QUIC with mutual TLS: lanes, frames, limits, reconnection; knows no Paxos.
