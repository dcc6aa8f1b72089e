//! A reader of EDN, the notation of Jepsen's histories: as much of it as histories use.
