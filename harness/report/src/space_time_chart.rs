//! The messages drawn: a line down the page for each node and for the clients, an arrow for each
//! message, and the operations of the counterexample beside their clients.
//!
//! Events stand in the order of their times, one below the other, as distances of microseconds and
//! of seconds do not fit into one picture; the times stand beside them. The claim kept true: the
//! drawing is as wide as the page, and each arrow says in words what it is.

use synod_checker::{CoreOperation, ViolationCore};

use super::context::Context;
use super::format::{counted, grouped, moment, seconds};
use super::html::{Html, clip, esc, put};
use super::space_time::order::{CLIENTS, Event, What, events, places};
use crate::{Fate, Message, SpaceTime};

/// Writes the section, if there is anything to draw.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    let Some(shown) = &context.summary.space_time else { return };
    html.raw(
        "<section id=\"messages\" aria-labelledby=\"messages-h\">\
         <h2 id=\"messages-h\">The messages then</h2>",
    );
    put!(
        html,
        "<p>What the harness carried between the nodes, and between them and all clients, from {} \
         to {}, while the counterexample came about; time goes down, one step for each event. A \
         dashed line is a message that did not come, a bar beside the clients an operation of the \
         counterexample. ",
        moment(shown.from_ns),
        moment(shown.to_ns)
    );
    if shown.left_out > 0 {
        let more = counted(shown.left_out, "more message");
        put!(html, "There were {more} before, since its first call. ");
    }
    if shown.forgot {
        html.raw("What was carried first of that time is not remembered. ");
    }
    html.raw(
        "<a href=\"space-time.log\">space-time.log</a> has the same with vector clocks, as ShiViz \
         reads it. What a message says is not known: it is carried as it came.</p>",
    );
    figure(html, shown, context.summary.violation.as_ref());
    html.raw("</section>");
}

fn figure(html: &mut Html, shown: &SpaceTime, core: Option<&ViolationCore>) {
    let events = events(shown, core);
    let sheet = Sheet { places: places(shown, &events), rows: events.len() };
    put!(
        html,
        "<svg class=\"space-time\" role=\"img\" aria-label=\"{} between {}\" \
         viewBox=\"0 0 {WIDTH} {}\">",
        counted(shown.messages.len() as u64, "message"),
        counted(sheet.places.len() as u64, "place"),
        sheet.height()
    );
    for place in &sheet.places {
        let (x, name) = (sheet.x(*place), name(*place));
        put!(html, "<text x=\"{x:.1}\" y=\"12\" class=\"place\">{name}</text>");
        let bottom = sheet.height();
        put!(html, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>");
    }
    times(html, &sheet, &events);
    for (index, operation) in core.into_iter().flat_map(|core| &core.operations).enumerate() {
        bar(html, &sheet, &events, index, operation);
    }
    for (index, message) in shown.messages.iter().enumerate() {
        arrow(html, &sheet, &events, index, message);
    }
    html.raw("</svg>");
}

/// Where things stand in the drawing.
struct Sheet {
    places: Vec<u16>,
    rows: usize,
}

impl Sheet {
    fn height(&self) -> usize {
        TOP + ROW * (self.rows + 1)
    }

    fn x(&self, place: u16) -> f64 {
        let turn = self.places.iter().position(|known| *known == place).unwrap_or_default();
        // A single place stands at the left, and nothing is divided by zero.
        let steps = self.places.len().saturating_sub(1).max(1);
        (LEFT + (WIDTH - LEFT - RIGHT) * turn / steps) as f64
    }
}

const fn y(row: usize) -> usize {
    TOP + ROW * (row + 1)
}

fn row(events: &[Event], what: What) -> Option<usize> {
    events.iter().position(|event| event.what == what)
}

fn times(html: &mut Html, sheet: &Sheet, events: &[Event]) {
    for (row, event) in events.iter().enumerate().step_by(ROWS_A_TIME) {
        put!(html, "<text x=\"0\" y=\"{}\">{}</text>", y(row) + 3, seconds(event.at_ns, 4));
        let (from, to, y) = (LEFT, sheet.x(*sheet.places.last().unwrap_or(&0)), y(row));
        put!(html, "<path class=\"grid\" d=\"M{from} {y}H{to:.1}\"/>");
    }
}

/// Writes an operation: from its call to its return, or to the end.
fn bar(html: &mut Html, sheet: &Sheet, events: &[Event], index: usize, operation: &CoreOperation) {
    let Some(from) = row(events, What::Call(index)) else { return };
    let to = row(events, What::Return(index)).unwrap_or(sheet.rows);
    let x = sheet.x(CLIENTS) - 3.0 - 5.0 * (index % BARS_BESIDE) as f64;
    let said = format!(
        "client {}: {} of {}, {}, from {}",
        operation.process,
        operation.f,
        operation.key,
        operation.result,
        moment(operation.call_ns)
    );
    let height = ROW * (to - from).max(1);
    put!(
        html,
        "<rect class=\"operation\" x=\"{x:.1}\" y=\"{}\" width=\"3\" height=\"{height}\">\
         <title>{}</title></rect>",
        y(from),
        esc(&clip(&said, SAID_LETTERS))
    );
}

/// Writes a message: to where it came, or a part of the way there.
fn arrow(html: &mut Html, sheet: &Sheet, events: &[Event], index: usize, message: &Message) {
    let Some(from) = row(events, What::Sent(index)) else { return };
    let Message { from: sender, to: receiver, bytes, .. } = *message;
    let (x1, there, y1) = (sheet.x(sender), sheet.x(receiver), y(from));
    let said = format!(
        "{} to {}, {} bytes, sent at {}, {}",
        name(sender),
        name(receiver),
        grouped(u64::from(bytes)),
        moment(message.sent_ns),
        ending(message)
    );
    let title = format!("<title>{}</title>", esc(&said));
    let side = if there >= x1 { -4.0 } else { 4.0 };
    if let Some(to) = row(events, What::Came(index)) {
        let y2 = y(to);
        put!(
            html,
            "<path class=\"message\" d=\"M{x1:.1} {y1}L{there:.1} {y2}m{side} -3l{} 3l{side} 3\">\
             {title}</path>",
            -side
        );
    } else {
        // Less than half of the way: the end of the line is not on the line of a place between.
        let x2 = (there - x1).mul_add(0.4, x1);
        put!(
            html,
            "<path class=\"message dropped\" d=\"M{x1:.1} {y1}H{x2:.1}m-3 -3l6 6m0 -6l-6 6\">\
             {title}</path>"
        );
    }
}

fn name(place: u16) -> String {
    if place == CLIENTS { "clients".to_owned() } else { format!("node {place}") }
}

fn ending(message: &Message) -> String {
    match message.fate {
        Fate::Came(at_ns) => {
            format!("came {} us later", grouped(at_ns.saturating_sub(message.sent_ns) / 1_000))
        }
        Fate::Cut => "dropped by a cut".to_owned(),
        Fate::Lost => "lost".to_owned(),
        Fate::Overflowed => "dropped without room".to_owned(),
        Fate::Held => "kept back by a cut".to_owned(),
    }
}

/// The drawing, in its own units, which the page stretches: its width, and what is left beside the
/// lines for times and names.
const WIDTH: usize = 440;
const LEFT: usize = 90;
const RIGHT: usize = 22;
/// Where the lines begin, below their names, and how far events are apart.
const TOP: usize = 18;
const ROW: usize = 7;
/// Events of which one has its time beside it.
const ROWS_A_TIME: usize = 8;
/// Operations that stand beside one another before they stand upon one another.
const BARS_BESIDE: usize = 4;
const SAID_LETTERS: usize = 200;
