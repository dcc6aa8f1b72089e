//! The page of metrics: what the loop left on the board, in the format of Prometheus.
//!
//! What the figures mean, and what to do about them, is said in the book (`metrics.md`), and the
//! claim kept true by a test of the service: that page names exactly what stands here.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use synod_host::smr::{DiskHealth, ElectionCause, Version};
use synod_host::{BUCKET_BOUNDS, Durations, Measured, REFUSALS, Stage};
use synod_transport_quic::{CountersSnapshot, Refusal, RefusedBy};

use super::board::{Board, Shown};
use super::health;

/// Writes the page.
pub(crate) fn page(board: &Board) -> String {
    let look = Look {
        node: board.about.node,
        is_ready: health::readiness(board).is_ok(),
        beat_age_s: board.beat_age().as_secs_f64(),
        certificate_days: days_until(board.about.certificate_end_s, SystemTime::now()),
        shown: board.shown(),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(look));
    let mut text = String::new();
    // Nothing but memory can fail in writing to a string.
    match prometheus_text::encode(&mut text, &registry) {
        Ok(()) => text,
        Err(fmt::Error) => String::new(),
    }
}

fn days_until(end_s: u64, present: SystemTime) -> f64 {
    let end = UNIX_EPOCH + std::time::Duration::from_secs(end_s);
    let days = |time: std::time::Duration| time.as_secs_f64() / SECONDS_PER_DAY;
    end.duration_since(present).map_or_else(|over| -days(over.duration()), days)
}

/// What there is to see of a node at one moment.
#[derive(Debug)]
struct Look {
    node: u16,
    is_ready: bool,
    beat_age_s: f64,
    certificate_days: f64,
    shown: Option<Arc<Shown>>,
}

impl Collector for Look {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer { encoder };
        self.of_process(&mut writer)?;
        let Some(shown) = &self.shown else { return Ok(()) };
        let measured = &shown.measured;
        of_lead(&mut writer, measured)?;
        of_slots(&mut writer, measured)?;
        of_queues(&mut writer, shown)?;
        of_stages(&mut writer, measured)?;
        of_disk(&mut writer, measured)?;
        of_snapshots(&mut writer, measured)?;
        of_clients(&mut writer, measured)?;
        of_work(&mut writer, shown)?;
        of_transport(&mut writer, shown)
    }
}

impl Look {
    fn of_process(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let (node, version) = (self.node.to_string(), Version::THIS.to_string());
        let labels = [("node", node.as_str()), ("version", version.as_str())];
        writer.gauges(
            "synod_node_info",
            "Which node this is, and its version.",
            [(labels, 1.0)],
        )?;
        let ready = f64::from(u8::from(self.is_ready));
        writer.gauge("synod_ready", "Whether /readyz says yes.", ready)?;
        writer.gauge(
            "synod_loop_beat_age_seconds",
            "How long ago the loop of the node began a turn.",
            self.beat_age_s,
        )?;
        writer.gauge(
            "synod_certificate_days_left",
            "How many days are left until the certificate of the node ends.",
            self.certificate_days,
        )
    }
}

fn of_lead(writer: &mut Writer<'_>, measured: &Measured) -> fmt::Result {
    let (status, counts) = (&measured.status, &measured.counts);
    let leads = f64::from(u8::from(status.leads.is_some()));
    writer.gauge("synod_leads", "Whether this node leads.", leads)?;
    let leader = status.follows.map_or(0, |ballot| ballot.node().number());
    writer.gauge("synod_leader_node", "Who leads; 0 where nobody is known.", leader.into())?;
    writer.gauge(
        "synod_promised_round",
        "The round of the highest ballot that this node promised.",
        number(status.promised.round()),
    )?;
    writer.gauge("synod_start_number", "Which start of the node.", number(status.incarnation))?;
    let causes = ElectionCause::ALL.map(ElectionCause::word).into_iter();
    let elections = causes.zip(counts.elections).map(|(cause, count)| ([("cause", cause)], count));
    writer.counters("synod_elections", "Ballots that this node began, by cause.", elections)?;
    writer.counter(
        "synod_elections_won",
        "Ballots in which this node came to lead.",
        counts.elections_won,
    )?;
    writer.counter(
        "synod_leader_changes",
        "Changes of the node that leads, as this node saw them.",
        counts.leader_changes,
    )
}

