//! The rooms of a crate, which are the modules right below its root, and the arrows between them.
//!
//! An arrow is a path that begins with `crate` or `super` and leads into another room. A name that
//! the root re-exports counts as the room that it comes from. It reads code without its comments.

use std::collections::{BTreeMap, BTreeSet};

/// Which room names which.
pub(super) struct Map {
    arrows: BTreeMap<String, BTreeSet<String>>,
}

impl Map {
    /// Reads the files of a crate: their paths from the crate's folder, and their code.
    pub(super) fn of(files: &[(String, String)]) -> Self {
        let modules: Vec<(Vec<String>, &str)> =
            files.iter().filter_map(|(path, code)| Some((module(path)?, code.as_str()))).collect();
        let rooms: BTreeSet<String> =
            modules.iter().filter_map(|(module, _)| module.first().cloned()).collect();
        let exported = exports(&modules, &rooms);
        let mut arrows: BTreeMap<String, BTreeSet<String>> =
            rooms.iter().map(|room| (room.clone(), BTreeSet::new())).collect();
        for (module, code) in &modules {
            let Some(room) = module.first() else { continue };
            let named = paths(code).into_iter().filter_map(|path| resolve(module, &path));
            let led = named.filter_map(|name| match rooms.contains(&name) {
                true => Some(name),
                false => exported.get(&name).cloned(),
            });
            let others = led.filter(|name| name != room);
            arrows.entry(room.clone()).or_default().extend(others);
        }
        Self { arrows }
    }

    /// How many rooms there are.
    pub(super) fn rooms(&self) -> usize {
        self.arrows.len()
    }

    /// How many arrows there are.
    pub(super) fn arrows(&self) -> usize {
        self.arrows.values().map(BTreeSet::len).sum()
    }

    /// How many sets of at least two rooms reach one another.
    pub(super) fn circles(&self) -> usize {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.arrows.keys().map(|room| (room.as_str(), self.reached(room))).collect();
        let circle = |room: &String| {
            let back = |other: &&str| reach[other].contains(room.as_str());
            reach[room.as_str()].iter().copied().filter(back).collect::<BTreeSet<&str>>()
        };
        let circles: BTreeSet<BTreeSet<&str>> = self.arrows.keys().map(circle).collect();
        circles.iter().filter(|circle| circle.len() > 1).count()
    }

    fn reached<'a>(&'a self, room: &'a str) -> BTreeSet<&'a str> {
        let (mut reached, mut left) = (BTreeSet::new(), vec![room]);
        while let Some(room) = left.pop() {
            let next = self.arrows.get(room).into_iter().flatten().map(String::as_str);
            left.extend(next.filter(|next| reached.insert(*next)));
        }
        reached
    }
}

/// Gives the path of a module; the root has the empty one. `None` is for a second binary.
fn module(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut names: Vec<String> = path.split('/').map(String::from).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    match names.first().map(String::as_str) {
        Some("bin") => None,
        Some("lib" | "main") if names.len() == 1 => Some(Vec::new()),
        Some(_) | None => Some(names),
    }
}

/// Gives the names that the root re-exports, each with its room.
fn exports(modules: &[(Vec<String>, &str)], rooms: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut exported = BTreeMap::new();
    for (_, code) in modules.iter().filter(|(module, _)| module.is_empty()) {
        for path in code.split("pub use ").skip(1).flat_map(expand) {
            let first = path.iter().find(|name| *name != "crate" && *name != "self");
            if let (Some(first), Some(last)) = (first, path.last())
                && rooms.contains(first)
            {
                exported.insert(last.clone(), first.clone());
            }
        }
    }
    exported
}

/// Gives the first name behind the crate's root that a path leads to.
fn resolve(module: &[String], path: &[String]) -> Option<String> {
    let mut here: Vec<&String> = match path.first()?.as_str() {
        "crate" => Vec::new(),
        _ => module.iter().collect(),
    };
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => {
                here.pop();
            }
            _ => here.push(name),
        }
    }
    here.first().map(|name| (*name).clone())
}

/// Finds the paths that begin with `crate` or `super`, groups in braces taken apart.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':') {
                found.extend(expand(&code[at..]));
            }
        }
    }
    found
}

/// Reads the path that a text begins with; a group in braces gives several.
fn expand(text: &str) -> Vec<Vec<String>> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let rest = &text[name.len()..];
    if name.is_empty() {
        return match text.strip_prefix('{') {
            Some(inside) => members(inside).into_iter().flat_map(expand).collect(),
            None => vec![Vec::new()],
        };
    }
    let tails = rest.strip_prefix("::").map_or_else(|| vec![Vec::new()], expand);
    let with_name = |tail: Vec<String>| [name.clone()].into_iter().chain(tail).collect();
    tails.into_iter().map(with_name).collect()
}

/// Splits what is in a group at the commas of its own level.
fn members(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                found.push(text[start..at].trim());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found.retain(|member| !member.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(files: &[(&str, &str)]) -> Map {
        let own = |(path, code): &(&str, &str)| ((*path).to_owned(), (*code).to_owned());
        Map::of(&files.iter().map(own).collect::<Vec<_>>())
    }

    #[test]
    fn groups_are_taken_apart() {
        let found = expand("crate::{a::{B, self}, c::D};");
        assert_eq!(
            found,
            [vec!["crate", "a", "B"], vec!["crate", "a", "self"], vec!["crate", "c", "D"]]
        );
    }

    #[test]
    fn arrows_lead_from_room_to_room() {
        let root = ("src/lib.rs", "mod a;\nmod b;\nmod c;\npub use b::{deep::Thing, Other};");
        let found = map(&[
            root,
            ("src/a/mod.rs", "use crate::Thing;"),
            ("src/a/x.rs", "use super::y; use super::super::c;"),
            ("src/a/y.rs", ""),
            ("src/b.rs", "fn f() { crate::c::g() }"),
            ("src/c.rs", "use crate::d;"),
        ]);
        assert_eq!((found.rooms(), found.arrows(), found.circles()), (3, 3, 0));
    }

    #[test]
    fn a_circle_is_counted_once() {
        let (a, b, c) = ("use crate::b;", "use crate::c;", "use super::a; use crate::d;");
        let found = map(&[("src/a.rs", a), ("src/b.rs", b), ("src/c.rs", c), ("src/d.rs", "")]);
        assert_eq!((found.rooms(), found.arrows(), found.circles()), (4, 4, 1));
    }
}
