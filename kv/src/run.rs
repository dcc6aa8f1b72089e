//! What each command of the command line does, from its arguments to its exit code.
//!
//! Values are printed as they are, without quotes and with one line end; everything else that is
//! worth saying goes to stderr. The server has a file of its own (`serve`), and so have the look at
//! a cluster (`status`) and whom the others talk to (`target`).

use std::time::Duration;

use synod_node::{CreateError, Inspected, Node};
use tokio::io::{BufReader, stdin, stdout};

use crate::backup::backup;
use crate::bench::{BenchError, Measurement, measure};
use crate::bridge::{BridgeFailure, bridge};
use crate::cli::{
    BackupArgs, BenchArgs, Cli, Command as Verb, InitArgs, RangeArgs, ServeArgs, TargetArgs,
};
use crate::command::{
    Blob, Command, KEY_BYTES_MAX, Query, RANGE_BYTES_MAX, RANGE_ENTRIES_MAX, Reply,
};
use crate::config::{ServerConfig, unknown_variables};
use crate::exit::Exit;
use crate::expiry::Expiry;
use crate::init::{InitError, certificate_days, init, init_node, renew};
use crate::inspect;
use crate::log;
use crate::serve::{check_dates, node_config, serve, wrong_certificate};
use crate::status;
use crate::target::{Target, no_log, read_client, say, tell_done, variable, variables};

/// Runs the program.
pub fn run(cli: Cli) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Exit::internal(format!("no runtime: {error}")),
    };
    let exit = runtime.block_on(dispatch(cli.command));
    // A read of stdin may hang in a thread of the runtime; nobody waits for it.
    runtime.shutdown_background();
    exit.unwrap_or_else(|exit| exit)
}

async fn dispatch(verb: Verb) -> Result<Exit, Exit> {
    match verb {
        Verb::Init(args) => run_init(&args),
        Verb::Serve(args) => run_serve(&args).await,
        Verb::Inspect(args) => {
            let (page, exit) = inspect::look(&args)?;
            say(page.as_bytes()).map(|_| exit)
        }
        Verb::Backup(args) => run_backup(&args).await,
        Verb::Bench(args) => run_bench(&args).await,
        Verb::Status(args) => status::run(&args).await,
        Verb::Bridge(target) => run_bridge(&target).await,
        Verb::Range(args) => run_range(&args).await,
        Verb::Get(args) => {
            let query = Query::Get { key: Blob(args.key.as_bytes()) };
            Target::open(&args.target)?.query(&query).await
        }
        Verb::Put(args) => {
            let (key, value) = (Blob(args.key.as_bytes()), Blob(args.value.as_bytes()));
            Target::open(&args.target)?.command(&Command::Put { key, value }).await
        }
        Verb::Append(args) => {
            let (key, suffix) = (Blob(args.key.as_bytes()), Blob(args.value.as_bytes()));
            Target::open(&args.target)?.command(&Command::Append { key, suffix }).await
        }
        Verb::Cas(args) => {
            let (key, value) = (Blob(args.key.as_bytes()), Blob(args.value.as_bytes()));
            let expected = args.expected.as_ref().map(|text| Blob(text.as_bytes()));
            let command = Command::CompareAndSet { key, expected, value };
            Target::open(&args.target)?.command(&command).await
        }
        Verb::Delete(args) => {
            let command = Command::Delete { key: Blob(args.key.as_bytes()) };
            Target::open(&args.target)?.command(&command).await
        }
        Verb::Add(args) => {
            let (key, delta) = (Blob(args.key.as_bytes()), args.delta);
            Target::open(&args.target)?.command(&Command::Increment { key, delta }).await
        }
    }
}

