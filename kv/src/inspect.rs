//! What `synod-kv inspect` prints: a survey of a data folder, for people and for programs.
//!
//! What is in the folder is found out by the floors below, and nothing is judged here. The claims
//! kept true: both forms tell the same, and what is said of damage names the file, the byte, what
//! it took, and what to do.

use std::fmt::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use synod_node::Node;
use synod_node::backup::{ReadError, Summary, in_words, looks_like_a_backup, read_backup};
use synod_node::survey::{
    NodeSurvey, Owner, SegmentState, SnapshotSurvey, SurveyError, SurveyedDamage, SurveyedSegment,
};

use crate::cli::InspectArgs;
use crate::exit::Exit;
use crate::machine::Machine;

/// Returns the page to print, and the end of the program, which says whether the folder is sound.
pub(crate) fn look(args: &InspectArgs) -> Result<(String, Exit), Exit> {
    if looks_like_a_backup(&args.folder) {
        return look_at_backup(args);
    }
    let survey = Node::survey(&args.folder).map_err(|error| {
        // A damaged identity says that the folder is not sound; any other error, that it was not
        // looked at.
        let is_damage = matches!(error, SurveyError::DamagedIdentity { .. });
        if is_damage { Exit::differs(error) } else { Exit::unusable(error) }
    })?;
    let page = if args.json {
        serde_json::to_string(&Page::of(&survey)).map_err(Exit::internal)? + "\n"
    } else {
        text(&survey)
    };
    let folder = args.folder.display();
    let unsound = |advice| Exit::differs(format!("{folder}: {advice}"));
    Ok((page, advice(&survey).map_or_else(Exit::done, unsound)))
}

/// Looks at a backup, whose state is read and held against its digest.
fn look_at_backup(args: &InspectArgs) -> Result<(String, Exit), Exit> {
    let (page, refused) = match read_backup(&args.folder, Machine::default()) {
        Ok(backup) => (Some(BackupPage::of(backup.summary())), None),
        Err(error @ ReadError::Folder(_)) => return Err(Exit::unusable(error)),
        Err(error) => (None, Some(error.to_string())),
    };
    let exit = refused.as_ref().map_or_else(Exit::done, Exit::differs);
    let printed = if args.json {
        let (schema, sound) = (SCHEMA, refused.is_none());
        let whole = BackupLook { schema, sound, refusal: refused, backup: page };
        serde_json::to_string(&whole).map_err(Exit::internal)? + "\n"
    } else {
        page.map(|page| page.line()).unwrap_or_default()
    };
    Ok((printed, exit))
}

/// What is told of a backup, for programs; its schema is in that of the book.
#[derive(Debug, Serialize)]
struct BackupLook {
    /// The version of this form.
    schema: u32,
    sound: bool,
    refusal: Option<String>,
    backup: Option<BackupPage>,
}

#[derive(Debug, Serialize)]
struct BackupPage {
    cluster: String,
    slot: u64,
    digest: String,
    bytes: u64,
    sessions: u64,
}

impl BackupPage {
    fn of(summary: &Summary) -> Self {
        let Summary { cluster, slot, digest, bytes, sessions } = summary;
        Self {
            cluster: cluster.clone(),
            slot: slot.number(),
            digest: format!("{digest:016x}"),
            bytes: *bytes,
            sessions: *sessions,
        }
    }

    fn line(&self) -> String {
        let Self { cluster, slot, digest, bytes, sessions } = self;
        format!(
            "backup of cluster {cluster}: the state below slot {slot}, {bytes} bytes with \
             {sessions} sessions, digest {digest}: sound\n"
        )
    }
}

/// The page for programs; its schema is `inspect.schema.json` in the book.
#[derive(Debug, Serialize)]
struct Page {
    /// The version of this form.
    schema: u32,
    sound: bool,
    refusal: Option<String>,
    owner: Option<OwnerPage>,
    starts: u64,
    promised: String,
    journal: JournalPage,
    records: RecordsPage,
    slots: SlotsPage,
    snapshots: Vec<SnapshotPage>,
    snapshot_unfinished: bool,
}

#[derive(Debug, Serialize)]
struct OwnerPage {
    cluster: String,
    node: u16,
    voters: String,
    /// The backup that the cluster began with.
    began: Option<String>,
}

#[derive(Debug, Serialize)]
struct JournalPage {
    folder: String,
    format: u32,
    first_lsn: u64,
    next_lsn: u64,
    torn_bytes: u64,
    segments: Vec<SegmentPage>,
    other_files: Vec<String>,
    damage: Vec<DamagePage>,
    damage_unlisted: u64,
}

#[derive(Debug, Serialize)]
struct SegmentPage {
    file: String,
    state: &'static str,
    bytes: Option<u64>,
    used_bytes: u64,
    records: u64,
    first_lsn: Option<u64>,
}

#[derive(Debug, Serialize)]
struct DamagePage {
    file: String,
    byte: u64,
    reason: String,
    lost_from_lsn: Option<u64>,
    lost_before_lsn: Option<u64>,
}

