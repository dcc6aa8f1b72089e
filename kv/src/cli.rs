//! The command line: what can be said, not what it does.
//!
//! Values that a configuration file can hold too stay text here, so that the configuration judges
//! them by one rule and names their origin. The exit codes are part of the interface.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

/// A replicated key-value service over Paxos.
#[derive(Debug, Parser)]
#[command(name = "synod-kv", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a cluster's authority, certificates, configurations and journals, or a node's part.
    Init(InitArgs),
    /// Run one node of the cluster until SIGTERM.
    Serve(ServeArgs),
    /// Print what the data folder of a stopped node or a backup holds, change nothing; exit 1 if it
    /// is damaged.
    Inspect(InspectArgs),
    /// Write the state of the running cluster into a folder, from which another one can begin.
    Backup(BackupArgs),
    /// Print the value of a key; exit 1 if it is absent.
    Get(KeyArgs),
    /// Bind a key to a value.
    Put(PutArgs),
    /// Bind a key to a value if it holds another at that moment; exit 1 if it does not.
    Cas(CasArgs),
    /// Remove a key; exit 1 if it was absent.
    Delete(KeyArgs),
    /// Add to the decimal number that a key holds, and print the sum.
    Add(AddArgs),
    /// Append to the value of a key, and print its length.
    Append(PutArgs),
    /// Print the entries of a range of keys, one a line.
    Range(RangeArgs),
    /// Show the cluster at a glance, as each node knows itself; exit 1 unless all nodes answer.
    Status(StatusArgs),
    /// Measure throughput and latency in a closed loop.
    Bench(BenchArgs),
    /// Speak line-JSON on stdin and stdout for many logical clients.
    Bridge(TargetArgs),
}

/// Flags of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder of the cluster, to be made; one that exists must be empty. With --node or --renew
    /// it is there, and has the authority in its folder ca.
    #[arg(long, value_parser = text_path)]
    pub dir: PathBuf,
    /// How many nodes the cluster has.
    #[arg(
        long,
        default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=9),
        conflicts_with = "renew"
    )]
    pub nodes: u16,
    /// Node i listens to peers on this port plus i, to clients 100 above that, both by UDP, and
    /// answers for metrics by TCP on the number of the latter. Nobody checks
    /// what else listens there: clusters on one host need base ports that are neither within 9
    /// of each other, nor 91 to 109 apart; take 7000, 7200, 7400.
    #[arg(long, default_value_t = 7000, value_parser = clap::value_parser!(u16).range(1..=65000))]
    pub base_port: u16,
    /// Where a node runs; this host unless it is said.
    #[arg(long, value_name = "ID=IP")]
    pub host: Vec<String>,
    /// Make no journals: each host makes its own, with --node.
    #[arg(long, conflicts_with_all = ["node", "renew"])]
    pub without_journals: bool,
    /// Make one node's journal, and its certificate and configuration if they are not there.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub node: Option<u16>,
    /// Where to make the journal of --node, if not where its configuration says.
    #[arg(long, value_parser = text_path, requires = "node", conflicts_with = "renew")]
    pub data: Option<PathBuf>,
    /// Begin with the state of this backup, which `synod-kv backup` made: a new cluster, with a
    /// UUID and certificates of its own; with --node one more node of such a cluster.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["renew", "without_journals"])]
    pub from: Option<PathBuf>,
    /// Renew the certificates in the folder, or that of --node, for a year; keys stay.
    #[arg(long)]
    pub renew: bool,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration of this node, in TOML; SYNOD_* variables and flags override it.
    #[arg(long, value_parser = text_path, env = "SYNOD_CONFIG")]
    pub config: PathBuf,
    /// The folder of the journal.
    #[arg(long, value_parser = text_path)]
    pub data: Option<PathBuf>,
    /// Where to listen to peers.
    #[arg(long, value_name = "IP:PORT")]
    pub peer_listen: Option<String>,
    /// Where to listen to clients.
    #[arg(long, value_name = "IP:PORT")]
    pub client_listen: Option<String>,
    /// Where to reach a peer.
    #[arg(long, value_name = "ID=IP:PORT")]
    pub peer: Vec<String>,
    /// Set any key of the configuration.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print every value and where it comes from, and exit.
    #[arg(long)]
    pub print_config: bool,
    /// Check configuration, certificates and journal as a start would, change nothing, and exit.
    #[arg(long)]
    pub check_config: bool,
    /// For tests: write all that the node does into a new file of this folder before any of it
    /// leaves. `synod-sim --audit` holds such files against the specification.
    #[arg(long, value_name = "FOLDER")]
    pub trace: Option<PathBuf>,
}

