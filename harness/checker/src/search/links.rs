//! The calls and returns of completed operations as a doubly linked list in time order.
//!
//! Taking an operation unlinks its call and its return; giving back, in reverse order, links them
//! in again without a search (Knuth's dancing links). Links are numbers into one arena; link 0 is
//! both ends of the list.

use crate::model::Timed;

/// The list.
pub(super) struct Links {
    next: Vec<u32>,
    previous: Vec<u32>,
    /// Per link: the operation, doubled, plus one at its return.
    owner: Vec<u32>,
    /// Per link: its position in the history.
    position: Vec<u32>,
    /// Per operation: the links of its call and its return; `ENDS` for unknown ones.
    ends: Vec<(u32, u32)>,
    /// Per link: whether no completed operation is open just before it.
    pause: Vec<bool>,
}

impl Links {
    pub(super) fn new<O>(operations: &[Timed<O>]) -> Self {
        let mut events = events(operations);
        events.sort();
        let links = events.len() + 1;
        let count = u32::try_from(links).expect("fewer than 2^32 events");
        let mut list = Self {
            next: (1..count).chain([ENDS]).collect(),
            previous: [count - 1].into_iter().chain(0..count - 1).collect(),
            owner: vec![0; links],
            position: vec![0; links],
            ends: vec![(ENDS, ENDS); operations.len()],
            pause: vec![false; links],
        };
        list.fill(&events);
        list
    }

    fn fill(&mut self, events: &[(u32, u32)]) {
        let mut open = 0_u32;
        for (link, (position, owner)) in (1_u32..).zip(events) {
            self.position[link as usize] = *position;
            self.owner[link as usize] = *owner;
            let ends = &mut self.ends[(owner >> 1) as usize];
            if owner & 1 == 0 {
                self.pause[link as usize] = open == 0;
                open += 1;
                ends.0 = link;
            } else {
                open -= 1;
                ends.1 = link;
            }
        }
    }

    /// Returns whether every completed operation was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.next[ENDS as usize] == ENDS
    }

    pub(super) fn first(&self) -> u32 {
        self.next[ENDS as usize]
    }

    pub(super) fn after(&self, link: u32) -> u32 {
        self.next[link as usize]
    }

    /// Returns the position of the first event ahead.
    pub(super) fn first_position(&self) -> u32 {
        self.position(self.first())
    }

    pub(super) fn position(&self, link: u32) -> u32 {
        self.position[link as usize]
    }

    /// Returns the operation that is called here; none at a return, and at the end.
    pub(super) fn call_at(&self, link: u32) -> Option<u32> {
        let owner = self.owner[link as usize];
        (link != ENDS && owner & 1 == 0).then_some(owner >> 1)
    }

    pub(super) fn is_return_of(&self, link: u32, index: u32) -> bool {
        link != ENDS && self.owner[link as usize] == index << 1 | 1
    }

    pub(super) fn call_of(&self, index: u32) -> u32 {
        self.ends[index as usize].0
    }

    /// Returns the position of the first return ahead: what is called later must wait.
    pub(super) fn first_return(&self) -> u32 {
        let mut link = self.first();
        while self.call_at(link).is_some() {
            link = self.after(link);
        }
        if link == ENDS { u32::MAX } else { self.position(link) }
    }

    /// Returns whether the past is closed: no completed operation is open here.
    pub(super) fn at_pause(&self) -> bool {
        self.pause[self.first() as usize]
    }

    pub(super) fn take(&mut self, index: u32) {
        let (call, back) = self.ends[index as usize];
        self.unlink(call);
        self.unlink(back);
    }

    pub(super) fn give_back(&mut self, index: u32) {
        let (call, back) = self.ends[index as usize];
        self.link(back);
        self.link(call);
    }

    fn unlink(&mut self, link: u32) {
        let (before, after) = (self.previous[link as usize], self.next[link as usize]);
        self.next[before as usize] = after;
        self.previous[after as usize] = before;
    }

    fn link(&mut self, link: u32) {
        let (before, after) = (self.previous[link as usize], self.next[link as usize]);
        self.next[before as usize] = link;
        self.previous[after as usize] = link;
    }
}

/// Lists position and owner of every call and return of a completed operation.
fn events<O>(operations: &[Timed<O>]) -> Vec<(u32, u32)> {
    let mut events = Vec::with_capacity(operations.len() * 2);
    for (index, operation) in (0_u32..).zip(operations) {
        if let Some(returned) = operation.returned {
            events.push((operation.called, index << 1));
            events.push((returned, index << 1 | 1));
        }
    }
    events
}

/// Both ends of the list.
const ENDS: u32 = 0;