#[derive(Debug, Serialize)]
struct RecordsPage {
    starts: u64,
    promised: u64,
    accepted: u64,
    learned: u64,
    chosen: u64,
    peers: u64,
    snapshots: u64,
    unreadable: u64,
}

#[derive(Debug, Serialize)]
struct SlotsPage {
    first: Option<u64>,
    end: u64,
    applied_below: u64,
    chosen_below: u64,
    cut_below: u64,
    votes_above: u64,
}

#[derive(Debug, Serialize)]
struct SnapshotPage {
    file: String,
    slot: u64,
    bytes: u64,
    parts: Option<u32>,
    sessions: Option<u64>,
    digest: Option<String>,
    damage: Vec<PartPage>,
    damage_unlisted: u64,
}

#[derive(Debug, Serialize)]
struct PartPage {
    part: String,
    byte: u64,
}

impl Page {
    /// Takes what a survey found.
    fn of(survey: &NodeSurvey) -> Self {
        let (journal, counts) = (&survey.journal, &survey.records);
        let slots = &survey.slots;
        Self {
            schema: SCHEMA,
            sound: survey.is_sound(),
            refusal: survey.refusal.clone(),
            owner: survey.owner.as_ref().map(owner_page),
            starts: survey.starts,
            promised: survey.promised.to_string(),
            journal: JournalPage {
                folder: journal.folder.to_string(),
                format: journal.format,
                first_lsn: journal.first_lsn.get(),
                next_lsn: journal.next_lsn.get(),
                torn_bytes: journal.cut_bytes,
                segments: journal.segments.iter().map(segment_page).collect(),
                other_files: journal.others.clone(),
                damage: journal.damage.iter().map(damage_page).collect(),
                damage_unlisted: journal.damage_unlisted,
            },
            records: RecordsPage {
                starts: counts.starts,
                promised: counts.promised,
                accepted: counts.accepted,
                learned: counts.learned,
                chosen: counts.chosen,
                peers: counts.peers,
                snapshots: counts.snapshots,
                unreadable: counts.unreadable,
            },
            slots: SlotsPage {
                first: slots.first.map(|slot| slot.number()),
                end: slots.end.number(),
                applied_below: survey.applied_below().number(),
                chosen_below: slots.chosen_below.number(),
                cut_below: slots.cut_below.number(),
                votes_above: slots.votes_above,
            },
            snapshots: survey.snapshots.iter().map(snapshot_page).collect(),
            snapshot_unfinished: survey.is_snapshot_unfinished,
        }
    }
}

fn owner_page(owner: &Owner) -> OwnerPage {
    let (cluster, voters) = (owner.cluster.clone(), owner.voters.clone());
    let began = owner.began.map(|began| in_words(Some(began)));
    OwnerPage { cluster, node: owner.node.number(), voters, began }
}

fn segment_page(segment: &SurveyedSegment) -> SegmentPage {
    SegmentPage {
        file: name(&segment.path),
        state: state(segment.state),
        bytes: segment.bytes,
        used_bytes: segment.used_bytes,
        records: segment.records,
        first_lsn: segment.first_lsn.map(|lsn| lsn.get()),
    }
}

fn damage_page(damage: &SurveyedDamage) -> DamagePage {
    DamagePage {
        file: name(&damage.place.path),
        byte: damage.place.offset,
        reason: damage.place.reason.to_string(),
        lost_from_lsn: damage.lost.from.map(|lsn| lsn.get()),
        lost_before_lsn: damage.lost.before.map(|lsn| lsn.get()),
    }
}

fn snapshot_page(snapshot: &SnapshotSurvey) -> SnapshotPage {
    let parts = snapshot.damage.iter();
    SnapshotPage {
        file: name(&snapshot.path),
        slot: snapshot.slot.number(),
        bytes: snapshot.file_bytes,
        parts: snapshot.parts,
        sessions: snapshot.description.map(|state| state.sessions),
        digest: snapshot.description.map(|state| format!("{:016x}", state.digest)),
        damage: parts
            .map(|part| PartPage { part: part.part.to_string(), byte: part.offset })
            .collect(),
        damage_unlisted: snapshot.damage_unlisted,
    }
}

/// Writes the page for people.
fn text(survey: &NodeSurvey) -> String {
    let mut page = String::new();
    // Writing to a text cannot fail.
    let _ = write_page(&mut page, &Page::of(survey));
    page
}