fn of_slots(writer: &mut Writer<'_>, measured: &Measured) -> fmt::Result {
    let status = &measured.status;
    let chosen = number(status.chosen.number());
    writer.gauge("synod_chosen_slot", "The end of the chosen prefix here.", chosen)?;
    let applied = number(status.applied.number());
    writer.gauge("synod_applied_slot", "The first slot that is not applied here.", applied)?;
    writer.gauge(
        "synod_known_chosen_slot",
        "The end of the longest chosen prefix that this node knows of.",
        number(measured.highest_chosen.number()),
    )?;
    writer.gauge(
        "synod_lag_slots",
        "By how many slots this node lags behind that.",
        number(measured.lag()),
    )
}

fn of_queues(writer: &mut Writer<'_>, shown: &Shown) -> fmt::Result {
    let queues = || shown.measured.queues.iter().chain(&shown.queues);
    let depths = queues().map(|queue| ([("queue", queue.name)], number(queue.depth)));
    writer.gauges("synod_queue_depth", "What waits in a queue.", depths)?;
    let bounds = queues().map(|queue| ([("queue", queue.name)], number(queue.bound)));
    writer.gauges("synod_queue_bound", "What may wait in a queue.", bounds)
}

fn of_stages(writer: &mut Writer<'_>, measured: &Measured) -> fmt::Result {
    let stages = Stage::ALL.map(Stage::word).into_iter().zip(&measured.stages);
    writer.histograms(
        "synod_stage_seconds",
        "How long the stages of a proposal took, and questions, commits and turns.",
        stages.map(|(stage, histogram)| ([("stage", stage)], histogram)),
    )
}

fn of_disk(writer: &mut Writer<'_>, measured: &Measured) -> fmt::Result {
    let (disk, counts) = (measured.status.host.disk, &measured.counts);
    let states = DiskHealth::ALL.map(|state| {
        let is_it = f64::from(u8::from(state == disk));
        ([("state", state.word())], is_it)
    });
    writer.gauges("synod_disk_state", "How the disk is doing: 1 for its state.", states)?;
    writer.gauge(
        "synod_journal_room_bytes",
        "How many bytes of records the journal takes for certain.",
        number(measured.room_bytes),
    )?;
    writer.gauge(
        "synod_journal_cut_bytes",
        "Bytes of a torn tail that the last start cut off the journal.",
        number(counts.cut_bytes),
    )?;
    writer.counter("synod_journal_records", "Records written.", counts.records)?;
    writer.counter("synod_journal_batches", "Batches written.", counts.batches)?;
    let damage =
        [("journal", counts.damaged_log_reads), ("snapshot", counts.damaged_snapshot_reads)]
            .map(|(what, count)| ([("what", what)], count));
    writer.counters("synod_damage", "Reads that met damage, by what is damaged.", damage)
}

fn of_snapshots(writer: &mut Writer<'_>, measured: &Measured) -> fmt::Result {
    let counts = &measured.counts;
    let slot = measured.status.host.snapshot.map_or(0, |slot| slot.number());
    writer.gauge(
        "synod_snapshot_slot",
        "The first slot that the newest snapshot does not stand for; 0 without one.",
        number(slot),
    )?;
    writer.gauge(
        "synod_snapshot_bytes",
        "How long the newest snapshot is.",
        number(measured.snapshot_bytes),
    )?;
    let outcomes = [
        ("taken", counts.snapshots_taken),
        ("failed", counts.snapshots_failed),
        ("installed", counts.snapshots_installed),
        ("not_kept", counts.snapshots_not_kept),
        ("damaged", counts.snapshots_damaged),
        ("repaired", counts.snapshots_repaired),
    ];
    let outcomes = outcomes.map(|(outcome, count)| ([("outcome", outcome)], count));
    writer.counters("synod_snapshots", "Snapshots, by what came of them.", outcomes)?;
    let ways = [("received", counts.snapshot_bytes_received), ("sent", counts.snapshot_bytes_sent)];
    let ways = ways.map(|(direction, bytes)| ([("direction", direction)], bytes));
    writer.counters("synod_snapshot_transfer_bytes", "Bytes of snapshots on their way.", ways)?;
    writer.gauge(
        "synod_snapshot_is_damaged",
        "Whether a damaged snapshot has nothing whole in its place.",
        f64::from(u8::from(measured.damaged_snapshot.is_some())),
    )?;
    writer.gauge(
        "synod_has_state",
        "Whether the node has the state of what it knows to be chosen.",
        f64::from(u8::from(measured.has_state)),
    )?;
    writer.counter(
        "synod_scrubbed_bytes",
        "Bytes of snapshots that were read again.",
        counts.scrubbed_bytes,
    )
}

