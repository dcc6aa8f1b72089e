//! The page: events become the commands that `paxos/tests/story` knows.
//!
//! A command names a message by its place among those that wait on its link, so the page counts
//! them. A message that no core ever takes is lost as soon as it is sent, and one that is taken
//! again later waits on.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use synod_paxos::{Ballot, Decree, MultiPaxos, NodeId, Slot};
use synod_smr::CommandBatch;

use super::{Act, Content, Event, Packet, role};

/// A transcript on its way to paper.
pub(super) struct Format {
    text: String,
    letters: Letters,
    links: BTreeMap<(NodeId, NodeId), Vec<Waiting>>,
}

/// A message that waits.
struct Waiting {
    packet: usize,
    /// How often it will yet be taken.
    times: u32,
}

/// A letter for each value, by first appearance.
#[derive(Default)]
struct Letters {
    known: BTreeMap<Bytes, char>,
}

impl Format {
    pub(super) fn new(nodes: usize, window: u64, batches: usize) -> Self {
        let text = format!("> nodes {nodes}\n> window {window}\n> batches {batches}\n");
        Self { text, letters: Letters::default(), links: BTreeMap::new() }
    }

    pub(super) fn remark(&mut self, text: &str) {
        self.line(format_args!("# {text}"));
    }

    pub(super) fn write(&mut self, event: &Event, packets: &[Packet]) {
        match event {
            Event::Second(second) => self.remark(&format!("After {second} s.")),
            Event::Step(node, acts) => {
                let words: Vec<_> =
                    acts.iter().map(|act| self.words(*node, act, packets)).collect();
                self.line(format_args!("> {}", words.join("; ")));
            }
            Event::Sent(packet) => self.send(*packet, &packets[*packet]),
            Event::Back(node, 0) => self.line(format_args!("> crash {node}")),
            Event::Back(node, lucky) => {
                self.line(format_args!("> crash {node} keeping {lucky}"));
            }
        }
    }

    /// Asks how all nodes stand, and tells how they stood.
    pub(super) fn show<'a>(&mut self, cores: impl Iterator<Item = &'a MultiPaxos<CommandBatch>>) {
        self.line(format_args!("> show"));
        for core in cores {
            let (log, chosen) = (core.log(), core.chosen());
            let slots = (log.base().number()..chosen.number()).map(Slot::new);
            let decrees = slots.filter_map(|slot| log.decree(slot));
            let letters: String = decrees.map(|decree| self.letters.of(decree)).collect();
            let (node, promised, role) = (core.me(), log.promised(), role(core.leader()));
            self.line(format_args!("{node} promised {promised}, chose \"{letters}\"{role}"));
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string takes what it is given");
    }

    fn words(&mut self, node: NodeId, act: &Act, packets: &[Packet]) -> String {
        match act {
            Act::Hear(packet) => self.hear(*packet, &packets[*packet]),
            Act::Learn(packet) => self.learn(&packets[*packet]),
            Act::Campaign(Ballot::ZERO) => format!("campaign {node}"),
            Act::Campaign(above) => format!("campaign {node} above {above}"),
            Act::Propose(value) => format!("propose {node} {}", self.letters.of_value(value)),
            Act::Resend(to) => format!("resend {node} to {to}"),
            Act::Announce => format!("announce {node}"),
            Act::Resign => format!("resign {node}"),
            Act::Forget(slot) => format!("forget {node} {slot}"),
            Act::Sync => format!("sync {node}"),
        }
    }

    fn hear(&mut self, packet: usize, Packet { from, to, .. }: &Packet) -> String {
        let link = self.links.entry((*from, *to)).or_default();
        let place = link.iter().position(|waiting| waiting.packet == packet);
        let place = place.expect("a message waits until it was taken as often as it was counted");
        link[place].times -= 1;
        let verb = if link[place].times == 0 { "deliver" } else { "repeat" };
        if link[place].times == 0 {
            link.remove(place);
        }
        format!("{verb} {from} {to}{}", ordinal(place))
    }

    fn learn(&mut self, packet: &Packet) -> String {
        let (first, decrees) = match &packet.content {
            Content::Decrees(first, decrees) => (*first, decrees.as_slice()),
            Content::Paxos(_) => (Slot::FIRST, &[][..]),
        };
        let letters: String = decrees.iter().map(|decree| self.letters.of(decree)).collect();
        format!("learn {} {first} {letters}", packet.to)
    }

    fn send(&mut self, number: usize, Packet { from, to, taken, .. }: &Packet) {
        let link = self.links.entry((*from, *to)).or_default();
        if *taken > 0 {
            return link.push(Waiting { packet: number, times: *taken });
        }
        let place = ordinal(link.len());
        self.line(format_args!("> drop {from} {to}{place}"));
    }
}

impl Letters {
    fn of(&mut self, decree: &Decree<CommandBatch>) -> char {
        match decree {
            Decree::Noop => '-',
            Decree::Value(value) => self.of_value(value),
        }
    }

    fn of_value(&mut self, value: &CommandBatch) -> char {
        let count = self.known.len();
        let letter = || alphabet().nth(count).expect("no run has so many values");
        *self.known.entry(value.bytes().clone()).or_insert_with(letter)
    }
}

/// Lists the letters that stand for values: some dozens in ASCII, a further thirty thousand not.
fn alphabet() -> impl Iterator<Item = char> {
    let ascii = ('a'..='z').chain('A'..='Z').chain('0'..='9');
    let latin = ('\u{c0}'..='\u{24f}').filter(|letter| letter.is_alphanumeric());
    ascii.chain(latin).chain('\u{4e00}'..='\u{9fff}').chain('\u{ac00}'..='\u{d7a3}')
}

/// Names a place on a link; the first needs no name.
fn ordinal(place: usize) -> String {
    if place == 0 { String::new() } else { format!(" {}", place + 1) }
}
