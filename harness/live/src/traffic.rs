//! Proxies that nobody used: the sign of a description that names the wrong transport.
//!
//! A node that speaks TCP never reaches a relay of datagrams, and the other way round. Whatever
//! such a run shows, no fault of its network touched anything. Nothing is said of addresses that
//! the description does not hand out.

use synod_fault::{CLIENTS, NodeId, Transport};
use synod_report::LinkCounts;

use super::system::System;

/// Says which proxies were handed out and carried nothing, one sentence for each kind.
#[must_use]
pub fn unused(system: &System, nodes: &[NodeId], links: &[LinkCounts]) -> Vec<String> {
    let of_clients = |link: &LinkCounts| link.from == CLIENTS.0 || link.to == CLIENTS.0;
    let silent = |wanted: bool| {
        let mut links = links.iter().filter(|link| of_clients(link) == wanted);
        !links.any(LinkCounts::was_used)
    };
    let mut unused = Vec::new();
    if system.names_peers() && nodes.len() > 1 && silent(false) {
        unused.push(format!(
            "no node ever sent anything through its proxies: is the transport {}? ({})",
            system.transport.peer,
            remedy("peer", system.transport.peer)
        ));
    }
    if system.names_nodes() && silent(true) {
        unused.push(format!(
            "no client ever sent anything through its proxies: is the transport {}? ({})",
            system.transport.client,
            remedy("client", system.transport.client)
        ));
    }
    unused
}

fn remedy(port: &str, transport: Transport) -> String {
    let other = match transport {
        Transport::Udp => Transport::Tcp,
        Transport::Tcp => Transport::Udp,
    };
    format!(
        "if it is {other}, give `{port}` as `{other}` under `transport` in the description; if it \
         is {transport}, it does not use the addresses that it is given"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_report::StreamCounts;

    fn check(links: &[LinkCounts], sentences: &[&str]) {
        let seen = unused(&System::synod_kv(), &[NodeId(1), NodeId(2)], links);
        assert_eq!(seen.len(), sentences.len(), "{seen:?}");
        for (seen, wanted) in seen.iter().zip(sentences) {
            assert!(seen.starts_with(wanted), "{seen}");
        }
    }

    fn link(from: u16, to: u16, delivered: u64) -> LinkCounts {
        LinkCounts { from, to, delivered, ..LinkCounts::default() }
    }

    #[test]
    fn proxies_that_carried_nothing_are_told_and_others_are_not() {
        let peers = "no node ever sent anything through its proxies: is the transport udp?";
        let clients = "no client ever sent anything through its proxies: is the transport udp?";
        check(&[link(1, 2, 0), link(2, 1, 0), link(0, 1, 0)], &[peers, clients]);
        check(&[link(1, 2, 0), link(2, 1, 0), link(0, 1, 5)], &[peers]);
        check(&[link(1, 2, 1), link(2, 1, 0), link(1, 0, 0)], &[clients]);
        check(&[link(1, 2, 1), link(0, 1, 1)], &[]);
        let held = StreamCounts { held_connections: 1, ..StreamCounts::default() };
        let held = LinkCounts { stream: Some(held), ..link(1, 2, 0) };
        check(&[held, link(0, 1, 1)], &[]);
    }

    #[test]
    fn a_system_that_hands_out_no_addresses_or_has_one_node_has_none_to_use() {
        let alone = System { serve: Vec::new(), bridge: Vec::new(), ..System::synod_kv() };
        assert!(unused(&alone, &[NodeId(1), NodeId(2)], &[]).is_empty());
        let one = unused(&System::synod_kv(), &[NodeId(1)], &[link(0, 1, 1)]);
        assert!(one.is_empty(), "{one:?}");
    }
}
