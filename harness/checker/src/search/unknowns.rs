//! The operations with an unknown outcome, in classes of equal ones.
//!
//! Of equal operations the one called first can always stand for the others, so a class is taken
//! from its front and given back to it. Classes are linked in the order of their first calls; one
//! that is used up is unlinked, so that the many unknown operations of a long history cost nothing
//! where they play no part.

use crate::model::Timed;

/// All classes.
pub(super) struct Unknowns {
    /// The operations of all classes, class by class, each in the order of calls.
    members: Vec<u32>,
    /// Their calls.
    called: Vec<u32>,
    classes: Vec<Class>,
}

/// One class, or, as class 0, both ends of the list of classes.
#[derive(Clone, Copy, Default)]
struct Class {
    /// The next member to take.
    front: u32,
    /// The first member.
    start: u32,
    /// The end of its members.
    end: u32,
    next: u32,
    previous: u32,
}

impl Unknowns {
    /// Both ends of the list of classes.
    pub(super) const END: u32 = 0;

    pub(super) fn new<O: Ord>(operations: &[Timed<O>]) -> Self {
        let index = |index: usize| u32::try_from(index).expect("fewer than 2^32 operations");
        let mut members: Vec<u32> = (0..operations.len())
            .filter(|i| operations[*i].returned.is_none())
            .map(index)
            .collect();
        let of = |member: &u32| &operations[*member as usize];
        members.sort_by(|a, b| {
            of(a).operation.cmp(&of(b).operation).then(of(a).called.cmp(&of(b).called))
        });
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for group in members.chunk_by(|a, b| of(a).operation == of(b).operation) {
            let start = ranges.last().map_or(0, |(_, end)| *end);
            ranges.push((start, start + index(group.len())));
        }
        let called: Vec<u32> = members.iter().map(|member| of(member).called).collect();
        ranges.sort_by_key(|(start, _)| called[*start as usize]);
        Self { members, called, classes: linked(&ranges) }
    }

    pub(super) fn first(&self) -> u32 {
        self.classes[Self::END as usize].next
    }

    pub(super) fn after(&self, class: u32) -> u32 {
        self.classes[class as usize].next
    }

    /// Returns the member of a class that is next, if it was called before the barrier; the outer
    /// none says that neither was any member of any class further on.
    pub(super) fn next_of(&self, class: u32, barrier: u32) -> Option<Option<u32>> {
        if class == Self::END {
            return None;
        }
        let Class { front, start, .. } = self.classes[class as usize];
        if self.called[front as usize] < barrier {
            Some(Some(self.members[front as usize]))
        } else {
            // Classes are sorted by their first members, taken or not. So the front says nothing of
            // the classes further on, and the first member does.
            (self.called[start as usize] < barrier).then_some(None)
        }
    }

    pub(super) fn take(&mut self, class: u32) {
        let this = &mut self.classes[class as usize];
        this.front += 1;
        let Class { front, end, next, previous, .. } = *this;
        // Its own links stay as they are: a cursor at this class still finds the next one, and it
        // is put back between the same two.
        if front == end {
            self.classes[previous as usize].next = next;
            self.classes[next as usize].previous = previous;
        }
    }

    /// Gives back the member of a class that was taken last, and returns it.
    pub(super) fn give_back(&mut self, class: u32) -> u32 {
        let this = &mut self.classes[class as usize];
        let used_up = this.front == this.end;
        this.front -= 1;
        let Class { front, next, previous, .. } = *this;
        if used_up {
            self.classes[previous as usize].next = class;
            self.classes[next as usize].previous = class;
        }
        self.members[front as usize]
    }
}

fn linked(ranges: &[(u32, u32)]) -> Vec<Class> {
    let count = u32::try_from(ranges.len()).expect("fewer than 2^32 classes") + 1;
    let ends = Class { next: 1 % count, previous: count - 1, ..Class::default() };
    let class = |(number, &(start, end)): (u32, &(u32, u32))| Class {
        front: start,
        start,
        end,
        next: (number + 1) % count,
        previous: number - 1,
    };
    [ends].into_iter().chain((1..).zip(ranges).map(class)).collect()
}
