//! The checkers: one file each; all judge a history and explain what they find.
