//! Who calls a port, and whose handshake begins next: the rules, without a socket or a clock.
//!
//! What it leaves to others: handshakes, and what is said in them (`accept`). The claims it keeps
//! true: handshakes under way, calls that wait and handshakes begun in any time as long as a period
//! are bounded. While much is under way whoever calls proves its address first. A member that calls
//! from where it listens always finds a place, and a machine that holds none finds one however many
//! calls come from a few others: some places are kept for such, and of the rest a machine holds at
//! most as many as are free, so that one alone has half of them. Those that wait take turns,
//! machine by machine; and where too many wait, the latest is let go from where most do, but not
//! the one whose turn is next.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

/// Where a call comes from, as far as callers are told apart before they have shown who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Whence {
    /// The very address at which a member listens, from where it calls, too. Others of the same
    /// machine do not count as it. Who is there is said by its certificate alone.
    Member(SocketAddr),
    /// A machine, or the network of one: with version 6 a machine has as many addresses as it
    /// likes.
    Machine(IpAddr),
}

/// The bounds of a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// Handshakes under way at once, but for those of members.
    pub(crate) under_way_max: usize,
    /// How many of these are kept for machines that have none.
    pub(crate) kept: usize,
    /// Handshakes under way at once of each member.
    pub(crate) member_max: usize,
    /// Calls under way or waiting from which on whoever calls must first prove its address.
    pub(crate) unproved_max: usize,
    /// What becomes of a call that finds no place.
    pub(crate) when_full: WhenFull,
}

/// Says what becomes of a call that finds no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// It is refused, and its caller knows at once.
    Refuse,
    /// It waits for its turn.
    Wait {
        /// How many calls wait at most.
        waiting_max: usize,
        /// How many handshakes begin in a period.
        begin_max: usize,
        /// How long that is, wherever it begins.
        period: Duration,
    },
}

/// What becomes of a call that does not wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turned<C> {
    /// Its caller must prove its address and call again.
    Prove(C),
    /// It is refused for the reason in the text.
    Refused(C, String),
    /// It is let go without an answer; its caller calls again.
    LetGo(C),
}

/// The calls of a port.
#[derive(Debug)]
pub(crate) struct Calls<C> {
    limits: CallLimits,
    under_way: BTreeMap<Whence, usize>,
    /// Those of machines alone.
    under_way_total: usize,
    /// Those that wait, by where they come from, in the order of their turns; none is empty.
    waiting: VecDeque<(Whence, VecDeque<C>)>,
    waiting_total: usize,
    pace: Pace,
}

impl<C> Calls<C> {
    pub(crate) fn new(limits: CallLimits) -> Self {
        Self {
            limits,
            under_way: BTreeMap::new(),
            under_way_total: 0,
            waiting: VecDeque::new(),
            waiting_total: 0,
            pace: Pace::default(),
        }
    }

    /// Takes a call, whose caller has proved its address or not. Gives back what does not wait:
    /// this call or another one.
    pub(crate) fn on_call(&mut self, from: Whence, is_proved: bool, call: C) -> Option<Turned<C>> {
        if !is_proved && self.wants_proof(from) {
            return Some(Turned::Prove(call));
        }
        match self.limits.when_full {
            WhenFull::Refuse if !self.has_place(from) => {
                let (held, total) = (self.held(from), self.under_way_total);
                let text = format!("{total} handshakes are under way, {held} of them from there");
                Some(Turned::Refused(call, text))
            }
            // With a place it waits only until the door begins its handshake.
            WhenFull::Refuse => {
                self.put(from, call);
                None
            }
            WhenFull::Wait { waiting_max, .. } => {
                self.put(from, call);
                if self.waiting_total > waiting_max {
                    self.let_go().map(Turned::LetGo)
                } else {
                    None
                }
            }
        }
    }

    /// Takes the call whose handshake begins at this moment, if one does: of those that have a
    /// place, the one whose turn it is.
    pub(crate) fn begin(&mut self, now: Instant) -> Option<(Whence, C)> {
        if self.paced_until().is_some_and(|due| now < due) {
            return None;
        }
        let at = self.waiting.iter().position(|(from, _)| self.has_place(*from))?;
        let (from, mut calls) = self.waiting.remove(at)?;
        let call = calls.pop_front()?;
        if !calls.is_empty() {
            self.waiting.push_back((from, calls));
        }
        self.waiting_total -= 1;
        *self.under_way.entry(from).or_default() += 1;
        self.under_way_total += from.counts();
        if let WhenFull::Wait { begin_max, .. } = self.limits.when_full {
            self.pace.on_begin(now, begin_max);
        }
        Some((from, call))
    }

