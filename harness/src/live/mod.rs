//! Real processes: spawning, breaking, healing, and the proxies between them.