fn write_page(out: &mut String, page: &Page) -> fmt::Result {
    let verdict = if page.sound { "sound" } else { "a start refuses it" };
    match &page.owner {
        Some(OwnerPage { cluster, node, voters, began }) => {
            writeln!(out, "node {node} of cluster {cluster}, members {voters}: {verdict}")?;
            if let Some(began) = began {
                writeln!(out, "its cluster began with {began}")?;
            }
        }
        None => writeln!(out, "the folder of no node: {verdict}")?,
    }
    let Page { journal, records, slots, .. } = page;
    writeln!(out, "journal {} of format {}", journal.folder, journal.format)?;
    writeln!(out, "{} starts, promised {}", page.starts, page.promised)?;
    writeln!(out, "records {} to before {}", journal.first_lsn, journal.next_lsn)?;
    writeln!(
        out,
        "  {} votes, {} copied decrees, {} hints of what is chosen, {} promises, {} starts, {} of \
         other nodes, {} of snapshots, {} unreadable",
        records.accepted,
        records.learned,
        records.chosen,
        records.promised,
        records.starts,
        records.peers,
        records.snapshots,
        records.unreadable
    )?;
    match slots.first {
        Some(first) => writeln!(out, "slots {first} to before {}", slots.end)?,
        None => writeln!(out, "no slot has a decree here")?,
    }
    writeln!(
        out,
        "  a snapshot stands for those below {}; chosen below {} at least, {} votes from there on; \
         cut below {}",
        slots.applied_below, slots.chosen_below, slots.votes_above, slots.cut_below
    )?;
    write_segments(out, journal)?;
    write_snapshots(out, page)
}

fn write_segments(out: &mut String, journal: &JournalPage) -> fmt::Result {
    for segment in &journal.segments {
        write!(out, "{}: {}, ", segment.file, segment.state)?;
        match segment.bytes {
            Some(bytes) => write!(out, "{} of {bytes} bytes in use", segment.used_bytes)?,
            None => write!(out, "no file")?,
        }
        match segment.first_lsn {
            Some(first) => writeln!(out, ", {} records from {first} on", segment.records)?,
            None => writeln!(out, ", no record")?,
        }
    }
    if journal.torn_bytes > 0 {
        writeln!(
            out,
            "{} bytes behind the last commit are torn, and the next start cuts them: this is \
             normal after a crash, as nobody was told that they are durable",
            journal.torn_bytes
        )?;
    }
    for damage in &journal.damage {
        let lost = match (damage.lost_from_lsn, damage.lost_before_lsn) {
            // The places are those between which records may be missing; where they meet, the
            // damage took none.
            (Some(from), Some(before)) if before <= from => "no record is lost".to_owned(),
            (Some(from), Some(before)) if before - from == 1 => format!("record {from} is lost"),
            (Some(from), Some(before)) => format!("records {from} to {} are lost", before - 1),
            (Some(from), None) => format!("record {from} is lost and all that followed it"),
            (None, Some(before)) => format!("what was before record {before} is lost"),
            (None, None) => "all records are lost".to_owned(),
        };
        writeln!(
            out,
            "DAMAGED {} at byte {}: {}; {lost}",
            damage.file, damage.byte, damage.reason
        )?;
    }
    if journal.damage_unlisted > 0 {
        writeln!(out, "DAMAGED at {} more places of the journal", journal.damage_unlisted)?;
    }
    Ok(())
}

fn write_snapshots(out: &mut String, page: &Page) -> fmt::Result {
    for snapshot in &page.snapshots {
        let SnapshotPage { file, slot, bytes, .. } = snapshot;
        write!(out, "{file}: the state below slot {slot}, {bytes} bytes")?;
        if let (Some(parts), Some(sessions), Some(digest)) =
            (snapshot.parts, snapshot.sessions, &snapshot.digest)
        {
            write!(out, " in {parts} parts, {sessions} sessions, digest {digest}")?;
        }
        let whole = snapshot.damage.is_empty();
        writeln!(out, "{}", if whole { "; each part has its checksum" } else { "" })?;
        for damage in &snapshot.damage {
            let PartPage { part, byte } = damage;
            writeln!(out, "DAMAGED {file}: {part} from byte {byte} on is not as it was written")?;
        }
        if snapshot.damage_unlisted > 0 {
            writeln!(out, "DAMAGED {file}: {} more parts", snapshot.damage_unlisted)?;
        }
    }
    if page.snapshots.is_empty() {
        writeln!(out, "no snapshot")?;
    }
    if page.snapshot_unfinished {
        writeln!(out, "a snapshot was in the making; the next start removes what there is of it")?;
    }
    Ok(())
}

/// Says what to do with a folder that is not sound.
fn advice(survey: &NodeSurvey) -> Option<String> {
    if survey.is_sound() {
        return None;
    }
    let why = survey.refusal.clone().unwrap_or_else(|| "a snapshot is damaged".to_owned());
    if survey.journal.damage.is_empty() && survey.snapshots.iter().all(|one| one.damage.is_empty())
    {
        return Some(why);
    }
    if survey.journal.damage.is_empty() && survey.refusal.is_none() {
        return Some(format!(
            "{why}. Start the node all the same: it has all its votes, and the state from a peer"
        ));
    }
    Some(format!(
        "{why}. Keep the folder as it is, and bring no older copy back: a node that goes on \
         without what it has promised may vote twice. The others go on without this node while \
         they are more than half; copy the folder to another disk if this one is failing"
    ))
}

fn state(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Released => "released",
        SegmentState::Finished => "finished",
        SegmentState::Active => "active",
        SegmentState::Ahead => "ahead",
        SegmentState::Damaged => "damaged",
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The version of the form for programs: it grows where a key goes or changes what it means.
const SCHEMA: u32 = 1;