    /// Returns when the next handshake may begin that has a place, if one has.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let has_place = self.waiting.iter().any(|(from, _)| self.has_place(*from));
        has_place.then(|| self.paced_until().unwrap_or(now))
    }

    /// Takes note that a handshake has ended, well or badly.
    pub(crate) fn on_end(&mut self, from: Whence) {
        let Some(held) = self.under_way.get_mut(&from) else { return };
        *held -= 1;
        if *held == 0 {
            self.under_way.remove(&from);
        }
        self.under_way_total -= from.counts();
    }

    /// Tells whether an address has to be proved: anybody may write the address of a member, and
    /// must not take its places.
    fn wants_proof(&self, from: Whence) -> bool {
        let scarce = self.under_way_total + self.waiting_total >= self.limits.unproved_max;
        match from {
            Whence::Member(_) => scarce || self.held(from) > 0,
            Whence::Machine(_) => scarce,
        }
    }

    /// Tells whether a handshake from there may begin.
    fn has_place(&self, from: Whence) -> bool {
        // It is never below zero: members are counted apart, and a machine begins only where
        // something is free.
        let free = self.limits.under_way_max - self.under_way_total;
        match (from, self.held(from)) {
            (Whence::Member(_), held) => held < self.limits.member_max,
            (Whence::Machine(_), 0) => free > 0,
            (Whence::Machine(_), held) => held + self.limits.kept < free,
        }
    }

    fn held(&self, from: Whence) -> usize {
        self.under_way.get(&from).copied().unwrap_or(0)
    }

    fn put(&mut self, from: Whence, call: C) {
        self.waiting_total += 1;
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == from) {
            Some((_, calls)) => calls.push_back(call),
            None => self.waiting.push_back((from, VecDeque::from([call]))),
        }
    }

    /// Lets go of the latest call from where most wait; of several such places, from the one whose
    /// turn comes last. Whoever has waited longest is the next one, and not let go.
    fn let_go(&mut self) -> Option<C> {
        let longest = self.waiting.iter().map(|(_, calls)| calls.len()).max()?;
        let at = self.waiting.iter().rposition(|(_, calls)| calls.len() == longest)?;
        let call = self.waiting[at].1.pop_back();
        if longest == 1 {
            self.waiting.remove(at);
        }
        self.waiting_total -= 1;
        call
    }

    fn paced_until(&self) -> Option<Instant> {
        match self.limits.when_full {
            WhenFull::Refuse => None,
            WhenFull::Wait { begin_max, period, .. } => self.pace.is_due_at(begin_max, period),
        }
    }
}

impl Whence {
    /// How much of the places of all a handshake from there takes.
    const fn counts(self) -> usize {
        match self {
            Self::Member(_) => 0,
            Self::Machine(_) => 1,
        }
    }

    /// Says where an address belongs. `is_member` tells whether a member listens there.
    pub(crate) fn of(address: SocketAddr, is_member: impl Fn(&SocketAddr) -> bool) -> Self {
        if is_member(&address) {
            return Self::Member(address);
        }
        match address.ip().to_canonical() {
            IpAddr::V4(machine) => Self::Machine(machine.into()),
            IpAddr::V6(machine) => {
                // Whoever has one address of IPv6 mostly has the whole network below it, and would
                // count as many machines.
                let [a, b, c, d, ..] = machine.segments();
                Self::Machine(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        }
    }
}

/// The moments at which the last handshakes began: as many as may begin in a period.
#[derive(Clone, Debug, Default)]
struct Pace(VecDeque<Instant>);

impl Pace {
    /// Takes note that a handshake begins.
    fn on_begin(&mut self, now: Instant, begin_max: usize) {
        if self.0.len() == begin_max {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// Returns when the next handshake may begin, if not at once.
    fn is_due_at(&self, begin_max: usize, period: Duration) -> Option<Instant> {
        let first = self.0.front().filter(|_| self.0.len() >= begin_max);
        first.map(|first| *first + period)
    }
}

#[cfg(test)]
mod tests;
