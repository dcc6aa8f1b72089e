//! Whether a scenario makes sense, whatever the world.
//!
//! Every number has a bound: without one a file could ask for more clients than a machine holds, a
//! run without an end, or a time limit within which nothing can be done, and the run would tell of
//! the file and not of the system. The claim kept true: a fault that somebody wrote down can begin
//! within the run, and there is something that it hits. One that cannot would be left out, and a
//! run that left it out would pass. What a generator draws may come too late or hit nothing; a run
//! counts it among the faults without an effect.

use std::collections::BTreeSet;

use crate::nemesis::Nemesis;
use crate::{
    Action, CLIENTS, Conditions, DiskFault, LinkRules, Millis, NodeId, PartsPerMillion,
    PlannedFault, Scenario, Shape, Target, swarm, varied,
};

/// What makes no sense, and in which fault.
pub(super) struct SenselessPart {
    /// The place of the fault, from 0.
    pub(super) fault: Option<usize>,
    /// The field of the scenario or of its conditions, where it is no fault's.
    pub(super) field: Option<&'static str>,
    /// What is wrong.
    pub(super) what: String,
    /// What to do about it.
    pub(super) remedy: String,
}

type Wrong = (String, &'static str);

/// What is wrong with a field that is no fault's, and its name.
type WrongField = (&'static str, Wrong);

impl Scenario {
    /// Says whether it makes sense.
    pub(super) fn check(&self) -> Result<(), SenselessPart> {
        let wrong = |fault| {
            move |(what, remedy): Wrong| SenselessPart {
                fault,
                field: None,
                what,
                remedy: remedy.to_owned(),
            }
        };
        let of_field = |(field, (what, remedy)): WrongField| {
            let (field, remedy) = (Some(field), remedy.to_owned());
            SenselessPart { fault: None, field, what, remedy }
        };
        self.check_numbers().map_err(of_field)?;
        check_conditions(&self.conditions, self.nodes).map_err(of_field)?;
        if self.faults.len() > FAULTS_MAX {
            let what =
                format!("{} faults are too many: {FAULTS_MAX} is the most", self.faults.len());
            return Err(of_field(("faults", (what, "split the scenario"))));
        }
        for (place, fault) in self.faults.iter().enumerate() {
            check_trigger(fault, place).map_err(wrong(Some(place)))?;
            check_fault(fault, self.nodes).map_err(wrong(Some(place)))?;
            // What was drawn may be of no use, such as an aftershock behind the end; its seed has
            // to go on meaning that plan.
            if !self.is_drawn() {
                self.check_use(fault).map_err(wrong(Some(place)))?;
            }
        }
        Ok(())
    }

    /// Tells whether its faults are what a generator drew, and not what somebody wrote.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        let nemesis = self.nemesis.parse::<Nemesis>();
        let is_mixed = [swarm::NAME, varied::NAME].contains(&self.nemesis.as_str());
        is_mixed || nemesis.is_ok_and(|nemesis| nemesis != Nemesis::Calm)
    }

    fn check_numbers(&self) -> Result<(), WrongField> {
        check_share("pinned", self.pinned).map_err(|wrong| ("pinned", wrong))?;
        for (name, count) in [("nodes", u32::from(self.nodes)), ("clients", self.clients)] {
            if count == 0 {
                let what = "a run has a node and a client at least".to_owned();
                return Err((name, (what, "set `nodes` and `clients` to 1 or more")));
            }
        }
        if self.clients > CLIENTS_MAX {
            let what = format!("{} clients are too many: {CLIENTS_MAX} is the most", self.clients);
            return Err(("clients", (what, "set `clients` to fewer")));
        }
        for (name, time, least, most) in [
            ("time_ms", self.time_ms, Millis(1), TIME_MS_MAX),
            ("timeout_ms", self.timeout_ms, Millis(1), TIMEOUT_MS_MAX),
            ("rest_ms", self.rest_ms, Millis(0), REST_MS_MAX),
            ("hasty_ms", self.hasty_ms, Millis(0), TIMEOUT_MS_MAX),
        ] {
            if !(least..=most).contains(&time) {
                let what =
                    format!("`{name}` is {}, and not from {} to {}", time.0, least.0, most.0);
                return Err((name, (what, "take a number from that range")));
            }
        }
        Ok(())
    }

    /// Says whether a fault can begin within the run, and whether there is something that it hits.
    fn check_use(&self, fault: &PlannedFault) -> Result<(), Wrong> {
        if fault.at_ms >= self.time_ms {
            let (at, end) = (fault.at_ms.0, self.time_ms.0);
            let what = format!("it begins at {at} ms of {end}, and so never");
            return Err((what, "let it begin earlier, or set `time_ms` to more"));
        }
        if fault.hits_nothing(&self.node_ids()) {
            let what = format!("there is nothing that it hits: {}", fault.action);
            return Err((what, "let it name what it cuts or changes, and a target with others"));
        }
        let base = match fault.target {
            Target::Clients => self.conditions.client_links,
            Target::Leader
            | Target::Node(_)
            | Target::Nodes(_)
            | Target::Minority
            | Target::All => self.conditions.links,
        };
        if let Action::Disturb(rules) | Action::DisturbInbound(rules) = &fault.action
            // Rules are joined and not added: what is no harsher than the link is already has no
            // trace.
            && base.joined(*rules) == base
        {
            let what = format!("nothing comes of it: links do as much all the time: {rules}");
            return Err((what, "let it be harsher than the conditions of the scenario"));
        }
        check_doing(fault)
    }
}

/// Says whether something comes of a fault that hits somebody.
fn check_doing(fault: &PlannedFault) -> Result<(), Wrong> {
    let PlannedFault { action, lasts_ms, .. } = fault;
    if action.does_nothing() {
        let what = format!("nothing comes of it: {action}");
        return Err((what, "let it differ by more than nothing"));
    }
    if action.takes_time() && lasts_ms.0 == 0 {
        let what = format!("nothing comes of it in no time: {action}");
        return Err((what, "set `lasts_ms` to 1 or more"));
    }
    Ok(())
}

fn check_conditions(conditions: &Conditions, nodes: u16) -> Result<(), WrongField> {
    let Conditions { links, client_links, sync_us, clock_ppm } = conditions;
    let clocks = clock_ppm.len();
    // A list that is too short would leave the last nodes with a right clock, and nobody would
    // notice.
    if clocks != 0 && clocks != usize::from(nodes) {
        let what = format!("`clock_ppm` has {clocks} numbers for {nodes} nodes");
        return Err(("clock_ppm", (what, "give one for each node, or none at all")));
    }
    let clocks = clock_ppm.iter().try_for_each(|ppm| check_clock(*ppm));
    clocks.map_err(|wrong| ("clock_ppm", wrong))?;
    if *sync_us > SYNC_US_MAX {
        let what = format!("`sync_us` is {sync_us}, and not up to {SYNC_US_MAX}");
        return Err(("sync_us", (what, "let a disk hang where no sync shall return")));
    }
    check_rules(links).map_err(|wrong| ("links", wrong))?;
    check_rules(client_links).map_err(|wrong| ("client_links", wrong))
}

/// A fault waits for one that stands before it, so that no two wait for each other.
fn check_trigger(fault: &PlannedFault, place: usize) -> Result<(), Wrong> {
    match fault.trigger.awaited() {
        Some(number) if number == 0 || number as usize > place => {
            let what = format!("it waits for fault {number}, which does not stand before it");
            Err((what, "name one that does; faults are numbered from 1"))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_fault(fault: &PlannedFault, count: u16) -> Result<(), Wrong> {
    let PlannedFault { action, target, flaps_ms, .. } = fault;
    let name = action.name();
    if let Some(node) = named(fault).into_iter().find(|node| node.0 > count) {
        let what = format!("there is no node {node} among {count}");
        return Err((what, "name a node from 1 to `nodes`"));
    }
    match target {
        Target::Nodes(nodes) if nodes.is_empty() => {
            return Err(("it hits no node".to_owned(), "name one in `target.nodes`"));
        }
        Target::Minority if count < 3 => {
            let what = format!("{count} nodes have no minority");
            return Err((what, "take 3 nodes or more, or name a node"));
        }
        Target::Leader
        | Target::Node(_)
        | Target::Nodes(_)
        | Target::Minority
        | Target::All
        | Target::Clients => {}
    }
    if action.names_links() && !target.is_default() {
        let what = format!("`{name}` says itself which links it cuts");
        return Err((what, "leave `target` out, or use `isolate`"));
    }
    if matches!(action, Action::DisturbInbound(_)) && target.is_default() {
        let what = format!("`{name}` is for some nodes, towards which links differ");
        return Err((what, "name them, or use `disturb`"));
    }
    // Links with clients have conditions of their own, and another transport may carry them: one
    // set of rules would not fit both.
    let is_mixed = matches!((action, target), (Action::Disturb(_), Target::Nodes(_)))
        || matches!(action, Action::DisturbInbound(_));
    if is_mixed && hits_clients(target) {
        let what = format!("`{name}` is for links between nodes, and 0 is the clients");
        return Err((
            what,
            "leave 0 out, and give the clients a fault with `target = \"clients\"`",
        ));
    }
    // The processes of clients are the harness's: what hits them would hit whoever judges.
    if hits_machines(action) && (*target == Target::Clients || hits_clients(target)) {
        let what = format!("`{name}` is nothing that clients suffer from");
        return Err((what, "name nodes, from 1 on, as its target"));
    }
    check_action(action)?;
    check_lasting("lasts_ms", fault.lasts_ms, TIME_MS_MAX)?;
    check_lasting("at_ms", fault.at_ms, AT_MS_MAX)?;
    check_lasting("flaps_ms", flaps_ms.unwrap_or_default(), TIME_MS_MAX)?;
    match flaps_ms {
        Some(_) if !action.is_cut() => {
            let what = format!("`{name}` does not come and go");
            Err((what, "leave `flaps_ms` out, or use a cut"))
        }
        Some(period) if period.0 == 0 => {
            Err(("a period of 0 ms has no end".to_owned(), "set `flaps_ms` to 1 or more"))
        }
        // A period of 0 was refused above: this would divide by it.
        Some(period) if fault.lasts_ms.0 / period.0 > FLAPS_MAX => {
            let flaps = fault.lasts_ms.0 / period.0;
            let what = format!("it comes and goes {flaps} times: {FLAPS_MAX} is the most");
            Err((what, "set `flaps_ms` to more, or `lasts_ms` to less"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Says whether there can be such an action, whomever it hits.
fn check_action(action: &Action) -> Result<(), Wrong> {
    match action {
        Action::Disturb(rules) | Action::DisturbInbound(rules) => check_rules(rules),
        Action::ClockRate { ppm } => check_clock(*ppm),
        Action::ClockJump { ms } | Action::Disk(DiskFault::Slow { ms }) => {
            check_lasting("ms", *ms, TIME_MS_MAX)
        }
        Action::Cut(links) => match links.iter().find(|link| link.from == link.to) {
            Some(link) => Err((format!("`{link}` is no link"), "name two nodes")),
            None => Ok(()),
        },
        Action::Partition(shape) => check_shape(shape),
        Action::Disk(DiskFault::PowerFailsAt { operations }) if *operations > OPERATIONS_MAX => {
            let what = format!("`operations` is {operations}, and not up to {OPERATIONS_MAX}");
            Err((what, "take a number that a run can come to"))
        }
        Action::Isolate
        | Action::Mute
        | Action::Deafen
        | Action::Kill
        | Action::PowerLoss
        | Action::Pause
        | Action::Retire
        | Action::Upgrade
        | Action::Downgrade
        | Action::Disk(_) => Ok(()),
    }
}

/// Refuses a node that stands on two sides, or twice in a ring.
fn check_shape(shape: &Shape) -> Result<(), Wrong> {
    // Sides are sets, so that a node can stand twice only on two of them; counted over the whole
    // shape it is one.
    let count = match shape {
        Shape::Split { one, other } => one.len() + other.len(),
        Shape::Bridge { one, other, .. } => one.len() + other.len() + 1,
        Shape::Ring { order } => order.len(),
        Shape::Mute { others, .. } | Shape::Deaf { others, .. } => others.len() + 1,
    };
    if count == shape.nodes().len() {
        return Ok(());
    }
    Err((format!("a node stands twice in `{shape}`"), "name each node once"))
}

fn check_clock(ppm: i32) -> Result<(), Wrong> {
    if ppm.unsigned_abs() <= CLOCK_PPM_MAX {
        return Ok(());
    }
    let what = format!("no clock is off by {ppm} parts in a million");
    Err((what, "take a number from -999999 to 999999"))
}

fn check_rules(rules: &LinkRules) -> Result<(), Wrong> {
    for (name, share) in [
        ("loss", rules.loss),
        ("duplicate", rules.duplicate),
        ("reorder", rules.reorder),
        ("corrupt", rules.corrupt),
        ("stall", rules.stall),
        ("reset", rules.reset),
        ("refuse", rules.refuse),
        ("half_close", rules.half_close),
    ] {
        check_share(name, share)?;
    }
    for (name, time) in [
        ("delay_ms", rules.delay_ms),
        ("jitter_ms", rules.jitter_ms),
        ("duplicate_late_ms", rules.duplicate_late_ms),
        ("reorder_late_ms", rules.reorder_late_ms),
        ("stall_ms", rules.stall_ms),
    ] {
        check_lasting(name, time, TIME_MS_MAX)?;
    }
    Ok(())
}

fn check_share(name: &str, share: PartsPerMillion) -> Result<(), Wrong> {
    if share.0 <= SHARE_MAX {
        return Ok(());
    }
    let what = format!("`{name}` is {} in {SHARE_MAX}, which is more than all", share.0);
    Err((what, "shares are in millionths: 10000 is one in a hundred"))
}

fn check_lasting(name: &str, time: Millis, most: Millis) -> Result<(), Wrong> {
    if time <= most {
        return Ok(());
    }
    let what = format!("`{name}` is {}, longer than any run", time.0);
    Err((what, "take a time that a run can wait for"))
}

/// Returns the nodes that a fault names by their numbers.
fn named(fault: &PlannedFault) -> BTreeSet<NodeId> {
    let mut nodes = match &fault.target {
        Target::Node(node) => BTreeSet::from([*node]),
        Target::Nodes(nodes) => nodes.clone(),
        Target::Leader | Target::Minority | Target::All | Target::Clients => BTreeSet::new(),
    };
    if let Action::Partition(shape) = &fault.action {
        nodes.extend(shape.nodes());
    }
    if let Action::Cut(links) = &fault.action {
        nodes.extend(links.iter().flat_map(|link| [link.from, link.to]));
    }
    nodes
}

fn hits_machines(action: &Action) -> bool {
    !action.is_cut() && !matches!(action, Action::Disturb(_) | Action::DisturbInbound(_))
}

fn hits_clients(target: &Target) -> bool {
    match target {
        Target::Node(node) => *node == CLIENTS,
        Target::Nodes(nodes) => nodes.contains(&CLIENTS),
        Target::Leader | Target::Minority | Target::All | Target::Clients => false,
    }
}

/// How long faults may come and go: a day.
pub const TIME_MS_MAX: Millis = Millis(86_400_000);

/// The latest begin of a fault. A drawn one may come after the end, as the aftershock of the last.
const AT_MS_MAX: Millis = Millis(2 * TIME_MS_MAX.0);

/// The most faults of one scenario: each is looked at whenever one of them begins or ends.
const FAULTS_MAX: usize = 10_000;

/// How often one fault may come and go: what each time showed is kept until the end of a run.
const FLAPS_MAX: u64 = 100_000;

/// The most logical clients of a run.
pub const CLIENTS_MAX: u32 = 4_096;

/// The longest time limit of an operation.
pub const TIMEOUT_MS_MAX: Millis = Millis(600_000);

/// The longest rest of a client between two operations.
pub const REST_MS_MAX: Millis = Millis(600_000);

/// The slowest disk that still obeys: a sync takes up to a minute.
const SYNC_US_MAX: u64 = 60_000_000;

/// The latest operation of a disk in the middle of which the power fails: more than a day has.
const OPERATIONS_MAX: u64 = 1_000_000_000_000;

/// The rate of a clock that stands still: in an hour it gets on by 4 ms.
pub const STILL_PPM: i32 = -999_999;

/// The fastest clock, and the slowest.
const CLOCK_PPM_MAX: u32 = STILL_PPM.unsigned_abs();

/// All of a share in millionths.
const SHARE_MAX: u32 = 1_000_000;
