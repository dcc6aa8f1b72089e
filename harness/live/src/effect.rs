//! The effect of a fault: what it did, in words, and whether that is anything.
//!
//! Links count what they lose, hold back and damage; here is which of it a fault asked for. Nothing
//! here touches a process or a link: the injector acts, this counts and finds the words.

use synod_fault::{CLIENTS, Conditions, LinkId, LinkRules, NodeId, ResolvedTarget};
use synod_report::LinkCounts;

/// What a fault did, in words, and whether that is anything.
#[derive(Debug)]
pub(crate) struct Effect {
    pub(crate) words: String,
    pub(crate) effective: bool,
    /// What witnesses saw that it cannot have done, one sentence each.
    pub(crate) refuted: Vec<String>,
}

impl Effect {
    /// Makes an effect that nobody refuted.
    pub(crate) fn of(words: String, effective: bool) -> Self {
        Self { words, effective, refuted: Vec::new() }
    }

    /// Takes what witnesses saw: an effect that one of them refutes is none.
    pub(crate) fn unless(mut self, refuted: Vec<String>) -> Self {
        if let Some(first) = refuted.first() {
            self.words = format!("{}; but {first}", self.words);
            self.effective = false;
        }
        self.refuted = refuted;
        self
    }
}

/// Adds up what the links that a fault hits did so far.
pub(crate) fn sum(on: &ResolvedTarget, counts: &[LinkCounts]) -> LinkCounts {
    let hit = |counts: &&LinkCounts| {
        let link = LinkId::new(NodeId(counts.from), NodeId(counts.to));
        on.rules.contains_key(&link)
    };
    counts.iter().filter(hit).fold(LinkCounts::default(), |sum, counts| sum.plus(counts))
}

/// What became of the processes that a fault hits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hit {
    /// How many there are.
    pub(crate) all: usize,
    /// To how many it was done.
    pub(crate) done: usize,
    /// To how many it was not, as other faults had done as much already.
    pub(crate) held: usize,
}

/// Says what was done to processes: an effect, if it was done to some, and to all that others had
/// left.
pub(crate) fn done_to(hit: Hit, what: &str) -> Effect {
    let Hit { all, done, held } = hit;
    let others = if held > 0 { format!(", {held} were down by others") } else { String::new() };
    let words = format!("{done} of {all} processes {what}{others}");
    Effect::of(words, done > 0 && done + held >= all)
}

/// Says what cuts did, by what they kept from the receivers.
pub(crate) fn interruption(cuts: u32, before: &LinkCounts, after: &LinkCounts) -> Effect {
    let often = if cuts > 1 { format!(" in {cuts} cuts") } else { String::new() };
    let packets = after.cut - before.cut;
    let Some(stream) = after.stream else {
        return Effect::of(format!("{packets} packets cut{often}"), packets > 0);
    };
    let held = stream.since(&before.stream.unwrap_or_default());
    let (bytes, connections) = (held.held_bytes, held.held_connections);
    let others = if packets > 0 { format!("{packets} packets cut, ") } else { String::new() };
    let words = format!("{others}{bytes} bytes and {connections} connections held back{often}");
    Effect::of(words, packets + bytes + connections > 0)
}

/// Returns what a disturbance asks of the links that it hits beyond what they do all the time: that
/// is no effect of it, whatever the links count.
pub(crate) fn beyond(rules: &LinkRules, on: &ResolvedTarget, conditions: &Conditions) -> LinkRules {
    let is_client = |link: &LinkId| link.from == CLIENTS || link.to == CLIENTS;
    let is_of_clients = on.rules.keys().any(is_client);
    rules.beyond(if is_of_clients { conditions.client_links } else { conditions.links })
}

