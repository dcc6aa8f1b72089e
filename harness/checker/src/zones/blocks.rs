//! The stretches that no order can break up: a write with its reads, and chains of these by swaps.
//!
//! Within a block the order is known but for reads of one value, and real time must allow it.

use super::{BEGINNING, Moment, Step, called, found, place, returned, writers::Writers};
use crate::models::RegisterOperation;

/// All blocks.
pub(super) struct Blocks {
    /// The members of all blocks, block by block, each in its order.
    members: Vec<Member>,
    /// Where each block begins among the members.
    starts: Vec<u32>,
    zones: Vec<Zone>,
}

/// A member of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// The operation.
    pub(super) place: u32,
    /// Whether the operation gave the register another value.
    changes: bool,
}

/// When the first member of a block returned, and when the last one was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Zone {
    pub(super) first_return: Moment,
    pub(super) last_call: Moment,
}

impl Zone {
    /// Returns whether the block must be there for a time, rather than at any moment of a time.
    pub(super) fn is_forward(self) -> bool {
        self.first_return < self.last_call
    }
}

impl Blocks {
    /// Makes the blocks; the error is a few operations that no order explains.
    pub(super) fn new(writers: &Writers, steps: &[Step]) -> Result<Self, Vec<u32>> {
        let chains = Chains::new(writers, steps)?;
        let readers = Readers::new(writers, steps);
        let mut blocks =
            Self { members: Vec::with_capacity(steps.len()), starts: vec![0], zones: Vec::new() };
        let mut placed = 0;
        if writers.is_unique(writers.initial) && writers.is_wanted(writers.initial) {
            placed += blocks.add(&chains, &readers, steps, chains.beginning())?;
        }
        for (index, _) in steps.iter().enumerate() {
            if writers.is_certain(index) && chains.is_first(index) {
                placed += blocks.add(&chains, &readers, steps, index)?;
            }
        }
        let changes = (0..steps.len()).filter(|index| writers.is_certain(*index)).count();
        if placed == changes { Ok(blocks) } else { Err(blocks.circle(writers, &chains)) }
    }

    pub(super) fn zones(&self) -> &[Zone] {
        &self.zones
    }

    pub(super) fn members(&self, block: usize) -> &[Member] {
        &self.members[self.starts[block] as usize..self.starts[block + 1] as usize]
    }

    /// Returns the operations that show where a block begins and ends.
    pub(super) fn bounds_of(&self, steps: &[Step], block: usize) -> Vec<u32> {
        let members = self.members(block);
        let step = |member: &Member| &steps[member.place as usize];
        let at = |at: Option<(usize, &Member)>| at.map_or(0, |(at, _)| at);
        let all = || members.iter().enumerate();
        let first = at(all().min_by_key(|(_, member)| returned(step(member))));
        let last = at(all().max_by_key(|(_, member)| called(step(member))));
        // The block of the beginning has begun before any of its members.
        let first = if self.zones[block].first_return == BEGINNING { 0 } else { first };
        linked(members, first.min(last), first.max(last))
    }

    /// Adds the block that begins with a change, or with the beginning, and returns how many
    /// changes it has.
    fn add(
        &mut self,
        chains: &Chains,
        readers: &Readers,
        steps: &[Step],
        first: usize,
    ) -> Result<usize, Vec<u32>> {
        let start = self.members.len();
        let mut zone = Zone { first_return: Moment::MAX, last_call: Moment::MIN };
        if first == chains.beginning() {
            zone = Zone { first_return: BEGINNING, last_call: BEGINNING };
        }
        let mut changes = 0;
        let mut next = Some(first);
        while let Some(change) = next {
            if change != chains.beginning() {
                changes += 1;
                self.push(steps, start, &mut zone, &[place(change)], true)?;
            }
            self.push(steps, start, &mut zone, readers.of(change), false)?;
            next = chains.next(change);
        }
        self.starts.push(place(self.members.len()));
        self.zones.push(zone);
        Ok(changes)
    }

    /// Adds members that come after all others of the block that begins at `start`, in any order
    /// among themselves.
    fn push(
        &mut self,
        steps: &[Step],
        start: usize,
        zone: &mut Zone,
        places: &[u32],
        changes: bool,
    ) -> Result<(), Vec<u32>> {
        // It is fixed before the loop, as the members of one call come in any order: none of them
        // has to wait for another.
        let after = zone.last_call;
        for place in places {
            let step = &steps[*place as usize];
            self.members.push(Member { place: *place, changes });
            if returned(step) < after {
                return Err(self.late(steps, start, after));
            }
            zone.first_return = zone.first_return.min(returned(step));
            zone.last_call = zone.last_call.max(called(step));
        }
        Ok(())
    }

