//! Lines of a node's log that mean a crash: what a runtime writes as it gives up, in any language.
//!
//! A process may lose a thread, or be started again by a wrapper, and its end shows nothing of
//! that; its log does. Which lines a fault explains is the cluster's to know, and what follows from
//! one that nothing explains the judge's. The claim kept true: what the usual runtimes write at a
//! crash is known without a word in the description of a system.

use synod_fault::NodeId;

/// Which lines mean a crash.
#[derive(Clone, Copy, Debug)]
pub struct CrashPatterns<'a> {
    /// Whether those of the usual runtimes do.
    pub known: bool,
    /// Texts of the system's own; a line that has one of them does.
    pub own: &'a [String],
}

/// A line of a log that tells of a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashLine {
    /// The node.
    pub node: NodeId,
    /// The file that has it.
    pub log: &'static str,
    /// Which line of the file it is, counted from 1.
    pub number: u64,
    /// What it says.
    pub words: String,
}

impl CrashPatterns<'_> {
    /// Returns the length of the longest text that tells of a crash, in bytes.
    #[must_use]
    pub fn longest(&self) -> usize {
        let known = ANYWHERE.iter().chain(&AT_BEGIN).copied().filter(|_| self.known);
        known.chain(self.own.iter().map(String::as_str)).map(str::len).max().unwrap_or(0)
    }

    /// Returns whether a line, or the part of one that begins later, tells of a crash.
    #[must_use]
    pub fn is_met(&self, text: &str, begins_line: bool) -> bool {
        let is_known = self.known
            && (ANYWHERE.iter().any(|known| text.contains(known))
                || begins_line && AT_BEGIN.iter().any(|known| text.starts_with(known)));
        is_known || self.own.iter().any(|own| text.contains(own))
    }
}

/// What means a crash wherever it stands: Rust, Python, Java, shells and C, its sanitizer, and the
/// two ways in which C libraries tell of an assertion.
const ANYWHERE: [&str; 7] = [
    "panicked at ",
    "Traceback (most recent call last)",
    "Exception in thread ",
    "Segmentation fault",
    "AddressSanitizer:",
    "Assertion `",
    "Assertion failed",
];

/// What means a crash at the begin of a line: Go. Within a line other programs write it, too.
const AT_BEGIN: [&str; 2] = ["panic: ", "fatal error: "];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_usual_runtimes_write_as_they_give_up_is_known() {
        let known = CrashPatterns { known: true, own: &[] };
        let none = CrashPatterns { known: false, own: &[] };
        for line in [
            "thread 'main' panicked at src/main.rs:3:5:",
            "panic: runtime error: index out of range [5] with length 3",
            "fatal error: all goroutines are asleep - deadlock!",
            "Traceback (most recent call last):",
            "Exception in thread \"main\" java.lang.NullPointerException",
            "sh: line 1:  4711 Segmentation fault      ./server",
            "==4711==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010",
            "server: log.c:42: append: Assertion `at < end' failed.",
            "Assertion failed: (at < end), function append, file log.c, line 42.",
        ] {
            assert!(known.is_met(line, true), "{line}");
            assert!(!none.is_met(line, true), "{line}");
        }
    }

    #[test]
    fn what_only_looks_like_a_crash_is_none() {
        let known = CrashPatterns { known: true, own: &[] };
        for line in ["a non-fatal error: try again", "no panic: all is well", "an exception"] {
            assert!(!known.is_met(line, true), "{line}");
        }
        assert!(!known.is_met("panic: in the middle of a line", false));
    }

    #[test]
    fn a_system_has_patterns_of_its_own_beside_the_known_ones_or_alone() {
        let own = ["CORRUPT".to_owned()];
        let both = CrashPatterns { known: true, own: &own };
        let alone = CrashPatterns { known: false, own: &own };
        assert!(both.is_met("page 7 is CORRUPT", true) && alone.is_met("page 7 is CORRUPT", false));
        assert!(both.is_met("panic: x", true) && !alone.is_met("panic: x", true));
    }
}
