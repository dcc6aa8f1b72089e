//! The connections of clients to a node: they come, break, and are not read for a while.
//!
//! A connection is named once, and never again; replies for one that is gone go nowhere. A client
//! that reads nothing is closed after a while, as the transport does it. The claim kept true: what
//! the host has given and the transport has not written stays within the budgets, whoever reads.

use std::collections::BTreeMap;

use bytes::Bytes;
use synod_clock::Moment;
use synod_host::{
    DRAIN_MAX, Event, REPLY_OVERHEAD_BYTES, Settings, WORD_BYTES_MAX, WORDS_WAITING_MAX_TOTAL,
};
use synod_simulator::{Address, Micros};
use synod_smr::Connection;
use synod_smr::wire::decode_request;

use super::{Machine, Packet, SimWorld, Wakeup};
use crate::clients;
use crate::coverage::Point;
use crate::monitor::Monitor;
use crate::step::{Cause, Wanted};

/// The connections of one life of a node.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// By client.
    open: BTreeMap<u32, Open>,
    /// What is under way on all that are open.
    under_way: usize,
    /// How many there were.
    count: u64,
}

/// One connection.
#[derive(Debug)]
struct Open {
    name: Connection,
    /// The replies that are not written, with what each costs.
    under_way: usize,
    /// What the client does not read; none if it reads.
    unread: Option<Vec<Bytes>>,
    /// When the last word of what is written will be said: they come in order.
    told: Micros,
}

/// Returns which client a connection is, or was, of.
#[must_use]
pub fn client_of(connection: Connection) -> u32 {
    u32::try_from(connection.0 & u64::from(u32::MAX)).unwrap_or(0)
}

impl Connections {
    fn find(&mut self, connection: Connection) -> Option<&mut Open> {
        self.open.get_mut(&client_of(connection)).filter(|open| open.name == connection)
    }

    /// Takes a connection out that ends; what was under way on it goes nowhere.
    fn end(&mut self, client: u32) -> Option<Open> {
        let open = self.open.remove(&client)?;
        self.under_way -= open.under_way;
        Some(open)
    }

    /// Takes note of a reply of so many bytes; returns what is under way to its client.
    fn on_reply(&mut self, connection: Connection, bytes: usize) -> Option<usize> {
        let open = self.find(connection)?;
        open.under_way += bytes;
        let under_way = open.under_way;
        self.under_way += bytes;
        Some(under_way)
    }

    /// Takes note of the end of a reply of so many bytes; tells whether anybody is connected.
    fn on_written(&mut self, connection: Connection, bytes: usize) -> bool {
        let Some(open) = self.find(connection) else { return false };
        open.under_way -= bytes;
        self.under_way -= bytes;
        true
    }
}

impl Machine {
    /// Takes a frame of a client, which is connected as soon as it asks.
    pub fn on_request(
        &mut self,
        client: u32,
        packet: &Packet,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        if self.process.is_none() {
            return;
        }
        if world.chance().chance(self.breaks_ppm(BREAKS_PPM)) {
            self.close(client, world, monitor);
        }
        let Some(connection) = self.connect(client, world, monitor) else { return };
        match decode_request(&packet.bytes) {
            Ok(request) => {
                let cause = Cause::Request(Wanted::of(&request.body), connection, request.id);
                let event = Event::ClientFrame { connection, bytes: packet.bytes.clone() };
                self.turn(event, cause, world, monitor);
            }
            Err(error) => monitor.report("wire", format!("a frame of client {client}: {error}")),
        }
    }

    /// Returns the connection of a client, which is made if there is none.
    fn connect(
        &mut self,
        client: u32,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) -> Option<Connection> {
        let connections = &mut self.process.as_mut()?.connections;
        if let Some(open) = connections.open.get(&client) {
            return Some(open.name);
        }
        connections.count += 1;
        // The count makes each name another one, and the client can be read back from it.
        let connection = Connection(connections.count << 32 | u64::from(client));
        let open = Open { name: connection, under_way: 0, unread: None, told: Micros(0) };
        connections.open.insert(client, open);
        let name = clients::name_of(client).to_owned();
        self.turn(Event::ClientUp { connection, name }, Cause::Client, world, monitor);
        Some(connection)
    }