fn run_init(args: &InitArgs) -> Result<Exit, Exit> {
    let failed = |error: InitError| match error {
        InitError::Ports(_) | InitError::Host(_) | InitError::NoSuchNode(_) => Exit::usage(error),
        InitError::Config(_) => Exit::config(error),
        InitError::Backup(_) => Exit::unusable(error),
        InitError::Exists(_)
        | InitError::NoAuthority { .. }
        | InitError::NoCertificate { .. }
        | InitError::NoCertificates(_)
        | InitError::NoKey { .. }
        | InitError::RenewedInPart { .. }
        | InitError::File { .. }
        | InitError::Random(_)
        | InitError::Certificate { .. }
        | InitError::Credentials { .. }
        | InitError::OtherCluster { .. }
        | InitError::NeedsBackup { .. }
        | InitError::OtherBackup { .. }
        | InitError::BeganWithNothing(_)
        | InitError::Journal(_) => Exit::cannot_make(error),
    };
    let dir = args.dir.display();
    let line = if args.renew {
        let names = renew(args).map_err(failed)?.join(", ");
        let days = certificate_days();
        format!("renewed for {days} days: {names}; restart what uses them, one after the other\n")
    } else if let Some(node) = args.node {
        let data = init_node(args, node, variable).map_err(failed)?;
        format!("node {node}: {dir}/node-{node}.toml, journal in {}\n", data.display())
    } else {
        let cluster = init(args).map_err(failed)?;
        format!("cluster {cluster}: {dir}/node-1.toml to node-{}.toml\n", args.nodes)
    };
    tell_done("this was done, and what is said of it", &line)
}

async fn run_serve(args: &ServeArgs) -> Result<Exit, Exit> {
    let printed = ServerConfig::read(args, variable).map_err(Exit::config)?;
    let unknown = unknown_variables(variables());
    if args.print_config || args.check_config {
        // Whoever prints or checks a configuration has no log yet, and looks at standard error.
        unknown.iter().for_each(|line| log::say_last(&format!("synod-kv: {line}")));
    }
    if args.print_config {
        let printed = say(printed.page.as_bytes());
        if !args.check_config {
            return printed;
        }
        printed?;
    }
    if args.check_config {
        return check_config(&printed.config);
    }
    // Only here: what is printed before is for a person who waits, and not for a log.
    log::install(&printed.config.log).map_err(no_log)?;
    unknown.iter().for_each(|line| tracing::warn!("{line}"));
    Ok(serve(&printed.config, args.trace.as_deref()).await)
}

/// Checks what a start would, but for the ports and the room on the disk.
fn check_config(config: &ServerConfig) -> Result<Exit, Exit> {
    let node = node_config(config);
    let credentials = Node::check(&node).map_err(|error| {
        if let CreateError::Identity(wrong) = &error {
            return wrong_certificate(config, wrong);
        }
        Exit::config(error)
    })?;
    let expiry = Expiry::of(&config.tls.certificate, &credentials);
    let mut sound = "the configuration is sound".to_owned();
    let dates = check_dates(&expiry)?.map(|warning| warning.text);
    for (place, complaint) in dates.into_iter().chain(config.open_metrics()).enumerate() {
        sound += if place == 0 { ", but " } else { "; and " };
        sound += &complaint;
    }
    match Node::inspect(&node).map_err(|error| Exit::start(&error))? {
        Inspected::Sound => {}
        Inspected::DamagedSnapshot(damaged) => {
            sound += &format!("; {damaged}. A start has the state from a peer");
        }
        Inspected::InUse => {
            sound += &format!(
                "; another process has the journal in {} open, and what is in it was not read",
                config.data.display()
            );
        }
    }
    say(format!("{sound}\n").as_bytes())
}

async fn run_backup(args: &BackupArgs) -> Result<Exit, Exit> {
    let target = Target::open(&args.target)?;
    let patience = Duration::from_millis(args.patience_ms);
    let line = backup(&target.client, &target.config, &args.out, patience).await?;
    tell_done("the backup was made, and what it is", &line)
}

