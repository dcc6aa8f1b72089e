//! Who is at the other end: names in certificates, the keys and authorities that prove them, what
//! a handshake refuses, and by what a connection of an earlier life is told to end.

pub(crate) mod identity;
pub(crate) mod reset;
pub(crate) mod tls;
pub(crate) mod verify;
pub(crate) mod wall;