    /// Breaks the connection of a client that is denied access from here on.
    pub fn turn_away(&mut self, client: u32, world: &mut SimWorld, monitor: &mut Monitor) {
        self.close(client, world, monitor);
    }

    /// A connection ends; its host is told at once or late, and sometimes twice.
    fn close(&mut self, client: u32, world: &mut SimWorld, monitor: &mut Monitor) {
        let Some(process) = &mut self.process else { return };
        let Some(open) = process.connections.end(client) else { return };
        monitor.tracker.see(Point::ConnectionBreaks);
        if open.under_way > 0 {
            monitor.tracker.see(Point::ConnectionBreaksUnread);
        }
        // A transport may tell of an end late, and twice.
        for _ in 0..world.chance().between(1, 2) {
            let length = Micros(world.chance().below(CLOSED_US_MAX));
            world.after(self.address(), Wakeup::Closed(open.name), length);
        }
    }

    pub(super) fn on_closed(
        &mut self,
        connection: Connection,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        self.turn(Event::ClientDown(connection), Cause::Client, world, monitor);
    }

    /// Carries a reply towards its client, which may read nothing for a while.
    pub(super) fn reply(
        &mut self,
        connection: Connection,
        bytes: Bytes,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        let stalls = world.chance().chance(self.breaks_ppm(self.tuning.stall_ppm));
        let address = self.address();
        let Some(process) = &mut self.process else { return };
        let length = bytes.len() + REPLY_OVERHEAD_BYTES;
        let Some(found) = process.connections.on_reply(connection, length) else { return };
        let most = self.tuning.settings.reply_budget_bytes;
        let most = most.max(self.tuning.settings.reply_share_bytes).max(length);
        if found > most {
            monitor.report("reply-bounds", format!("{found} bytes are under way, not {most}"));
        }
        let Some(open) = process.connections.find(connection) else { return };
        if let Some(unread) = &mut open.unread {
            unread.push(bytes);
        } else if stalls {
            monitor.tracker.see(Point::ClientReadsNothing);
            open.unread = Some(vec![bytes]);
            let length = Micros::from_ms(world.chance().between(1, STALL_MS_MAX));
            world.after(address, Wakeup::Reads(connection), length.min(STALL_CLOSES));
        } else {
            self.write(connection, bytes, world);
        }
        self.weigh_replies(monitor);
    }

    /// A client reads again, or has read nothing for so long that it is closed.
    pub(super) fn on_reads(
        &mut self,
        connection: Connection,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        let closes = world.chance().chance(STALL_CLOSES_PPM);
        let Some(process) = &mut self.process else { return };
        let Some(open) = process.connections.find(connection) else { return };
        let unread = open.unread.take().unwrap_or_default();
        if closes {
            let client = client_of(connection);
            self.close(client, world, monitor);
            let node = self.node;
            return world.after(Address::Client(client), Wakeup::Lost(node), Micros(1_000));
        }
        for bytes in unread {
            self.write(connection, bytes, world);
        }
    }

