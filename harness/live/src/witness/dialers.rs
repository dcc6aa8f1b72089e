//! Who dials: the node, or the clients, whose processes hold the other end of a connection.
//!
//! Which processes are a node's, and which a bridge's, is told by the group that each is started
//! with, and else as [`kin`](crate::kin) tells it; what the kernel lists is read by the witness.
//! The claims kept true: a connection whose dialer cannot be told is nobody's, and never taken for
//! one of the clients; and a run in which a stranger dialed, or many were gone before they could be
//! told, says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use synod_fault::{CLIENTS, NodeId};

use super::kernel::{ProcessLife, ProcessView, has_socket, holder_in, socket_of_dialer};
use crate::kin::{Mark, Processes, Signs};

/// The process group of each node and each bridge that was started, and who was none of them.
#[derive(Clone, Debug)]
pub struct Dialers(Arc<Mutex<Known>>);

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialer {
    /// A node, or the clients.
    Known(NodeId),
    /// A process that is neither a node's nor a bridge's.
    Stranger,
    /// Somebody who has closed that end already.
    Gone,
}

#[derive(Debug)]
struct Known {
    groups: BTreeMap<u32, NodeId>,
    mark: Option<Mark>,
    /// Who dialed before, the latest first: most connections are opened by the same few.
    latest: VecDeque<(ProcessLife, NodeId)>,
    told: u64,
    strangers: u64,
    /// Those that had said something and were gone when they were looked for.
    lost: u64,
}

impl Dialers {
    /// Knows the processes of the harness itself, which is a client where it dials.
    pub(crate) fn new() -> Self {
        let own = rustix::process::getpgrp().as_raw_pid().unsigned_abs();
        let groups = BTreeMap::from([(own, CLIENTS)]);
        let (mark, latest) = (None, VecDeque::new());
        let known = Known { groups, mark, latest, told: 0, strangers: 0, lost: 0 };
        Self(Arc::new(Mutex::new(known)))
    }

    /// Learns by what processes are told that have left their group.
    pub(crate) fn know(&self, mark: Mark) {
        self.known().mark = Some(mark);
    }

    /// Notes that a node's processes, or some of the clients', are of this group from here on.
    pub(crate) fn note(&self, group: u32, node: NodeId) {
        let Known { groups, latest, .. } = &mut *self.known();
        // Whose a process is that dialed before may have been told by its group alone.
        latest.clear();
        // The kernel may give the number of a group that has ended to somebody else.
        groups.retain(|_, of| *of != node || node == CLIENTS);
        groups.insert(group, node);
    }

    /// Says who opened a connection between these ends.
    pub(crate) fn who_dialed(&self, from: SocketAddr, to: SocketAddr) -> Dialer {
        let Some(socket) = socket_of_dialer(from, to) else { return Dialer::Gone };
        if let Some((life, node)) = self.owner(socket) {
            self.known().on_told(life, node);
            return Dialer::Known(node);
        }
        if socket_of_dialer(from, to) != Some(socket) {
            // It closed its end while this looked for it.
            return Dialer::Gone;
        }
        self.known().strangers += 1;
        Dialer::Stranger
    }

    /// Returns which process has a socket, and whose it is.
    fn owner(&self, socket: u64) -> Option<(ProcessLife, NodeId)> {
        let (groups, mark, latest) = {
            let known = self.known();
            (known.groups.clone(), known.mark.clone(), known.latest.clone())
        };
        let is_it = |life: &ProcessLife| {
            let view = ProcessView::short(life.pid);
            view.is_some_and(|view| view.life == *life) && has_socket(life.pid, socket)
        };
        if let Some(found) = latest.iter().find(|(life, _)| is_it(life)) {
            return Some(*found);
        }
        let numbers: BTreeSet<u32> = groups.keys().copied().collect();
        if let Some(view) = holder_in(socket, &numbers) {
            return Some((view.life, *groups.get(&view.group)?));
        }
        let processes = Processes::look(&mark?);
        let kin = |(group, node): (&u32, &NodeId)| {
            let signs = Signs { groups: BTreeSet::from([*group]), ..Signs::default() };
            let has_it = |life: &ProcessLife| has_socket(life.pid, socket);
            processes.of(*node, &signs).into_iter().find(has_it).map(|life| (life, *node))
        };
        groups.iter().find_map(kin)
    }

    /// Notes that somebody had said something and was gone when it was looked for.
    pub(crate) fn note_lost(&self) {
        self.known().lost += 1;
    }

    /// Says what nobody knows who said it, one sentence each.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let Known { told, strangers, lost, .. } = *self.known();
        let stranger = format!(
            "{strangers} connections to announced addresses were opened by processes that are \
             told to be neither a node's nor a bridge's, so nobody knows whose links they are \
             on: let servers keep their environment and run in the foreground, or name each peer \
             its own {{address}}"
        );
        let gone = format!(
            "{lost} of {} connections to announced addresses had ended, with words in them, before \
             it was known who had opened them, and what they said went to nobody: name each peer \
             its own {{address}}",
            told + lost
        );
        let is_much = lost > LOST_MAX && lost * 100 > told;
        let doubts = [(strangers > 0, stranger), (is_much, gone)];
        doubts.into_iter().filter_map(|(is_one, words)| is_one.then_some(words)).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn on_told(&mut self, life: ProcessLife, node: NodeId) {
        self.told += 1;
        if self.latest.front() == Some(&(life, node)) {
            return;
        }
        self.latest.retain(|(other, _)| *other != life);
        self.latest.push_front((life, node));
        self.latest.truncate(LATEST_MAX);
    }
}

/// How many of those who dialed are looked at first.
const LATEST_MAX: usize = 16;

/// How many dialers may be gone with what they said: a killed process leaves some behind.
const LOST_MAX: u64 = 10;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_dials_is_told_by_its_process_group_and_nobody_once_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = listener.local_addr().expect("bound");
        let dialer = TcpStream::connect(to).expect("it listens");
        let from = dialer.local_addr().expect("connected");
        let accepted = listener.accept().expect("a connection");
        let dialers = Dialers::new();
        assert_eq!(dialers.who_dialed(from, to), Dialer::Known(CLIENTS), "the harness is a client");
        let group = rustix::process::getpgrp().as_raw_pid().unsigned_abs();
        dialers.note(group, NodeId(3));
        assert_eq!(dialers.who_dialed(from, to), Dialer::Known(NodeId(3)));
        assert!(dialers.doubts().is_empty());
        dialers.note(group + 1, NodeId(3));
        assert_eq!(dialers.who_dialed(from, to), Dialer::Stranger, "a node has one group");
        let doubts = dialers.doubts();
        assert!(doubts.len() == 1 && doubts[0].starts_with("1 connections"), "{doubts:?}");
        dialers.note(group, CLIENTS);
        dialers.note(group + 2, CLIENTS);
        assert_eq!(
            dialers.who_dialed(from, to),
            Dialer::Known(CLIENTS),
            "there are several bridges"
        );
        drop((dialer, accepted));
        assert_eq!(dialers.who_dialed(from, to), Dialer::Gone);
        assert_eq!(dialers.doubts().len(), 1, "who is gone is no stranger");
        (0..=LOST_MAX).for_each(|_| dialers.note_lost());
        assert!(dialers.doubts()[1].starts_with("11 of 14 connections"), "{:?}", dialers.doubts());
    }
}
