//! `synod-kv serve`: one node of the service, from its configuration to its exit code.
//!
//! It installs what belongs to a process and not to a library: the signals, the watch over the
//! certificate, and the rule that a panic anywhere ends the process, so that no half of a node goes
//! on. SIGTERM and SIGINT hand over and end in order, within ten seconds; another one, a second or
//! more after the first, ends at once.

use std::io::{self, Write as _};
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use synod_node::{Config, Node, NodeError, NodeId, StartError, Timing, WrongCertificate};
use synod_transport_quic::BindError;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::client::tls_files;
use crate::config::ServerConfig;
use crate::exit::Exit;
use crate::expiry::{Expiry, Warning};
use crate::log;
use crate::machine::Machine;

/// Runs a node until it is told to end, and returns how it went; what it does is written into the
/// folder of traces, if there is one.
pub async fn serve(config: &ServerConfig, traces: Option<&Path>) -> Exit {
    abort_on_panic();
    // Before the node starts: a signal that comes while it does would end the process without
    // handing over.
    let mut signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return Exit::internal(format!("cannot listen to signals: {error}")),
    };
    let (node, machine) = (node_config(config), Machine::default());
    let started = match traces {
        None => Node::start(node, machine),
        Some(folder) => Node::start_traced(node, machine, folder),
    };
    let mut node = match started {
        Ok(node) => node,
        Err(StartError::Identity(wrong)) => return wrong_certificate(config, &wrong),
        Err(error @ StartError::Outdated { .. }) => return outdated(config, &error),
        Err(error) => return Exit::start(&error),
    };
    // A node serves its peers and clients even where nobody waits for this line.
    if let Err(error) = say_ready(config, &node) {
        tracing::warn!(%error, "nobody reads what this process prints");
    }
    watch_certificate(config);
    if let Some(open) = config.open_metrics() {
        tracing::warn!("{open}");
    }
    let mut stops = Stops::default();
    loop {
        tokio::select! {
            ended = node.ended() => return match ended {
                Ok(()) => Exit::done(),
                Err(error) => Exit::node(&error),
            },
            () = signals.stop() => match stops.note(Instant::now()) {
                Stop::Drain => {
                    tracing::info!("asked to end");
                    node.drain();
                }
                Stop::Repeated => {}
                Stop::AtOnce => {
                    // A drop would wait for a thread that a hung disk may hold up for ever; the end
                    // of the process does not.
                    std::mem::forget(node);
                    return Exit::internal("stopped by a second signal, without handing over");
                }
            }
        }
    }
}

/// Refuses a certificate that is of no use at this time, with what to do; returns what else there
/// is to say of its dates.
pub(crate) fn check_dates(expiry: &Expiry) -> Result<Option<Warning>, Exit> {
    match expiry.warning(SystemTime::now()) {
        Some(warning) if warning.is_refused => Err(Exit::config(warning.text)),
        other => Ok(other),
    }
}

/// Says, as long as this process runs, when the certificate of the node is about to end.
fn watch_certificate(config: &ServerConfig) {
    match Expiry::read(&config.tls) {
        Ok(expiry) => drop(tokio::spawn(async move { expiry.watch().await })),
        // The node has read them a moment ago.
        Err(error) => tracing::warn!(%error, "the certificate cannot be read any more"),
    }
}

/// Names the file of a certificate that belongs to somebody else, and the one that is wanted.
pub(crate) fn wrong_certificate(config: &ServerConfig, wrong: &WrongCertificate) -> Exit {
    let (name, node) = (config.tls.certificate.display(), config.node);
    if wrong.found.ends_with(&format!("/node/{node}")) {
        return Exit::config(format!(
            "{name}: {wrong}; name the cluster and the certificate that were made together"
        ));
    }
    Exit::config(format!(
        "{name}: {wrong}; name the certificate and the key of this node, such as node-{node}.pem \
         and node-{node}.key"
    ))
}

/// Says since when or for how long the certificate is of no use, and what to do, as a look does.
fn outdated(config: &ServerConfig, error: &StartError) -> Exit {
    let dates = Expiry::read(&config.tls).map(|expiry| check_dates(&expiry));
    // The clock may have moved meanwhile.
    dates.ok().and_then(Result::err).unwrap_or_else(|| Exit::config(error))
}

