//! `synod-harness bridge`: for the harness itself, which starts it as the bridge of a ready client.

use std::process::ExitCode;

use clap::Args;
use synod_history::json;
use synod_live::ready_client::{ReadyClient, serve};

use super::repeat::single_thread;
use super::{INTERNAL, USAGE, fail};

#[derive(Debug, Args)]
pub(super) struct BridgeArguments {
    /// What it speaks and asks: the field `client` of a description, as JSON.
    #[arg(long, value_name = "JSON")]
    client: String,
    /// A node, and where it is reached.
    #[arg(long = "node", value_name = "NUMBER=ADDRESS", value_parser = node)]
    nodes: Vec<(u16, String)>,
}

pub(super) fn bridge(arguments: &BridgeArguments) -> ExitCode {
    let client: ReadyClient = match serde_json::from_str(&arguments.client) {
        Ok(client) => client,
        Err(error) => return fail(USAGE, &format_args!("--client: {}", json::problem(&error))),
    };
    let nodes = arguments.nodes.iter().cloned().collect();
    let served = single_thread().map(|runtime| runtime.block_on(serve(client, nodes)));
    match served {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => fail(INTERNAL, &error),
        Err(error) => fail(INTERNAL, &error),
    }
}

fn node(word: &str) -> Result<(u16, String), String> {
    let parts = word.split_once('=').filter(|(_, at)| {
        // The name of a host is looked up at each connection.
        at.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    });
    let node = parts.and_then(|(node, at)| Some((node.parse().ok()?, at.to_owned())));
    node.ok_or_else(|| "it is no node such as 1=127.0.0.1:4001".to_owned())
}
