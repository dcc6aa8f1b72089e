//! The page of a campaign that several machines shared: the verdict, the parts, every run with the
//! way to its report; and the same in short, as Markdown for the summary of a build.
//!
//! What it came to is `merge`'s. The claims kept true: the page needs no other file, no script and
//! no network, stays below two megabytes, and leads to a run's report only where there is one.

use std::path::{Component, Path, PathBuf};

use super::merge::{Merged, MergedRun};
use super::simulated::SimulatedSeeds;
use crate::for_machines::plain;
use crate::format::{counted, grouped};
use crate::html::{Html, clip, esc, put};
use crate::index::{self, ListedRun};
use crate::replace::replace;
use crate::{ReportError, page};

/// Writes the page of what was merged. An older page is replaced at once or not at all.
///
/// # Errors
///
/// Returns an error if the page cannot be written.
pub fn write_merged(path: &Path, merged: &Merged) -> Result<(), ReportError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let here = std::path::absolute(folder.unwrap_or_else(|| Path::new("."))).unwrap_or_default();
    let listed: Vec<ListedRun> = merged.runs.iter().map(|run| listed(run, &here)).collect();
    let text = compose(merged, &listed);
    replace(path, &text).map_err(|source| ReportError::WritePage { path: path.to_owned(), source })
}

/// Says what was merged as Markdown.
#[must_use]
pub fn merged_markdown(merged: &Merged) -> String {
    let mut text = format!("## {}: merged\n\n{}\n\n", merged.word(), plain(&merged.rests_on));
    for reason in merged.reasons.iter().take(REASONS_MAX) {
        text += &format!("- {}\n", plain(reason));
    }
    text + &more(merged, REASONS_MAX).map_or_else(String::new, |more| format!("- {more}\n"))
}

/// Says how many reasons there are beyond those that are shown.
fn more(merged: &Merged, shown: usize) -> Option<String> {
    let more = merged.reasons.len().saturating_sub(shown);
    (more > 0).then(|| format!("and {}", counted(more as u64, "more reason")))
}

/// Returns the row of a run, as a page in the folder `here` leads to it.
fn listed(merged: &MergedRun, here: &Path) -> ListedRun {
    let MergedRun { place, run } = merged;
    let place = Path::new(place);
    // A summary stands beside the folders of its runs; a run that no shard tells of is a folder.
    let folder = if place.is_dir() {
        place.to_owned()
    } else {
        place.parent().unwrap_or_else(|| Path::new("")).join(&run.folder)
    };
    let has_page = folder.join("report.html").is_file();
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    run.listed(spelled(&relative(here, &folder)), has_page)
}

/// Returns the way from one folder to another.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let plain = |path: &Path| -> Vec<PathBuf> {
        let parts = path.components().filter(|part| *part != Component::CurDir);
        parts.map(|part| PathBuf::from(part.as_os_str())).collect()
    };
    let (from, to) = (plain(from), plain(to));
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n(PathBuf::from(".."), from.len() - common);
    let way: PathBuf = up.chain(to[common..].iter().cloned()).collect();
    if way.as_os_str().is_empty() { PathBuf::from(".") } else { way }
}

/// Spells a path as a link wants it.
fn spelled(path: &Path) -> String {
    // What RFC 3986 calls unreserved, and the slash between folders.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let spell = |byte: u8| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.as_os_str().as_encoded_bytes().iter().map(|byte| spell(*byte)).collect()
}

fn compose(merged: &Merged, runs: &[ListedRun]) -> String {
    let mut html = Html::default();
    let mut pieces = TEMPLATE.split("{{");
    html.raw(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (part, rest) = piece.split_once("}}").expect("every place in the template is closed");
        match part {
            "style" => {
                html.raw(page::STYLE);
                html.raw(index::STYLE);
            }
            "verdict" => put!(html, "{}", esc(merged.word())),
            "rests" => put!(html, "{}", esc(&merged.rests_on)),
            "reasons" => reasons(&mut html, merged),
            "parts" => parts(&mut html, merged),
            "runs" if merged.seeds.is_none() => {
                html.raw("<h2>Runs</h2>");
                index::tiles(&mut html, runs);
                index::table(&mut html, runs, 0, index::ROOMS[1]);
            }
            // Simulated seeds have no rows of their own.
            "runs" => {}
            "seeds" => merged.seeds.iter().for_each(|seeds| points(&mut html, merged, seeds)),
            _ => unreachable!("the template names no part called {part}"),
        }
        html.raw(rest);
    }
    html.into_string()
}

fn reasons(html: &mut Html, merged: &Merged) {
    html.raw("<ul>");
    for reason in merged.reasons.iter().take(REASONS_SHOWN_MAX) {
        put!(html, "<li>{}</li>", esc(&clip(reason, LETTERS_MAX)));
    }
    if let Some(more) = more(merged, REASONS_SHOWN_MAX) {
        put!(html, "<li>{}</li>", esc(&more));
    }
    html.raw("</ul>");
}

