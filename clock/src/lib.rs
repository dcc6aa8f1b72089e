//! Logical, vector and hybrid clocks, and the time sources of a runtime and of a simulator.