fn of_clients(writer: &mut Writer<'_>, measured: &Measured) -> fmt::Result {
    let counts = &measured.counts;
    writer.counter("synod_requests", "Requests of clients.", counts.requests)?;
    writer.counter("synod_responses", "Responses to clients.", counts.responses)?;
    writer.counter(
        "synod_responses_let_go",
        "Responses that were not kept for a client that reads too slowly.",
        counts.responses_let_go,
    )?;
    let refused = REFUSALS.into_iter().zip(counts.refused);
    let refused = refused.map(|(reason, count)| ([("reason", reason)], count));
    writer.counters("synod_requests_refused", "Requests that were refused, by reason.", refused)
}

fn of_work(writer: &mut Writer<'_>, shown: &Shown) -> fmt::Result {
    let counts = &shown.measured.counts;
    writer.counter("synod_steps", "Inputs that the replica has taken.", counts.steps)?;
    writer.counter("synod_messages_sent", "Messages for peers.", counts.messages_out)?;
    writer.counter(
        "synod_messages_dropped",
        "Messages for peers that were dropped, for lack of a link or of room.",
        shown.messages_dropped,
    )?;
    writer.counter(
        "synod_messages_unheard",
        "Messages of peers of whose present start nothing is known yet, or that are refused.",
        counts.unheard,
    )?;
    let malformed = [("peer", counts.malformed_peer), ("client", counts.malformed_client)];
    let malformed = malformed.map(|(from, count)| ([("from", from)], count));
    writer.counters("synod_malformed_frames", "Frames that could not be read.", malformed)?;
    writer.counter(
        "synod_log_reads",
        "Ranges of old slots read back for peers that lag.",
        counts.log_reads,
    )?;
    writer.counter(
        "synod_process_pauses",
        "Pauses of the whole process that were noticed.",
        counts.pauses,
    )
}

fn of_transport(writer: &mut Writer<'_>, shown: &Shown) -> fmt::Result {
    let ports = [("peers", &shown.peers), ("clients", &shown.clients)];
    let refused = |port, counters: &CountersSnapshot, reason: Refusal| {
        let count = counters.refused(RefusedBy::Here, reason);
        ([("port", port), ("reason", reason.slug())], count)
    };
    let refusals = ports.into_iter().flat_map(|(port, counters)| {
        Refusal::ALL.into_iter().map(move |reason| refused(port, counters, reason))
    });
    writer.counters(
        "synod_connections_refused",
        "Connections that this node refused, by port and reason.",
        refusals,
    )?;
    let events = ports.into_iter().flat_map(|(port, counters)| {
        counters
            .counts()
            .map(move |(count, times)| ([("port", port), ("event", count.word())], times))
    });
    writer.counters("synod_transport_events", "What the transport counted, by port.", events)
}

/// Figures of this size are told exactly up to nine thousand million millions.
#[allow(clippy::cast_precision_loss, reason = "no slot, count or length comes to 2^53")]
const fn number(figure: u64) -> f64 {
    figure as f64
}

/// Writes families of metrics one after the other.
struct Writer<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Writer<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut encoder = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn gauges<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'l str, &'l str); N], f64)>,
    ) -> fmt::Result {
        let write = |encoder: &mut MetricEncoder<'_>, value: f64| encoder.encode_gauge(&value);
        self.family((name, help, MetricType::Gauge), values, write)
    }

    fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Counter), values, |encoder, value| {
            encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    fn histograms<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'l str, &'l str); N], &'l Durations)>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Histogram), values, |encoder, histogram| {
            let bounds = BUCKET_BOUNDS.iter().map(std::time::Duration::as_secs_f64);
            let bounds = bounds.chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(histogram.buckets().iter().copied()).collect();
            let sum = histogram.sum().as_secs_f64();
            encoder.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
        })
    }

    fn family<'l, const N: usize, V>(
        &mut self,
        (name, help, kind): (&str, &str, MetricType),
        values: impl IntoIterator<Item = ([(&'l str, &'l str); N], V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut encoder = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            write(&mut encoder.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

const SECONDS_PER_DAY: f64 = 86_400.0;