fn parts(html: &mut Html, merged: &Merged) {
    if merged.parts.is_empty() {
        return;
    }
    html.raw(
        "<h2>Shards</h2><table><thead><tr><th scope=\"col\">Shard</th>\
         <th scope=\"col\">What came of it</th><th scope=\"col\">Told by</th></tr></thead><tbody>",
    );
    for [shard, place, told] in merged.parts.iter().take(PARTS_SHOWN_MAX) {
        let (shard, told) = (esc(shard), esc(told));
        let place = clip(place, LETTERS_MAX);
        let place = esc(&place);
        put!(html, "<tr><th scope=\"row\">{shard}</th><td>{told}</td><td>{place}</td></tr>");
    }
    html.raw("</tbody></table>");
    let more = merged.parts.len().saturating_sub(PARTS_SHOWN_MAX);
    if more > 0 {
        put!(html, "<p class=\"note\">{} not listed.</p>", counted(more as u64, "more shard"));
    }
}

/// Writes how often each point of interest was seen, the rarest first.
fn points(html: &mut Html, merged: &Merged, seeds: &SimulatedSeeds) {
    html.raw("<h2>Points of interest</h2>");
    if merged.is_whole {
        put!(html, "<p>The trace of all seeds is <code>{:016x}</code>.</p>", seeds.trace);
    } else {
        html.raw("<p>The trace of all seeds is not known, as a part is missing or came twice.</p>");
    }
    html.raw(
        "<table><thead><tr><th scope=\"col\">Point</th><th scope=\"col\">Times</th>\
         <th scope=\"col\">Seeds</th></tr></thead><tbody>",
    );
    let mut points: Vec<_> = seeds.points.iter().collect();
    points.sort_by_key(|(_, hits)| (hits.runs, hits.times));
    for (name, hits) in points.into_iter().take(POINTS_SHOWN_MAX) {
        let (times, runs) = (grouped(hits.times), grouped(hits.runs));
        let name = esc(name);
        put!(html, "<tr><th scope=\"row\">{name}</th><td>{times}</td><td>{runs}</td></tr>");
    }
    html.raw("</tbody></table>");
}

/// How many reasons the summary of a build tells.
const REASONS_MAX: usize = 10;

/// How many reasons, shards and points the page shows, and how many letters of each.
const REASONS_SHOWN_MAX: usize = 200;
const PARTS_SHOWN_MAX: usize = 2_000;
const POINTS_SHOWN_MAX: usize = 1_000;
const LETTERS_MAX: usize = 300;

const TEMPLATE: &str = include_str!("../assets/merged.html");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use super::*;
    use crate::{MadeRun, Verdict};

    #[test]
    fn the_way_leads_from_folder_to_folder() {
        for (from, to, way) in [
            ("/a/b", "/a/b/c/d", "c/d"),
            ("/a/b", "/a/c d/e", "../c%20d/e"),
            ("/a/b", "/a/b", "."),
            ("/a/b", "/x", "../../x"),
        ] {
            assert_eq!(spelled(&relative(Path::new(from), Path::new(to))), way);
        }
    }

    #[test]
    fn the_page_tells_all_and_leads_to_the_reports_that_are_there() {
        let folder = std::env::temp_dir().join(format!("synod-merged-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("m0/r7")).unwrap();
        std::fs::write(folder.join("m0/r7/report.html"), "a page").unwrap();
        let run = |seed: u64, verdict| MadeRun {
            seed,
            verdict,
            reason: "a <b> read".to_owned(),
            rests_on: "9 ok".to_owned(),
            folder: format!("r{seed}"),
            began_unix_ms: 0,
            system: "fake".to_owned(),
            nemesis: "calm".to_owned(),
        };
        let place = folder.join("m0/shard-0-of-1.json").display().to_string();
        let of = |run| MergedRun { place: place.clone(), run };
        let merged = Merged {
            code: 1,
            reasons: vec!["seed 7: VIOLATION: a <b> read".to_owned(); 300],
            rests_on: "1 of 1 shards".to_owned(),
            parts: vec![["shard 0 of 1".to_owned(), place.clone(), "1 VIOLATION".to_owned()]],
            runs: vec![of(run(7, Verdict::Violation)), of(run(8, Verdict::Pass))],
            seeds: None,
            is_whole: true,
        };
        let page = folder.join("merged.html");
        write_merged(&page, &merged).unwrap();
        let text = std::fs::read_to_string(&page).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(text.contains("<h1>VIOLATION</h1>") && text.contains("a &lt;b&gt; read"), "{text}");
        assert!(text.contains("href=\"m0/r7/report.html\"") && text.contains("and 100 more"));
        assert!(!text.contains("m0/r8/report.html"), "there is no report of it");
        assert!(!text.contains("<script") && !text.contains("://"), "it needs nothing else");
        let told = merged_markdown(&merged);
        assert!(told.starts_with("## VIOLATION: merged\n") && told.contains("290 more"), "{told}");
    }
}
