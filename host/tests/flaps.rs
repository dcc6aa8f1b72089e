//! Links of three hosts, in virtual time, of which another connection of the pair takes the place.
//!
//! The claim: a leader whose links begin anew without having been silent leads on.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod rig;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use rig::Nothing;
use synod_clock::Moment;
use synod_host::journal::{Committer, Options, SimDisk};
use synod_host::{Event, Host, Output, Settings, Ticket};
use synod_paxos::{Ballot, Configuration, CoreId, NodeId};
use synod_smr::Config;

const NODES: [NodeId; 3] = [NodeId::new(1), NodeId::new(2), NodeId::new(3)];

struct Member {
    host: Host<Nothing>,
    journal: Committer<SimDisk, Ticket>,
}

/// Three hosts whose messages take a millisecond.
struct Trio {
    members: BTreeMap<NodeId, Member>,
    under_way: Vec<(NodeId, NodeId, Bytes)>,
    now_ms: u64,
}

impl Trio {
    /// Starts them, and waits until one leads.
    fn new(seed: u64) -> Self {
        let begin = |node: NodeId| {
            let voters = Configuration::majority(NODES).unwrap();
            let identity = synod_host::identity_of("test", node, &voters);
            let mut options = Options::new(identity.as_bytes());
            options.segment_bytes = 1 << 20;
            let disk = SimDisk::new(node.number().into());
            let (path, settings) = (Path::new("journal"), Settings::default());
            let opened = synod_host::open(disk, path, &options, Nothing, &settings, |_, _| ());
            let config = Config::lan(CoreId { node, incarnation: 0 }, voters);
            let seed = seed * 8 + u64::from(node.number());
            let (host, journal) = opened.unwrap().start(config, seed);
            (node, Member { host, journal: Committer::new(journal) })
        };
        let members = NODES.into_iter().map(begin).collect();
        let mut trio = Self { members, under_way: Vec::new(), now_ms: 0 };
        for at in 0..3 {
            trio.exchange(NODES[at], NODES[(at + 1) % 3]);
        }
        trio.run(3_000);
        trio
    }

    fn take(&mut self, node: NodeId, event: Event) {
        let now = Moment::from_nanos(self.now_ms * 1_000_000);
        let member = self.members.get_mut(&node).unwrap();
        member.host.take(now, Event::Room(member.journal.room()));
        member.host.take(now, event);
    }

    /// Has both ends hear of a link that takes the place of the one there was.
    fn exchange(&mut self, one: NodeId, other: NodeId) {
        for (at, peer) in [(one, other), (other, one)] {
            self.take(at, Event::PeerUp { peer, life: 1 });
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now_ms += 1;
            for (from, to, bytes) in std::mem::take(&mut self.under_way) {
                self.take(to, Event::PeerFrame { peer: from, bytes });
            }
            for node in NODES {
                self.turn(node);
            }
        }
    }

    fn turn(&mut self, node: NodeId) {
        let now = Moment::from_nanos(self.now_ms * 1_000_000);
        let member = self.members.get_mut(&node).unwrap();
        member.host.take(now, Event::Room(member.journal.room()));
        member.host.on_time(now);
        member.host.flush(now);
        let mut commits = Vec::new();
        while let Some(output) = member.host.output() {
            match output {
                Output::Commit(commit) => commits.push(commit),
                Output::Send { to, bytes, .. } => self.under_way.push((node, to, bytes)),
                Output::Beacon(_)
                | Output::Reply { .. }
                | Output::Close { .. }
                | Output::Read(_)
                | Output::Snapshot(_) => {}
            }
        }
        member.journal.write(&mut commits);
        member.journal.sync().unwrap();
        let committed: Vec<_> = member.journal.completions().collect();
        member.journal.end_batch().unwrap();
        for committed in committed {
            self.take(node, Event::Committed(committed));
        }
    }

    fn led(&self) -> Option<Ballot> {
        self.members.values().filter_map(|member| member.host.replica().status().leads).max()
    }
}

#[test]
fn a_leader_whose_links_are_exchanged_leads_on() {
    for seed in 0..40 {
        let mut trio = Trio::new(seed);
        let led = trio.led().expect("somebody leads");
        let others = NODES.into_iter().filter(|node| *node != led.node());
        trio.run(seed);
        others.for_each(|other| trio.exchange(led.node(), other));
        trio.run(1_000);
        assert_eq!(trio.led(), Some(led), "seed {seed}");
    }
}
