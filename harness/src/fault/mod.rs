//! The fault decisions, sans-IO: which packet is dropped, delayed, doubled, cut.
