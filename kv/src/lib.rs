//! A replicated key-value service: server, client, command line.
