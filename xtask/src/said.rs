//! What is said on the standard streams, and whether it could be.
//!
//! Whoever reads may go away, as `head` does, and a disk that a stream leads to may be full. That
//! is no reason to end a check in its midst; but what could not be said is no success. The claim
//! kept true: no stream that is closed or full ends a verb, or hides how it ended.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

/// Says a line on standard output.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::said::out(format_args!("{}\n", format_args!($($words)*)))
    };
}

/// Says a line on standard error.
macro_rules! complain {
    ($($words:tt)*) => {
        $crate::said::err(format_args!("{}\n", format_args!($($words)*)))
    };
}

pub(crate) use {complain, say};

/// Puts a text on standard output.
pub(crate) fn out(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) {
        // The first error is the one that counts.
        drop(UNSAID.set(error));
    }
}

/// Puts a text on standard error, where there is nobody left to tell that it cannot be done.
pub(crate) fn err(text: fmt::Arguments<'_>) {
    drop(io::stderr().lock().write_fmt(text));
}

/// Returns why something could not be said on standard output, if that was so.
pub(crate) fn unsaid() -> Option<&'static io::Error> {
    UNSAID.get()
}

static UNSAID: OnceLock<io::Error> = OnceLock::new();