pub(crate) fn node_config(config: &ServerConfig) -> Config {
    Config {
        node: NodeId::new(config.node),
        cluster: Some(config.cluster.clone()),
        members: config.peers.iter().map(|(id, at)| (NodeId::new(*id), *at)).collect(),
        peer_listen: config.peer_listen,
        client_listen: config.client_listen,
        metrics_listen: config.metrics,
        data: config.data.clone(),
        segment_bytes: config.segment_bytes,
        log_bytes: config.log_bytes,
        scrub_bytes_per_second: config.scrub_bytes_per_second,
        backup_clients: config.backup_clients.clone(),
        tls: tls_files(&config.tls),
        timing: Timing {
            heartbeat: config.heartbeat,
            suspicion: config.suspicion,
            stagger: config.stagger,
        },
    }
}

/// Prints the one line that a supervisor waits for.
fn say_ready(config: &ServerConfig, node: &Node) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let metrics = node.metrics_address().map(|at| format!(" metrics={at}")).unwrap_or_default();
    writeln!(
        out,
        "ready node={} incarnation={} peers={} clients={}{metrics}",
        config.node,
        node.incarnation(),
        node.peer_address(),
        node.client_address()
    )?;
    out.flush()
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    _size: Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            // Listened to, a limit on the size of files is an error of the write that meets it,
            // and the journal treats it as a full disk; otherwise it would kill the process.
            _size: signal(SignalKind::from_raw(SIGXFSZ))?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What a signal to stop asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Hand over, and end in order.
    Drain,
    /// Nothing new.
    Repeated,
    /// End without handing over.
    AtOnce,
}

/// The signals to stop that came so far.
#[derive(Debug, Default)]
struct Stops {
    first: Option<Instant>,
}

impl Stops {
    /// Takes note of a signal. Some programs send theirs twice at once, to a process and to its
    /// group, and mean one.
    fn note(&mut self, present: Instant) -> Stop {
        let Some(first) = self.first else {
            self.first = Some(present);
            return Stop::Drain;
        };
        if present.saturating_duration_since(first) < SAME_SIGNAL {
            return Stop::Repeated;
        }
        Stop::AtOnce
    }
}

/// Makes a panic in any thread the end of the process, after its message. The message waits for a
/// reader of the log as briefly as other last lines do.
fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        log::say_last(&format!("thread '{}' {panic}", thread.name().unwrap_or("<unnamed>")));
        process::abort();
    }));
}

impl Exit {
    /// Why a node cannot start, or could not.
    pub(crate) fn start(error: &StartError) -> Self {
        match error {
            StartError::Config(_)
            | StartError::Tls(_)
            | StartError::Identity { .. }
            | StartError::Outdated { .. }
            | StartError::Members(_) => Self::config(error),
            StartError::PeerPort(BindError::Socket { source, .. })
            | StartError::ClientPort(BindError::Socket { source, .. })
            | StartError::MetricsPort(BindError::Socket { source, .. })
                if source.kind() == io::ErrorKind::AddrInUse =>
            {
                Self::unusable(format!(
                    "{error}; end what listens there, or name another port, here and wherever this \
                     address is named"
                ))
            }
            StartError::PeerPort(BindError::Socket { source, .. })
            | StartError::ClientPort(BindError::Socket { source, .. })
            | StartError::MetricsPort(BindError::Socket { source, .. })
                if source.kind() == io::ErrorKind::AddrNotAvailable =>
            {
                Self::unusable(format!("{error}; name an address of this host"))
            }
            StartError::NoJournal { .. }
            | StartError::Refused { .. }
            | StartError::Recovery(_)
            | StartError::Trace { .. }
            | StartError::PeerPort(_)
            | StartError::ClientPort(_)
            | StartError::MetricsPort(_) => Self::unusable(error),
            StartError::System { .. } | _ => Self::internal(error),
        }
    }

    fn node(error: &NodeError) -> Self {
        match error {
            NodeError::Journal(_)
            | NodeError::Trace(_)
            | NodeError::DiskHangs
            | NodeError::Refused(_) => Self::unusable(error),
            NodeError::Halted(_) | NodeError::Stopped | NodeError::Panicked | _ => {
                Self::internal(error)
            }
        }
    }
}

const SIGXFSZ: i32 = 25;

/// A signal that follows the first one within this time is the same one.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_sent_twice_is_one() {
        let begin = Instant::now();
        let mut stops = Stops::default();
        let mut at = |ms| stops.note(begin + Duration::from_millis(ms));
        assert_eq!([at(0), at(0), at(999)], [Stop::Drain, Stop::Repeated, Stop::Repeated]);
        assert_eq!(at(1000), Stop::AtOnce);
    }
}
