//! The nemesis: which fault comes when.