impl ServeArgs {
    /// Asks for what a file says, without any flag.
    #[must_use]
    pub fn of(config: PathBuf) -> Self {
        Self {
            config,
            data: None,
            peer_listen: None,
            client_listen: None,
            peer: Vec::new(),
            set: Vec::new(),
            print_config: false,
            check_config: false,
            trace: None,
        }
    }
}

/// Flags of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The data folder of a node that does not run, or a backup.
    pub folder: PathBuf,
    /// Print JSON, one object.
    #[arg(long)]
    pub json: bool,
}

/// How to reach the cluster.
#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// The configuration of the client, in TOML; SYNOD_* variables and flags override it.
    #[arg(long, value_parser = text_path, env = "SYNOD_CONFIG")]
    pub config: PathBuf,
    /// Where to reach a node.
    #[arg(long, value_name = "ID=IP:PORT")]
    pub node: Vec<String>,
    /// How long one operation may take.
    #[arg(long, value_name = "MS")]
    pub timeout_ms: Option<u64>,
    /// Set any key of the configuration.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Flags of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The cluster; the certificate must be of a client that `backup_clients` of its nodes names.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The folder of the backup, to be made; one that exists is not touched.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// For how long all nodes together may give nothing new.
    #[arg(long, value_name = "MS", default_value_t = 30_000,
          value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub patience_ms: u64,
}

/// A key.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The key.
    pub key: String,
}

/// A key and a value.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The key.
    pub key: String,
    /// The value.
    #[arg(allow_hyphen_values = true)]
    pub value: String,
}

/// A comparison and what follows if it holds.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("comparison").required(true).args(["expected", "absent"])))]
pub struct CasArgs {
    /// The cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The key.
    pub key: String,
    /// What the key must hold.
    #[arg(long, allow_hyphen_values = true)]
    pub expected: Option<String>,
    /// The key must be absent.
    #[arg(long)]
    pub absent: bool,
    /// The value to write.
    #[arg(allow_hyphen_values = true)]
    pub value: String,
}

/// A key and what to add to it.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The key.
    pub key: String,
    /// What to add.
    #[arg(allow_negative_numbers = true, default_value_t = 1)]
    pub delta: i64,
}

/// A range of keys.
#[derive(Debug, Args)]
pub struct RangeArgs {
    /// The cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Where the range begins.
    #[arg(default_value = "")]
    pub first: String,
    /// Where it ends; this key is no part of it.
    pub end: Option<String>,
    /// How many entries to print at most.
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Print JSON: one object a node, and with --watch one object a look.
    #[arg(long)]
    pub json: bool,
    /// Look again every so many seconds, until Ctrl-C.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub watch: Option<u64>,
}

/// Flags of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How many logical clients to run, one measurement for each number; commas between them.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256],
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub clients: Vec<u32>,
    /// How many connections they share at most.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub connections: u32,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// How long a value is, in bytes.
    #[arg(long, default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    pub value_bytes: u32,
    /// How many keys are written.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub keys: u64,
    /// What to measure.
    #[arg(long, value_enum, default_value_t = BenchOperation::Put)]
    pub operation: BenchOperation,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `bench` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchOperation {
    /// Durable writes.
    Put,
    /// Linearizable reads.
    Get,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Takes a path that is a text: a configuration holds no other, and made into one it would be the
/// path of something else.
#[allow(clippy::unnecessary_wraps, reason = "clap takes nothing but parsers that may fail")]
fn text_path(path: &str) -> Result<PathBuf, Infallible> {
    Ok(PathBuf::from(path))
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the answer is no (key absent, comparison unequal, a node silent,
a folder damaged);
2 the outcome is unknown; 3 done, but what came of it could not be printed, and is on stderr;
64 wrong usage; 69 certainly not done: cluster unavailable or refused;
70 internal error; 73 cannot make a file or folder; 74 data folder or port unusable;
78 wrong configuration; 130 ended by Ctrl-C.";
