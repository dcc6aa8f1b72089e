//! The members of the cluster: the port on which they are met, a keeper for each that dials it
//! anew, the link that is up to it, and what its owner is told of that.

pub(crate) mod endpoint;
pub(crate) mod link;
pub(crate) mod peer;
pub(crate) mod peer_event;
pub(crate) mod window;
