//! A cluster in virtual time: its nodes, which start, end and lose their power, and its clients.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use synod_fault::{LinkRules, Millis};
use synod_node::{Client, Config, Node, NodeError, NodeId, Outcome, Session, StartError, Timing};
use synod_transport_quic::{Credentials, PeerId};

use crate::authority::{Authority, Validity};
use crate::machine::Counter;
use crate::net::Net;
use crate::place::Place;

/// Nodes, clients, and what lies between them.
pub struct Cluster {
    net: Net,
    seed: u64,
    authority: Authority,
    sites: BTreeMap<u16, Site>,
    client: Credentials,
    last_client: u16,
}

/// Where a node runs, or does not.
struct Site {
    place: Place,
    config: Config,
    node: Option<Node>,
}

impl Cluster {
    /// Makes so many nodes with empty journals, none of them running.
    #[must_use]
    pub fn new(nodes: u16, seed: u64) -> Self {
        let net = Net::new(seed, LINK);
        let authority = Authority::new();
        let place = |number| Place::new(&net, number, seed);
        let members: BTreeMap<NodeId, SocketAddr> =
            (1..=nodes).map(|id| (NodeId::new(id), place(id).at(PEER_PORT))).collect();
        let mut sites = BTreeMap::new();
        for id in 1..=nodes {
            let place = place(id);
            let config = Config {
                node: NodeId::new(id),
                cluster: None,
                members: members.clone(),
                peer_listen: place.at(PEER_PORT),
                client_listen: place.at(CLIENT_PORT),
                metrics_listen: None,
                data: PathBuf::from("data"),
                segment_bytes: synod_node::config::SEGMENT_BYTES_MIN,
                log_bytes: synod_node::config::LOG_BYTES,
                scrub_bytes_per_second: synod_node::config::SCRUB_BYTES_PER_SECOND_MAX,
                backup_clients: std::collections::BTreeSet::new(),
                tls: authority.issue(&format!("node/{id}"), Validity::default()),
                timing: Timing::default(),
            };
            Node::create_in(&place, &config).expect("an empty disk");
            sites.insert(id, Site { place, config, node: None });
        }
        let client = authority.credentials("client/client", Validity::default());
        Self { net, seed, authority, sites, client, last_client: CLIENT_PLACES }
    }

    /// Makes so many nodes, and starts them.
    #[must_use]
    pub fn started(nodes: u16, seed: u64) -> Self {
        let mut cluster = Self::new(nodes, seed);
        (1..=nodes).for_each(|id| cluster.start(id).expect("a fresh node"));
        cluster
    }

    /// Starts a node.
    ///
    /// # Errors
    ///
    /// Why it does not start.
    pub fn start(&mut self, id: u16) -> Result<(), StartError> {
        let site = self.site_mut(id);
        let node = Node::start_in(site.place.clone(), site.config.clone(), Counter::default())?;
        site.node = Some(node);
        Ok(())
    }

    /// Cuts the power of a node: nothing more leaves it, and what its disk has not synced is lost.
    pub async fn kill(&mut self, id: u16) {
        self.net.unplug(id);
        let site = self.site_mut(id);
        site.node = None;
        // Last, so that what its tasks still write goes to a disk that nobody will read.
        site.place.fail();
        // The task of the node is gone when the runtime has had a turn.
        tokio::task::yield_now().await;
    }

    /// Asks a node to hand over and end, and returns how long that took.
    pub async fn drain(&mut self, id: u16) -> Duration {
        let begin = tokio::time::Instant::now();
        self.end(id).await.expect("it ends in order");
        begin.elapsed()
    }

    /// Asks a node to hand over and end, and returns how it ended.
    ///
    /// # Errors
    ///
    /// As [`Node::ended`].
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn end(&mut self, id: u16) -> Result<(), NodeError> {
        let mut node = self.site_mut(id).node.take().expect("it runs");
        node.drain();
        node.ended().await
    }

    /// The node, where it runs.
    #[must_use]
    pub fn node_mut(&mut self, id: u16) -> Option<&mut Node> {
        self.site_mut(id).node.as_mut()
    }

    /// The place of a node.
    #[must_use]
    pub fn place(&self, id: u16) -> &Place {
        &self.sites[&id].place
    }

    /// The place of a node, to change it before a start.
    pub fn place_mut(&mut self, id: u16) -> &mut Place {
        &mut self.site_mut(id).place
    }

    /// The network.
    #[must_use]
    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// The authority.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where clients find the nodes.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<NodeId, SocketAddr> {
        let at = |site: &Site| (site.config.node, site.config.client_listen);
        self.sites.values().map(at).collect()
    }

    /// Where clients find one node, and its name there.
    #[must_use]
    pub fn address(&self, id: u16) -> (PeerId, SocketAddr) {
        (PeerId(id), self.sites[&id].config.client_listen)
    }

    /// Where a node listens to its peers.
    #[must_use]
    pub fn peer_address(&self, id: u16) -> SocketAddr {
        self.sites[&id].config.peer_listen
    }

    /// Makes a place for one more client process.
    pub fn client_place(&mut self) -> Place {
        self.last_client += 1;
        Place::new(&self.net, self.last_client, self.seed)
    }

    /// Begins a client in a place.
    #[must_use]
    pub fn client_at(&self, place: &Place, credentials: &Credentials) -> Client {
        Client::connect_in(place, &self.addresses(), credentials).expect("a place with a socket")
    }

    /// Begins a client in a place of its own.
    pub fn client(&mut self) -> Client {
        let place = self.client_place();
        self.client_at(&place, &self.client.clone())
    }

    /// The credentials that clients have where nothing else is said.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.client
    }

    /// Waits until some node leads, and returns it.
    ///
    /// # Panics
    ///
    /// When none does for longer than [`PATIENCE`].
    pub async fn leader(&self, client: &Client) -> u16 {
        let search = async {
            loop {
                for &id in self.sites.keys() {
                    let status = client.status(NodeId::new(id), Duration::from_millis(500)).await;
                    if status.is_some_and(|status| status.leads.is_some() && status.leader_ok) {
                        return id;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("a leader")
    }

    fn site_mut(&mut self, id: u16) -> &mut Site {
        self.sites.get_mut(&id).expect("a node of this cluster")
    }
}

/// Has one command applied, and returns the count that it brought.
///
/// # Panics
///
/// When it is not.
pub async fn count_once(session: &Session, timeout: Duration) -> u64 {
    match session.command(Counter::asking(8), timeout).await {
        Outcome::Ok(answer) => Counter::count_in(&answer),
        other @ (Outcome::NotApplied(_) | Outcome::Unknown(_)) => panic!("{other:?}"),
    }
}

/// Links as they are where nothing is wrong: 1 to 2 ms one way.
pub const LINK: LinkRules = LinkRules { delay_ms: Millis(1), jitter_ms: Millis(1), ..NOTHING };

/// How long anything is waited for that is bound to come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// No rule at all.
const NOTHING: LinkRules = LinkRules { cut: false, ..LinkRules::CUT };

const PEER_PORT: u16 = 7001;
const CLIENT_PORT: u16 = 7002;

/// Places of clients begin after this one.
const CLIENT_PLACES: u16 = 1000;
