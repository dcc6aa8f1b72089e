//! The runtime of one replica: the core, its journal and its network on one loop.
