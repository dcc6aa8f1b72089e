//! What travels on a connection: streams and how each begins, frames on them, the lanes that wait
//! for their turn to be written, and the inbox in which what came waits to be taken.

pub(crate) mod frame;
pub(crate) mod inbox;
pub(crate) mod lanes;
pub(crate) mod preface;
pub(crate) mod stream;
