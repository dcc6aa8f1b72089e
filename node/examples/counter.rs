//! A replicated counter: three nodes, and a client that adds.
//!
//!     synod-kv init --dir /tmp/counter && cargo run --example counter -- /tmp/counter

use std::{collections::BTreeMap, error::Error, net::UdpSocket, path::Path, time::Duration};

use bytes::Bytes;
use synod_node::{Client, ClientConfig, Config, Invalid, Node, NodeId, TlsFiles};
use synod_node::{Outcome, StateMachine};

/// The state: a command is eight bytes to add, and the answer is the sum.
#[derive(Clone, Default)]
struct Counter(u64);

impl StateMachine for Counter {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        if command.len() == 8 { Ok(()) } else { Err(Invalid::new("a number has 8 bytes")) }
    }
    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.0 = self.0.wrapping_add(command.try_into().map_or(0, u64::from_le_bytes));
        self.query(&[])
    }
    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&self.0.to_le_bytes())
    }
    fn digest(&self) -> u64 {
        self.0
    }
}

/// Adds each number once and returns the last sum that the cluster answered.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn count(folder: &Path, numbers: &[u64]) -> Result<u64, Box<dyn Error>> {
    let mut members = BTreeMap::new();
    for id in [1, 2, 3].map(NodeId::new) {
        members.insert(id, UdpSocket::bind("127.0.0.1:0")?.local_addr()?);
    }
    let (mut nodes, mut servers) = (BTreeMap::new(), Vec::new());
    for &id in members.keys() {
        let config = Config::in_folder(folder, id, members.clone());
        servers.push(Node::start(config, Counter::default())?);
        nodes.extend(servers.last().map(|node| (id, node.client_address())));
    }
    let tls = TlsFiles::in_folder(folder, "client");
    let session = Client::connect(&ClientConfig { nodes, tls })?.session();
    let mut sum = 0;
    for number in numbers {
        match session.command(number.to_le_bytes().to_vec(), Duration::from_secs(20)).await {
            Outcome::Ok(answer) => sum = u64::from_le_bytes(answer[..].try_into()?),
            Outcome::NotApplied(why) | Outcome::Unknown(why) => Err(format!("{why:?}"))?,
        }
    }
    Ok(sum)
}

#[allow(dead_code, reason = "the test of this example calls `count` itself")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder made by `synod-kv init`")?;
    count(Path::new(&folder), &[1, 2, 3]).map(|sum| assert_eq!(sum % 6, 0))
}
