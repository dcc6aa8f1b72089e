//! The rule that no document points at what is gone.
//!
//! Checked are relative links of every document, with the heading that they name; and in the
//! documents at the root file names in backticks, and a name in backticks right behind a Rust file,
//! which that file must define.

use std::collections::BTreeMap;

use super::{File, Finding, Tree};

/// Checks all documents.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.files.iter().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|file| check_document(tree, file)).collect()
}

fn check_document(tree: &Tree, document: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for (at, line) in document.text.lines().enumerate() {
        // Within a fence, brackets are code.
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let mut dead = dead_links(tree, document, line);
            if document.folder().is_empty() {
                dead.extend(dead_names(tree, line));
            }
            let dead = dead.into_iter();
            findings.extend(dead.map(|what| Finding::new(&document.path, at + 1, what)));
        }
    }
    findings
}

/// Finds `](path)` that leads nowhere, and `](path#heading)` to a heading that is not there.
fn dead_links(tree: &Tree, document: &File, line: &str) -> Vec<String> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let relative = targets
        .filter(|target| !target.contains("://") && !target.starts_with(['<', '"']))
        .filter(|target| !target.starts_with("mailto:") && !target.contains('`'));
    let dead = |target: &str| {
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let path = match path {
            "" => document.path.clone(),
            path => joined(document.folder(), path),
        };
        if !tree.has(&path) && !tree.has_folder(&path) {
            return Some(format!("the link to `{target}` leads nowhere"));
        }
        let named = tree.get(&path).filter(|file| file.path.ends_with(".md"));
        let missing = named
            .is_some_and(|file| !heading.is_empty() && !anchors(&file.text).contains_key(heading));
        missing.then(|| format!("`{path}` has no heading `#{heading}`"))
    };
    relative.filter_map(dead).collect()
}

/// Gives the path from the root that a path from a folder means.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => parts.push(".."),
            ".." => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Gives the anchors of a document: its headings in small letters, joined by hyphens; a repeated
/// one is numbered.
fn anchors(text: &str) -> BTreeMap<String, u32> {
    let mut anchors = BTreeMap::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#').strip_prefix(' ');
        let Some(heading) = heading.filter(|_| line.starts_with('#') && !fenced) else { continue };
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let name: String = heading.trim().to_lowercase().chars().filter(kept).collect();
        let name = name.replace(' ', "-");
        let before: u32 = anchors.get(&name).copied().unwrap_or_default();
        anchors.insert(name.clone(), before + 1);
        if before > 0 {
            anchors.insert(format!("{name}-{before}"), 1);
        }
    }
    anchors
}

/// Finds file names in backticks that no file has, and names that their file does not define.
fn dead_names(tree: &Tree, line: &str) -> Vec<String> {
    let parts: Vec<&str> = line.split('`').collect();
    let mut dead = Vec::new();
    for at in (1..parts.len()).step_by(2) {
        let name = parts[at];
        if !is_file_name(name) {
            continue;
        }
        let named = tree.ending_with(name);
        if named.is_empty() {
            dead.push(format!("there is no file `{name}`"));
            continue;
        }
        let next = parts.get(at + 2).filter(|_| is_joint(parts[at + 1]) && name.ends_with(".rs"));
        if let Some(item) = next.and_then(|next| item_name(next))
            && !named.iter().any(|file| defines(file, item))
        {
            dead.push(format!("`{name}` defines no `{item}`"));
        }
    }
    dead
}

fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    name.chars().all(plain) && CHECKED_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Says whether what stands between two names makes them one reference: nothing but a space,
/// or the end of a link and a space.
fn is_joint(between: &str) -> bool {
    let rest = match between.strip_prefix("](") {
        Some(link) => link.split_once(')').map_or("", |(_, rest)| rest),
        None => between,
    };
    rest == " "
}

/// Gives the last segment of a name such as `Replica::step`; `None` for other text.
fn item_name(text: &str) -> Option<&str> {
    let path = text.strip_suffix("()").unwrap_or(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let named = !path.is_empty() && path.chars().all(plain);
    named.then(|| path.rsplit("::").next()).flatten()
}

fn defines(file: &File, item: &str) -> bool {
    file.text.lines().any(|line| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.by_ref().any(|word| DEFINING.contains(&word)) && words.next() == Some(item)
            || is_variant(line, item)
    })
}

/// A variant or a field stands first in its line.
fn is_variant(line: &str, item: &str) -> bool {
    let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    line.strip_prefix(item).is_some_and(|rest| rest.starts_with([',', ' ', '(', ':', '{']))
}

impl Tree {
    fn has(&self, path: &str) -> bool {
        self.paths.iter().any(|known| known == path)
    }

    fn has_folder(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        self.paths.iter().any(|known| known.starts_with(&inside))
    }

    fn ending_with(&self, name: &str) -> Vec<&File> {
        let tail = format!("/{name}");
        let same = |file: &&File| file.path == name || file.path.ends_with(&tail);
        self.files.iter().filter(same).collect()
    }
}

const CHECKED_ENDINGS: &[&str] = &[".rs", ".tla", ".md", ".yml"];

const DEFINING: &[&str] =
    &["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "macro_rules"];

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let core = "//! A.\npub fn step() {}\npub enum Input {\n    Synced(u64),\n}\n";
        let files = [("README.md", text), ("smr/src/replica.rs", core), ("smr/spec/Smr.tla", "")];
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn live_references_are_in_order() {
        let text = "[a](smr/src/replica.rs#L3) [b](smr/) [c](https://x.example) [d](#top)\n# Top\n\
            `replica.rs` `step`, `Smr.tla`, [`replica.rs`](smr/src/replica.rs) `Input::Synced`\n\
            `report.json` and `cargo xtask` are no sources\n```\n`gone.rs`\n```\n";
        assert_eq!(findings(text), [""; 0]);
    }

    #[test]
    fn links_are_read_from_the_document_and_with_their_heading() {
        let page = "# One\n## What is `it`, then?\n## One\n[a](../README.md#top) [b](#one-1)\n\
            [c](page.md#what-is-it-then) [d](../README.md) [e](../gone/) [f](#two) `gone.rs`\n";
        let tree = Tree::of(&[("docs/page.md", page), ("README.md", "# Top\n[x](docs)\n")]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/page.md:5: the link to `../gone/` leads nowhere",
                "docs/page.md:5: `docs/page.md` has no heading `#two`",
            ]
        );
    }

    #[test]
    fn dead_references_are_named() {
        assert_eq!(
            findings("[a](smr/gone.md)"),
            ["README.md:1: the link to `smr/gone.md` leads nowhere"]
        );
        assert_eq!(findings("see `gone.rs`"), ["README.md:1: there is no file `gone.rs`"]);
        assert_eq!(
            findings("`replica.rs` `stride`"),
            ["README.md:1: `replica.rs` defines no `stride`"]
        );
        assert_eq!(findings("`replica.rs` and `stride`"), [""; 0]);
    }

    #[test]
    fn a_link_out_of_the_repository_and_one_to_a_heading_in_code_are_dead() {
        let page = "[a](../../README.md) [b](#one) [c](../README.md)\n```\n# One\n```\n";
        let tree = Tree::of(&[("docs/page.md", page), ("README.md", "# Top\n")]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/page.md:1: the link to `../../README.md` leads nowhere",
                "docs/page.md:1: `docs/page.md` has no heading `#one`",
            ]
        );
    }
}