async fn run_bench(args: &BenchArgs) -> Result<Exit, Exit> {
    let config = read_client(&args.target)?;
    for clients in &args.clients {
        let measurement = measure(&config, args, *clients).await.map_err(|error| match error {
            BenchError::Client(error) => Exit::config(error),
            BenchError::Kv { error, connection_errors } => {
                Exit::operation(&error, &connection_errors)
            }
        })?;
        let line = if args.json {
            serde_json::to_string(&measurement).map_err(Exit::internal)? + "\n"
        } else {
            bench_line(&measurement)
        };
        tell_done("this was measured, and the result", &line)?;
    }
    Ok(Exit::done())
}

fn bench_line(m: &Measurement) -> String {
    format!(
        "{} {:>4} clients, {:>2} connections, {} B: {:>9.0} ops/s  p50 {:>8.3} ms  \
         p99 {:>8.3} ms  max {:>8.1} ms  {} failed\n",
        m.operation,
        m.clients,
        m.connections,
        m.value_bytes,
        m.operations_per_second,
        m.p50_ms,
        m.p99_ms,
        m.max_ms,
        m.failures
    )
}

async fn run_bridge(target: &TargetArgs) -> Result<Exit, Exit> {
    let target = Target::open(target)?;
    let input = BufReader::with_capacity(64 * 1024, stdin());
    let lost = |line: &str| log::say(&format!("synod-kv: not printed: {line}"));
    let served = bridge(target.client, target.config, input, stdout(), lost).await;
    served.map(|()| Exit::done()).map_err(|error| match &error {
        BridgeFailure::Input(_) => Exit::internal(error),
        BridgeFailure::Output { .. } => Exit::untold(error),
    })
}

async fn run_range(args: &RangeArgs) -> Result<Exit, Exit> {
    let target = Target::open(&args.target)?;
    let end = args.end.as_ref().map(|end| Blob(end.as_bytes()));
    let (mut first, mut left) = (args.first.clone().into_bytes(), args.limit);
    while left > 0 {
        let entries_max = left.min(RANGE_ENTRIES_MAX);
        let bytes_max = RANGE_BYTES_MAX;
        let query = Query::Range { first: Blob(&first), end, entries_max, bytes_max };
        let answer = target.session.query(&query).await.map_err(|error| target.failed(&error))?;
        let reply = answer.reply().map_err(|error| target.failed(&error))?;
        let Reply::Entries { entries, more } = reply else { return target.print(&answer) };
        for (key, value) in &entries {
            say(&[key.0, b"\t", value.0, b"\n"].concat())?;
        }
        // More than was asked for is no answer of a node that keeps its bounds; it ends the walk.
        left -= u32::try_from(entries.len()).unwrap_or(left).min(left);
        // The next question begins right behind the last key that came, as a range includes its
        // first one.
        let Some((Blob(last), _)) = entries.last().filter(|_| more) else { break };
        let Some(next) = least_after(last) else { break };
        first = next;
    }
    Ok(Exit::done())
}

/// Returns the least key behind another one, if there is any.
fn least_after(key: &[u8]) -> Option<Vec<u8>> {
    if key.len() < KEY_BYTES_MAX {
        return Some([key, b"\0"].concat());
    }
    // No key is longer, so that the next one is greater at a byte that this one has.
    let place = key.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut next = key[..=place].to_vec();
    next[place] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_goes_on_behind_a_key_of_the_greatest_length() {
        let key = |count, end: &[u8]| [&vec![b'a'; count][..], end].concat();
        for (last, next) in [
            (key(1, b""), Some(key(1, b"\0"))),
            (key(KEY_BYTES_MAX - 1, b""), Some(key(KEY_BYTES_MAX - 1, b"\0"))),
            (key(KEY_BYTES_MAX, b""), Some(key(KEY_BYTES_MAX - 1, b"b"))),
            (key(KEY_BYTES_MAX - 2, b"a\xff"), Some(key(KEY_BYTES_MAX - 2, b"b"))),
            (vec![0xff; KEY_BYTES_MAX], None),
        ] {
            assert!(next.as_ref().is_none_or(|next| *next > last && next.len() <= KEY_BYTES_MAX));
            assert!(least_after(&last) == next, "behind {} bytes", last.len());
        }
    }
}
