//! The workloads: what the clients do, and the model that their history must follow.
