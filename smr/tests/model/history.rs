//! What clients asked and were told, and whether it is linearizable.
//!
//! The state machine answers with the list of all writes before and including the operation. Such
//! a history is linearizable if and only if all answers are prefixes of one list, an answer holds
//! whatever was answered before its question, a write's answer ends with the write, and no write
//! is in a list twice. So the real-time order needs no more memory than the longest answer so far
//! and, for each open question, how long that was when the question came.

/// A request that a client may make once, at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The place of the node that is asked.
    pub(crate) place: usize,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Read,
    /// Two asks with the same value are attempts of one command.
    Write(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Unasked,
    Open,
    Answered,
    Refused,
    Uncertain,
    /// The node crashed before it answered.
    Lost,
}

/// How a history can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// An answer lacks what was answered before its question.
    Stale,
    /// Two answers are no prefixes of one list.
    Forked,
    /// An answer holds a write twice.
    Twice,
    /// The answer to a write does not end with it.
    Misplaced,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct History {
    stages: Vec<Stage>,
    /// How long the longest answer was when the first attempt began, for what is not over.
    floors: Vec<usize>,
    longest: Vec<u8>,
    fault: Option<Fault>,
}

impl History {
    /// Begins after the writes of `seen` were answered.
    pub(crate) fn new(asks: &[Ask], seen: &[u8]) -> Self {
        let (stages, floors) = (vec![Stage::Unasked; asks.len()], vec![0; asks.len()]);
        Self { stages, floors, longest: seen.to_vec(), fault: None }
    }

    pub(crate) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Returns the longest answer that anybody has.
    pub(crate) fn longest(&self) -> &[u8] {
        &self.longest
    }

    /// Tells whether an ask may come: once, and after its equals at the same node, as which of two
    /// equal questions comes first makes no difference.
    pub(crate) fn may_ask(&self, asks: &[Ask], number: usize) -> bool {
        let mut before = (0..number).filter(|other| asks[*other] == asks[number]);
        self.stages[number] == Stage::Unasked
            && before.all(|other| self.stages[other] != Stage::Unasked)
    }

    /// Tells whether a read was asked for at that node and is open, or may still be asked for.
    pub(crate) fn may_read(&self, asks: &[Ask], place: usize) -> bool {
        asks.iter().zip(&self.stages).any(|(ask, stage)| {
            ask.place == place
                && ask.what == What::Read
                && matches!(stage, Stage::Unasked | Stage::Open)
        })
    }

    /// Tells whether a read that was asked for at that node is open.
    pub(crate) fn is_reading(&self, asks: &[Ask], place: usize) -> bool {
        asks.iter().zip(&self.stages).any(|(ask, stage)| {
            ask.place == place && ask.what == What::Read && *stage == Stage::Open
        })
    }

    pub(crate) fn on_ask(&mut self, asks: &[Ask], number: usize) {
        let begun = attempts(asks, number).find(|other| self.stages[*other] != Stage::Unasked);
        self.floors[number] = begun.map_or(self.longest.len(), |other| self.floors[other]);
        self.stages[number] = Stage::Open;
    }

    /// Takes the end of an attempt that changed no answer so far.
    pub(crate) fn on_end(&mut self, asks: &[Ask], number: usize, stage: Stage) {
        self.stages[number] = stage;
        self.forget(asks, number);
    }

    /// Takes an answer, and judges it.
    pub(crate) fn on_answer(&mut self, asks: &[Ask], number: usize, list: &[u8]) {
        self.fault = self.fault.or_else(|| self.judge(asks, number, list));
        if list.len() > self.longest.len() {
            self.longest = list.to_vec();
        }
        self.on_end(asks, number, Stage::Answered);
    }

    fn judge(&self, asks: &[Ask], number: usize, list: &[u8]) -> Option<Fault> {
        if has_twice(list) {
            return Some(Fault::Twice);
        }
        if !is_line(list, &self.longest) {
            return Some(Fault::Forked);
        }
        if list.len() < self.floors[number] {
            return Some(Fault::Stale);
        }
        match asks[number].what {
            What::Write(value) if list.last() != Some(&value) => Some(Fault::Misplaced),
            What::Write(_) | What::Read => None,
        }
    }

    /// Drops floors that no answer can be held against any more.
    fn forget(&mut self, asks: &[Ask], number: usize) {
        let all = || attempts(asks, number);
        if !all().any(|other| matches!(self.stages[other], Stage::Unasked | Stage::Open)) {
            all().for_each(|other| self.floors[other] = 0);
        }
    }

    /// Takes note that a node crashed: nobody hears an answer of it any more.
    pub(crate) fn on_crash(&mut self, asks: &[Ask], place: usize) {
        for number in (0..asks.len()).filter(|number| asks[*number].place == place) {
            if self.stages[number] == Stage::Open {
                self.on_end(asks, number, Stage::Lost);
            }
        }
    }

    /// Tells whether a state may hold `value`: some attempt of it was not refused.
    pub(crate) fn may_hold(&self, asks: &[Ask], value: u8) -> bool {
        let tried = |stage: &Stage| !matches!(stage, Stage::Unasked | Stage::Refused);
        let mine = asks.iter().zip(&self.stages).filter(|(ask, _)| ask.what == What::Write(value));
        let mut mine = mine.map(|(_, stage)| stage).peekable();
        mine.peek().is_none() || mine.any(tried)
    }
}

/// Lists the attempts of the operation that an ask belongs to, itself included.
fn attempts(asks: &[Ask], number: usize) -> impl Iterator<Item = usize> + '_ {
    let what = asks[number].what;
    let is_attempt =
        move |other: &usize| *other == number || what != What::Read && asks[*other].what == what;
    (0..asks.len()).filter(is_attempt)
}

pub(crate) fn has_twice(list: &[u8]) -> bool {
    list.iter().enumerate().any(|(place, value)| list[..place].contains(value))
}

/// Tells whether one list is a prefix of the other.
pub(crate) fn is_line(one: &[u8], other: &[u8]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
