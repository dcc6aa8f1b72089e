//! The timers that the core has set: a name, and the moment at which it is due.
//!
//! Setting a timer replaces the earlier one of that name. After a pause of the whole process all
//! of them are late together, and the messages of the pause still lie unread in the socket: firing
//! then would suspect the living. So a timer that is found much too late first gives the inbox a
//! grace, once. Waiting and drawing of moments are left to the driver.

use std::time::Duration;

use synod_clock::Moment;

/// The timers of one core.
#[derive(Clone, Debug)]
pub(crate) struct Timers<K> {
    /// In the order of the names. They are few, and looked through after each turn.
    due: Vec<(K, Moment)>,
    /// A grace was given, and no timer was in time since: a process that is always late would
    /// otherwise get one after the other and never fire.
    graced: bool,
}

/// What the timers ask of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fired<K> {
    /// Nothing is due.
    None,
    /// This timer is due; it is not set any more.
    Timer(K),
    /// The process was paused for this long; every due timer was moved behind the grace.
    Paused(Duration),
}

impl<K: Copy + Ord> Timers<K> {
    pub(crate) const fn new() -> Self {
        Self { due: Vec::new(), graced: false }
    }

    /// Sets a timer, in place of the earlier one of that name.
    pub(crate) fn set(&mut self, timer: K, at: Moment) {
        match self.due.binary_search_by_key(&timer, |(name, _)| *name) {
            Ok(place) => self.due[place].1 = at,
            Err(place) => self.due.insert(place, (timer, at)),
        }
    }

    /// Returns the moment at which the next timer is due.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.due.iter().map(|(_, at)| *at).min()
    }

    /// Takes the timer that is due first.
    pub(crate) fn fire(&mut self, present: Moment) -> Fired<K> {
        // Of those that are due at one moment the first by name.
        let first = self.due.iter().enumerate().min_by_key(|(_, (_, at))| *at);
        let Some((place, &(timer, at))) = first else { return Fired::None };
        if at > present {
            return Fired::None;
        }
        let late = present.since(at);
        if late <= PAUSE_MIN {
            self.graced = false;
        } else if !self.graced {
            self.graced = true;
            for (_, due) in self.due.iter_mut().filter(|(_, due)| *due <= present) {
                *due = present + PAUSE_GRACE;
            }
            return Fired::Paused(late);
        }
        self.due.remove(place);
        Fired::Timer(timer)
    }
}

/// A timer that is this late was not held up by load but by a pause of the process.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(60);

/// What the inbox gets after a pause, to take in what lies in the socket.
pub(crate) const PAUSE_GRACE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(ms)
    }

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut timers = Timers::new();
        timers.set('b', ms(20));
        timers.set('a', ms(30));
        timers.set('a', ms(10));
        assert_eq!(timers.next(), Some(ms(10)));
        assert_eq!(timers.fire(ms(9)), Fired::None);
        assert_eq!(timers.fire(ms(20)), Fired::Timer('a'));
        assert_eq!(timers.fire(ms(20)), Fired::Timer('b'));
        assert_eq!(timers.fire(ms(99)), Fired::None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_pause_gives_the_inbox_a_grace_before_anything_fires() {
        let mut timers = Timers::new();
        timers.set('a', ms(10));
        timers.set('b', ms(500));
        timers.set('c', ms(2000));
        assert_eq!(timers.fire(ms(1010)), Fired::Paused(Duration::from_secs(1)));
        assert_eq!(timers.fire(ms(1010)), Fired::None);
        let after = ms(1010) + PAUSE_GRACE;
        assert_eq!(timers.next(), Some(after));
        assert_eq!(timers.fire(after), Fired::Timer('a'));
        assert_eq!(timers.fire(after), Fired::Timer('b'));
        assert_eq!(timers.fire(after), Fired::None);
        assert_eq!(timers.next(), Some(ms(2000)));
    }

    #[test]
    fn a_process_that_is_always_late_fires_all_the_same() {
        let mut timers = Timers::new();
        timers.set('a', ms(10));
        assert_eq!(timers.fire(ms(210)), Fired::Paused(Duration::from_millis(200)));
        assert_eq!(timers.fire(ms(410)), Fired::Timer('a'));
        timers.set('a', ms(450));
        assert_eq!(timers.fire(ms(650)), Fired::Timer('a'), "one grace is enough");
        timers.set('a', ms(700));
        assert_eq!(timers.fire(ms(701)), Fired::Timer('a'));
        timers.set('a', ms(710));
        assert_eq!(
            timers.fire(ms(999)),
            Fired::Paused(Duration::from_millis(289)),
            "another pause"
        );
    }
}
