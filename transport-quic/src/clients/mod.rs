//! Clients, at either end: the port that serves them with the replies that wait for each, and the
//! connection that a client dials, in turns with others of its process.

pub(crate) mod client;
pub(crate) mod client_event;
pub(crate) mod client_port;
pub(crate) mod replies;
pub(crate) mod turn;
