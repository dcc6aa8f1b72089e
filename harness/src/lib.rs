//! Breaks real processes without root and judges the histories of their clients.
//!
//! The harness is generic over the system under test: it spawns its processes, puts a proxy on
//! every directed link between them, speaks line-JSON with a client bridge, and judges what the
//! clients saw. It depends on no other floor of the project but the clock.

pub mod live;