    /// Returns the operations that show that the last member ended before one that it must follow
    /// began, which is the one called at a moment.
    fn late(&self, steps: &[Step], start: usize, moment: Moment) -> Vec<u32> {
        let members = &self.members[start..];
        let late = |member: &Member| called(&steps[member.place as usize]) == moment;
        let earlier = members.iter().position(late).unwrap_or(0);
        linked(members, earlier, members.len() - 1)
    }

    /// Returns the changes that are in no block: swaps that each found what another of them wrote.
    fn circle(&self, writers: &Writers, chains: &Chains) -> Vec<u32> {
        let mut left: Vec<bool> =
            (0..chains.len()).map(|index| writers.is_certain(index)).collect();
        for member in self.members.iter().filter(|member| member.changes) {
            left[member.place as usize] = false;
        }
        // Each of these follows another one at once, and none is the first of a chain; so walking
        // on from any of them comes back to it.
        let Some(first) = left.iter().position(|left| *left) else { return Vec::new() };
        let mut circle = vec![place(first)];
        let mut next = chains.next(first);
        while let Some(change) = next.filter(|next| *next != first) {
            circle.push(place(change));
            next = chains.next(change);
        }
        circle
    }
}

/// Returns two members of a block with all changes between them, and the change before the first.
fn linked(members: &[Member], from: usize, to: usize) -> Vec<u32> {
    let before = members[..=from].iter().rposition(|member| member.changes).unwrap_or(from);
    let all = members.iter().enumerate().take(to + 1).skip(before);
    let stays = |(at, member): &(usize, &Member)| member.changes || *at == from || *at == to;
    all.filter(stays).map(|(_, member)| member.place).collect()
}

/// Which change follows which at once, because it is a swap that found what the other wrote.
struct Chains {
    /// Per change the next one, and last that of the beginning; `NOTHING` where there is none.
    next: Vec<u32>,
    /// Per change whether it follows another one at once.
    follows: Vec<bool>,
}

impl Chains {
    /// Links the swaps; the error is two that found a value that was there only once.
    fn new(writers: &Writers, steps: &[Step]) -> Result<Self, Vec<u32>> {
        let mut chains =
            Self { next: vec![NOTHING; steps.len() + 1], follows: vec![false; steps.len()] };
        for (index, step) in steps.iter().enumerate() {
            let (RegisterOperation::Swap(from, _) | RegisterOperation::MaybeSwap(from, _)) =
                step.operation
            else {
                continue;
            };
            if !writers.is_certain(index) || !writers.is_unique(from) {
                continue;
            }
            let before = writers.writer(from);
            let next = &mut chains.next[before.map_or(steps.len(), |before| before as usize)];
            if *next != NOTHING {
                let both = [*next, place(index)];
                return Err(before.into_iter().chain(both).collect());
            }
            *next = place(index);
            chains.follows[index] = true;
        }
        Ok(chains)
    }

    fn len(&self) -> usize {
        self.follows.len()
    }

    /// Returns what stands for the beginning among the changes.
    fn beginning(&self) -> usize {
        self.follows.len()
    }

    fn is_first(&self, change: usize) -> bool {
        !self.follows[change]
    }

    fn next(&self, change: usize) -> Option<usize> {
        let next = self.next[change];
        (next != NOTHING).then_some(next as usize)
    }
}

/// The reads of each value that can have come about in one way only, by its change.
struct Readers {
    starts: Vec<u32>,
    reads: Vec<u32>,
}

impl Readers {
    fn new(writers: &Writers, steps: &[Step]) -> Self {
        let change = |step: &Step| {
            let value = found(step).filter(|_| step.operation.written().is_none())?;
            let change = || writers.writer(value).map_or(steps.len(), |writer| writer as usize);
            writers.is_unique(value).then(change)
        };
        let mut starts = vec![0_u32; steps.len() + 2];
        for change in steps.iter().filter_map(change) {
            starts[change + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut reads = vec![0; starts.last().map_or(0, |total| *total as usize)];
        for (index, step) in steps.iter().enumerate() {
            let Some(change) = change(step) else { continue };
            reads[next[change] as usize] = place(index);
            next[change] += 1;
        }
        Self { starts, reads }
    }

    fn of(&self, change: usize) -> &[u32] {
        &self.reads[self.starts[change] as usize..self.starts[change + 1] as usize]
    }
}

const NOTHING: u32 = u32::MAX;
