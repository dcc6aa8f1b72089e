//! Histories that other tools recorded: Jepsen logs, Jepsen and Knossos EDN, Porcupine's key-value logs.