/// Says what a disturbance did, by the counters that its rules move.
pub(crate) fn disturbance(rules: &LinkRules, before: &LinkCounts, after: &LinkCounts) -> Effect {
    let Some(stream) = after.stream else {
        return told("packets: ", &packets_hit(rules, before, after));
    };
    let hit = stream.since(&before.stream.unwrap_or_default());
    let slow = delays(rules);
    let wanted = [
        (rules.cut, hit.held_bytes, "bytes held back"),
        (rules.cut, hit.held_connections, "connections held back"),
        (slow, hit.delayed_bytes, "bytes delayed"),
        (rules.stall.0 > 0, hit.stalled_bytes, "bytes stalled"),
        (rules.slice_bytes > 0, hit.sliced_bytes, "bytes in pieces"),
        (rules.reset.0 > 0, hit.resets, "connections reset"),
        (rules.refuse.0 > 0, hit.refused, "connections refused"),
        (rules.half_close.0 > 0, hit.half_closed, "streams half-closed"),
    ];
    told("", &wanted)
}

type Wanted = (bool, u64, &'static str);

fn delays(rules: &LinkRules) -> bool {
    rules.delay_ms.0 > 0 || rules.jitter_ms.0 > 0 || rules.rate.is_some()
}

fn packets_hit(rules: &LinkRules, before: &LinkCounts, after: &LinkCounts) -> [Wanted; 7] {
    [
        (rules.cut, after.cut - before.cut, "cut"),
        (rules.loss.0 > 0, after.lost - before.lost, "lost"),
        (rules.duplicate.0 > 0, after.duplicated - before.duplicated, "doubled"),
        (
            rules.reorder.0 > 0 || rules.reorder_late_ms.0 > 0,
            after.reordered - before.reordered,
            "held back",
        ),
        (rules.corrupt.0 > 0, after.corrupted - before.corrupted, "damaged"),
        (delays(rules), after.delayed - before.delayed, "delayed"),
        (rules.rate.is_some(), after.overflowed - before.overflowed, "over the rate"),
    ]
}

fn told(what: &str, wanted: &[Wanted]) -> Effect {
    let asked = wanted.iter().filter(|(asked, ..)| *asked);
    let words: Vec<String> =
        asked.clone().map(|(_, count, word)| format!("{count} {word}")).collect();
    let moved: u64 = asked.map(|(_, count, _)| *count).sum();
    Effect::of(format!("{what}{}", words.join(", ")), moved > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_fault::{Action, Millis, PartsPerMillion, RateLimit, Target};
    use synod_report::StreamCounts;

    #[test]
    fn an_effect_counts_only_what_the_rules_ask_for() {
        let rules = LinkRules { loss: PartsPerMillion::percent(10), ..LinkRules::default() };
        let before = LinkCounts { lost: 5, delayed: 5, ..LinkCounts::default() };
        let idle = LinkCounts { lost: 5, delayed: 9, ..LinkCounts::default() };
        assert!(!disturbance(&rules, &before, &idle).effective);
        let busy = LinkCounts { lost: 12, ..before };
        let effect = disturbance(&rules, &before, &busy);
        assert!(effect.effective);
        assert_eq!(effect.words, "packets: 7 lost");
    }

    #[test]
    fn what_links_do_all_the_time_is_no_effect_of_a_disturbance() {
        let of =
            |percent| LinkRules { loss: PartsPerMillion::percent(percent), ..LinkRules::default() };
        let conditions = Conditions { links: of(20), client_links: of(5), ..Conditions::default() };
        let (before, after) =
            (LinkCounts::default(), LinkCounts { lost: 9, ..LinkCounts::default() });
        let is_effective = |percent, target: &Target| {
            let action = Action::Disturb(of(percent));
            let nodes = [1, 2, 3].map(NodeId);
            let on = ResolvedTarget::resolve(&action, target, None, &nodes);
            let asked = beyond(&of(percent), &on, &conditions);
            disturbance(&asked, &before, &after).effective
        };
        assert!(!is_effective(10, &Target::All) && !is_effective(20, &Target::All));
        assert!(is_effective(21, &Target::All));
        assert!(is_effective(10, &Target::Clients) && !is_effective(5, &Target::Clients));
    }

    #[test]
    fn what_other_faults_hold_down_is_no_gap_and_no_effect() {
        let told = |done, held| done_to(Hit { all: 2, done, held }, "killed, started again");
        assert!(told(2, 0).effective && told(1, 1).effective);
        assert!(!told(1, 0).effective && !told(0, 1).effective && !told(0, 2).effective);
        assert_eq!(told(2, 0).words, "2 of 2 processes killed, started again");
        let words = "1 of 2 processes killed, started again, 1 were down by others";
        assert_eq!(told(1, 1).words, words);
    }

    #[test]
    fn what_a_witness_refutes_is_no_effect() {
        let done = || done_to(Hit { all: 1, done: 1, held: 0 }, "killed, started again");
        assert!(done().unless(Vec::new()).effective);
        let refuted = done().unless(vec!["process 7 lives on".to_owned()]);
        assert!(!refuted.effective);
        assert_eq!(refuted.words, "1 of 1 processes killed, started again; but process 7 lives on");
    }

    #[test]
    fn every_rule_for_packets_has_a_count_that_it_moves() {
        let some = PartsPerMillion::percent(10);
        let rate = Some(RateLimit { bytes_per_s: 1, queue_bytes: 1 });
        let (none, zero) = (LinkRules::default(), LinkCounts::default());
        for (rules, after, words) in [
            (LinkRules::CUT, LinkCounts { cut: 3, ..zero }, "packets: 3 cut"),
            (LinkRules { loss: some, ..none }, LinkCounts { lost: 3, ..zero }, "packets: 3 lost"),
            (
                LinkRules { delay_ms: Millis(1), ..none },
                LinkCounts { delayed: 3, ..zero },
                "packets: 3 delayed",
            ),
            (
                LinkRules { jitter_ms: Millis(1), ..none },
                LinkCounts { delayed: 3, ..zero },
                "packets: 3 delayed",
            ),
            (
                LinkRules { rate, ..none },
                LinkCounts { delayed: 3, ..zero },
                "packets: 3 delayed, 0 over the rate",
            ),
            (
                LinkRules { duplicate: some, ..none },
                LinkCounts { duplicated: 3, ..zero },
                "packets: 3 doubled",
            ),
            (
                LinkRules { reorder: some, ..none },
                LinkCounts { reordered: 3, ..zero },
                "packets: 3 held back",
            ),
            (
                LinkRules { corrupt: some, ..none },
                LinkCounts { corrupted: 3, ..zero },
                "packets: 3 damaged",
            ),
        ] {
            let effect = disturbance(&rules, &zero, &after);
            assert_eq!((effect.words.as_str(), effect.effective), (words, true));
            assert!(!disturbance(&rules, &zero, &zero).effective, "{words}");
        }
    }

    #[test]
    fn only_the_links_that_a_fault_hits_count() {
        let nodes: Vec<NodeId> = (1..=3).map(NodeId).collect();
        let (isolate, leader) = (Action::Isolate, Target::Leader);
        let on = ResolvedTarget::resolve(&isolate, &leader, Some(NodeId(1)), &nodes);
        let counts = |from, to, cut| LinkCounts { from, to, cut, ..LinkCounts::default() };
        let sum = sum(&on, &[counts(1, 2, 10), counts(2, 3, 100), counts(3, 1, 1)]);
        assert_eq!(sum.cut, 11);
    }

    #[test]
    fn a_fault_on_streams_counts_what_it_kept_from_the_receiver() {
        let streams = |stream| LinkCounts { stream: Some(stream), ..LinkCounts::default() };
        let before = streams(StreamCounts { bytes: 9, held_bytes: 5, ..StreamCounts::default() });
        let idle = streams(StreamCounts { bytes: 90, ..before.stream.expect("streams") });
        assert!(!interruption(1, &before, &idle).effective, "bytes that passed are no effect");
        let held = StreamCounts { held_bytes: 12, held_connections: 2, ..StreamCounts::default() };
        let effect = interruption(3, &before, &streams(held));
        assert!(effect.effective);
        assert_eq!(effect.words, "7 bytes and 2 connections held back in 3 cuts");

        let rules = LinkRules { reset: PartsPerMillion::percent(5), ..LinkRules::default() };
        assert!(!disturbance(&rules, &before, &streams(held)).effective);
        let reset = streams(StreamCounts { resets: 1, ..StreamCounts::default() });
        let effect = disturbance(&rules, &before, &reset);
        assert!(effect.effective);
        assert_eq!(effect.words, "1 connections reset");
    }
}
