//! The schedule: the faults of a plan, and those that really happened.