    /// Sends a reply, and has the host told that it is written, in one word or two.
    fn write(&mut self, connection: Connection, bytes: Bytes, world: &mut SimWorld) {
        let (address, length, now) = (self.address(), bytes.len(), world.now());
        let packet = Packet::of_client(bytes);
        world.send(address, Address::Client(client_of(connection)), packet, length);
        let after = Micros(world.chance().between(1, self.tuning.written_us));
        let Some(process) = &mut self.process else { return };
        let Some(open) = process.connections.find(connection) else { return };
        // Nothing is told before what was written earlier on the connection: the transport writes
        // in order.
        let begins = now.plus(Micros(after.0 / 2)).max(open.told);
        open.told = now.plus(after).max(open.told);
        let told = open.told;
        let first = if self.tuning.stall_ppm > 0 { world.chance().below(length as u64) } else { 0 };
        let first = usize::try_from(first).unwrap_or(0);
        if first > 0 {
            let part = Wakeup::Wrote { connection, bytes: first, ends: 0 };
            world.after(address, part, begins.since(now));
        }
        let ends = length + REPLY_OVERHEAD_BYTES;
        let rest = Wakeup::Wrote { connection, bytes: length - first, ends };
        world.after(address, rest, told.since(now));
    }

    /// The transport has written so many bytes, and with them the end of a reply.
    pub(super) fn on_wrote(
        &mut self,
        (connection, bytes, ends): (Connection, usize, usize),
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        let Some(process) = &mut self.process else { return };
        if !process.connections.on_written(connection, ends) {
            return;
        }
        let event = Event::ClientWrote { connection, bytes };
        self.turn(event, Cause::Wrote, world, monitor);
    }

    /// Holds what the host keeps, and what it gave, against its bounds.
    pub(super) fn weigh_replies(&self, monitor: &mut Monitor) {
        let Some(process) = &self.process else { return };
        let (held, settings) = (process.host.replies_held(), &self.tuning.settings);
        let given = process.connections.under_way;
        let largest = REPLY_MAX.max(settings.reply_budget_bytes_total);
        let shares = self.clients_max * settings.reply_share_bytes;
        if given > largest + shares {
            monitor.report("reply-bounds", format!("{given} bytes of replies are under way"));
        }
        if held.waiting > waiting_max(settings) || held.words > WORDS_WAITING_MAX_TOTAL {
            monitor.report("reply-bounds", format!("{held:?} of replies waits"));
        }
    }

    /// Holds the end of a process that was asked to end against what its clients have not taken: it
    /// waits for that within its bound, but for the share of each.
    pub(super) fn judge_last_replies(&self, is_done: bool, now: Moment, monitor: &mut Monitor) {
        let Some(process) = &self.process else { return };
        let Some(since) = process.retired else { return };
        let share = self.tuning.settings.reply_share_bytes;
        let beyond = |open: &Open| open.under_way > share;
        let untaken = process.connections.open.values().filter(|open| beyond(open)).count();
        let waiting = process.host.replies_held().waiting;
        if (untaken, waiting) == (0, 0) {
            return;
        }
        if !is_done {
            monitor.tracker.see(Point::LastRepliesAwaited);
        } else if now < since + DRAIN_MAX {
            let node = self.node;
            let detail =
                format!("node {node} ends: {waiting} bytes wait, and {untaken} clients read");
            monitor.report("last-replies", detail);
        }
    }

    /// How often a connection fails: never once all faults have ended.
    const fn breaks_ppm(&self, ppm: u32) -> u32 {
        if self.is_calm { 0 } else { ppm }
    }
}

/// What may wait for all clients.
const fn waiting_max(settings: &Settings) -> usize {
    settings.replies_waiting_bytes_total + WORDS_WAITING_MAX_TOTAL * WORD_BYTES_MAX
}

/// The longest reply of the simulated service, with its frame.
const REPLY_MAX: usize = synod_smr::REPLY_BYTES_MAX + (1 << 10);

/// How often a connection breaks as a request comes.
const BREAKS_PPM: u32 = 2_000;

/// How much later than its end a host is told that a connection is gone, at most.
const CLOSED_US_MAX: u64 = 50_000;

/// How long a client reads nothing at most.
const STALL_MS_MAX: u64 = 8_000;

/// After how long a client that reads nothing is closed.
const STALL_CLOSES: Micros = Micros(5_000_000);

/// How often one that read nothing is closed all the same, when it would have read again.
const STALL_CLOSES_PPM: u32 = 300_000;
