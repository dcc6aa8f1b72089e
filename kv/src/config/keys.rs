//! Which keys a configuration has: one table for servers, one for clients.
//!
//! What the values mean is said by `values` and by the typed configurations. The claim kept true,
//! by a test: the README of this crate lists exactly these keys.

use super::layers::{Kind, Setting};

const fn setting(
    key: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    example: &'static str,
) -> Setting {
    Setting { key, kind, default, example }
}

const CLUSTER: Setting =
    setting("cluster", Kind::Text, None, "cluster = \"0b0e3a52-6f0c-4d53-8a43-5a8e7f1c2d3e\"");
const AUTHORITY: Setting = setting("tls.authority", Kind::Path, None, "authority = \"ca/ca.pem\"");
const CERTIFICATE: Setting =
    setting("tls.certificate", Kind::Path, None, "certificate = \"node-1.pem\"");
const KEY: Setting = setting("tls.key", Kind::Path, None, "key = \"node-1.key\"");
const LOG_FORMAT: Setting = setting("log.format", Kind::Text, Some("text"), "format = \"text\"");

pub(super) const SERVER: &[Setting] = &[
    CLUSTER,
    setting("node", Kind::Number, None, "node = 1"),
    setting("data", Kind::Path, None, "data = \"node-1\""),
    setting("segment_bytes", Kind::Number, Some("67108864"), "segment_bytes = 67108864"),
    setting("log_bytes", Kind::Number, Some("134217728"), "log_bytes = 134217728"),
    setting(
        "scrub_bytes_per_second",
        Kind::Number,
        Some("1048576"),
        "scrub_bytes_per_second = 1048576",
    ),
    setting("backup_clients", Kind::Text, Some(""), "backup_clients = \"client\""),
    setting("peer_listen", Kind::Text, None, "peer_listen = \"127.0.0.1:7001\""),
    setting("client_listen", Kind::Text, None, "client_listen = \"127.0.0.1:7101\""),
    setting("metrics", Kind::Text, Some("off"), "metrics = \"127.0.0.1:7101\""),
    setting("peers.*", Kind::Text, None, "1 = \"127.0.0.1:7001\""),
    AUTHORITY,
    CERTIFICATE,
    KEY,
    setting("timing.heartbeat_ms", Kind::Number, Some("40"), "heartbeat_ms = 40"),
    setting("timing.suspicion_ms", Kind::Number, Some("200"), "suspicion_ms = 200"),
    setting("timing.stagger_ms", Kind::Number, Some("20"), "stagger_ms = 20"),
    setting("log.filter", Kind::Text, Some("info"), "filter = \"info\""),
    LOG_FORMAT,
];

pub(super) const CLIENT: &[Setting] = &[
    CLUSTER,
    setting("nodes.*", Kind::Text, None, "1 = \"127.0.0.1:7101\""),
    AUTHORITY,
    CERTIFICATE,
    KEY,
    setting("timeout_ms", Kind::Number, Some("5000"), "timeout_ms = 5000"),
    setting("log.filter", Kind::Text, Some("warn"), "filter = \"warn\""),
    LOG_FORMAT,
];
