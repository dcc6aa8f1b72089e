//! The public interface of a crate as text, from its sources.
//!
//! First what the crate hands on from its root and from its public modules, then each public item
//! with what is public of it, in the order of the alphabet: an item that moves from one private
//! module to another changes nothing. Public is what says `pub`: the lint `unreachable_pub` refuses
//! the word where nobody outside of the crate can get at it. What macros add is not told.

use std::collections::{BTreeMap, BTreeSet};

use super::item::{Item, items};
use crate::tidy::Source;

/// Reads the files of a crate, each with its path below `src`, and tells what is public.
pub(crate) fn listing<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut modules: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for (path, text) in files {
        let source = Source::parse(text);
        let lines: Vec<&str> = source.shipped().iter().map(|line| line.code.as_str()).collect();
        modules.insert(module_of(path), items(&lines.join("\n"), false));
    }
    let mut interface = Interface::default();
    for (module, items) in &modules {
        let place = if is_reached(module, &modules) { module.as_str() } else { "" };
        interface.take_module(module, place, items);
    }
    interface.written()
}

/// Gives the path of the module that a file is; that of the root is empty.
fn module_of(path: &str) -> String {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    if path == "lib" { String::new() } else { path.replace('/', "::") }
}

/// Tells whether a module is public, and all that it is in.
fn is_reached(module: &str, modules: &BTreeMap<String, Vec<Item>>) -> bool {
    if module.is_empty() {
        return true;
    }
    let (outer, name) = module.rsplit_once("::").unwrap_or(("", module));
    let declares = format!("pub mod {name}");
    let declared =
        modules.get(outer).is_some_and(|items| items.iter().any(|it| it.head == declares));
    declared && is_reached(outer, modules)
}

#[derive(Default)]
struct Interface {
    exports: BTreeSet<String>,
    /// What each item is, by its name, its kind and its public module.
    items: BTreeMap<(String, &'static str, String), Entry>,
    /// What is implemented for which type: asked for once all types are known.
    implementations: Vec<Item>,
}

/// An item: its head, its parts in the order in which they are written, and its functions.
#[derive(Default)]
struct Entry {
    head: Vec<String>,
    parts: Vec<String>,
    functions: BTreeSet<String>,
}

impl Interface {
    /// Takes the items of a module, which are found in this public place.
    fn take_module(&mut self, module: &str, place: &str, items: &[Item]) {
        let from = if place.is_empty() { String::new() } else { format!("in {place}: ") };
        for item in items.iter().filter(|item| !item.for_tests) {
            let head = item.head.as_str();
            if head.starts_with("impl") {
                self.implementations.push(item.clone());
            } else if let Some(used) = head.strip_prefix("pub use ") {
                // What a private module hands on is named again where it comes out.
                let named = names(used).filter(|_| module == place);
                self.exports.extend(named.map(|name| format!("{from}pub use {name}")));
            } else if head.starts_with("pub mod ") {
                self.exports.insert(format!("{from}{head}"));
            } else if head.starts_with("pub ") {
                self.take_item(place, item);
            }
        }
    }

    fn take_item(&mut self, place: &str, item: &Item) {
        let head = item.head.as_str();
        let is_value = head.starts_with("pub const ") || head.starts_with("pub static ");
        let is_function = name_of(head).is_some_and(|(kind, _)| kind == "fn");
        let shown = if is_value && !is_function { before_value(head) } else { head };
        let Some((kind, name)) = name_of(head) else { return };
        let entry = self.items.entry((name, kind, place.to_owned())).or_default();
        entry.head = if place.is_empty() { Vec::new() } else { vec![format!("in {place}:")] };
        entry.head.extend(item.attributes.iter().map(|attribute| format!("#[{attribute}]")));
        entry.head.push(without_private(shown));
        let body = item.body.as_deref().unwrap_or_default();
        entry.parts = match kind {
            "struct" => fields(body, "pub "),
            "enum" => items(body, true).iter().map(variant).collect(),
            "trait" => items(body, false).iter().map(provided).collect(),
            _ => Vec::new(),
        };
    }

    fn written(mut self) -> String {
        for item in std::mem::take(&mut self.implementations) {
            self.implement(&item);
        }
        let mut text = String::from(OPENING);
        for line in &self.exports {
            text.push_str(&format!("{line}\n"));
        }
        for entry in self.items.values() {
            let head: String = entry.head.iter().map(|line| format!("{line}\n")).collect();
            text.push_str(&format!("\n{head}"));
            for line in entry.parts.iter().chain(&entry.functions) {
                text.push_str(&format!("    {line}\n"));
            }
        }
        text
    }

    /// Notes what is implemented for a public type.
    fn implement(&mut self, item: &Item) {
        let head = item.head.as_str();
        let (for_trait, subject) = match head.split_once(" for ") {
            Some((_, subject)) => (true, subject),
            None => (false, after_generics(head.trim_start_matches("impl")).trim()),
        };
        let name: String =
            subject.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let kinds = ["struct", "enum", "trait", "type"];
        let mut entries = self.items.iter_mut();
        let found = entries.find(|((of, kind, _), _)| *of == name && kinds.contains(kind));
        let Some((_, entry)) = found else { return };
        if for_trait {
            entry.functions.insert(head.to_owned());
            return;
        }
        let body = items(item.body.as_deref().unwrap_or_default(), false);
        let public = body.iter().filter(|it| !it.for_tests && it.head.starts_with("pub "));
        let public = public.filter(|it| !it.head.starts_with("pub("));
        let plain = after_generics(head.trim_start_matches("impl")).trim() == name;
        for function in public {
            let is_value = name_of(&function.head).is_some_and(|(kind, _)| kind != "fn");
            let line = if is_value { before_value(&function.head) } else { &function.head };
            // Some functions are there for some arguments of the type alone.
            let of = if plain { String::new() } else { format!("{head}: ") };
            entry.functions.insert(format!("{of}{line}"));
        }
    }
}

/// Gives each name that an import names, with its path.
fn names(used: &str) -> impl Iterator<Item = String> {
    let (path, inner) = used.split_once('{').unwrap_or(("", used));
    let inner = inner.trim_end_matches('}').trim().trim_end_matches(',');
    let names: Vec<String> =
        inner.split(',').map(|name| format!("{path}{}", name.trim())).collect();
    names.into_iter()
}

/// Gives the kind and the name of an item that says `pub`.
fn name_of(head: &str) -> Option<(&'static str, String)> {
    let mut words = head.strip_prefix("pub ")?.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let kind = match word {
            // What stands before `fn` and is no item of its own.
            "const" if matches!(words.peek(), Some(&("fn" | "async"))) => continue,
            "async" => continue,
            "const" | "static" => "const",
            "fn" => "fn",
            "struct" => "struct",
            "enum" => "enum",
            "trait" => "trait",
            "type" => "type",
            _ => return None,
        };
        let name = words.next()?;
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        return Some((kind, name[..end].to_owned()));
    }
    None
}

/// Leaves out what a constant is worth.
fn before_value(head: &str) -> &str {
    head.split_once(" =").map_or(head, |(declared, _)| declared)
}

/// Leaves out the private parts of a tuple.
fn without_private(head: &str) -> String {
    let Some((name, rest)) = head.split_once('(') else { return head.to_owned() };
    if !name.starts_with("pub struct ") {
        return head.to_owned();
    }
    let (inner, after) = rest.rsplit_once(')').unwrap_or((rest, ""));
    let parts = items(inner, true);
    let told = |part: &Item| if is_public(&part.head) { part.head.clone() } else { "_".to_owned() };
    let parts: Vec<String> = parts.iter().map(told).collect();
    format!("{name}({}){after}", parts.join(", "))
}

fn is_public(head: &str) -> bool {
    head.starts_with("pub ")
}

/// Gives the public fields of a body, and says whether there are others.
fn fields(body: &str, public: &str) -> Vec<String> {
    let all = items(body, true);
    let mut told: Vec<String> = Vec::new();
    for field in all.iter().filter(|field| field.head.starts_with(public)) {
        told.push(field.head.clone());
    }
    if told.len() < all.len() {
        told.push("_".to_owned());
    }
    told
}

fn variant(item: &Item) -> String {
    let default = item.head.split_once(" =").map_or(item.head.as_str(), |(name, _)| name);
    match item.body.as_deref() {
        Some(body) => format!("{default} {{ {} }}", fields(body, "").join(", ")),
        None => default.to_owned(),
    }
}

/// Tells of a function of a trait whether it must be written.
fn provided(item: &Item) -> String {
    let head = &item.head;
    if item.body.is_some() { format!("{head} {{ .. }}") } else { head.clone() }
}

/// Leaves out the parameters of an `impl`, which may hold others.
fn after_generics(text: &str) -> &str {
    let text = text.trim_start();
    if !text.starts_with('<') {
        return text;
    }
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' && before != '=' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[at + 1..];
        }
        before = c;
    }
    text
}

/// What every listing begins with.
const OPENING: &str = "\
# The public interface of this crate, as its sources say; `cargo xtask api` writes it. A change here
# is a change for whoever uses the crate, and is read with the change that makes it.
";

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "mod a;\npub mod b;\npub use a::{One, Two};\npub use a::f;\n";

    const PRIVATE_MODULE: &str = "
/// One.
#[derive(Clone, Debug)]
pub struct One<T> {
    /// A.
    pub a: u8,
    b: T,
}

impl<T: Into<u8>> One<T> {
    /// Makes.
    pub const fn new(
        a: u8,
    ) -> Self {
        x()
    }

    pub(crate) fn inner(&self) {}

    fn own(&self) {}
}

impl<T> fmt::Display for One<T> {
    fn fmt(&self) {}
}

pub use own::Own;

pub fn f(x: &dyn Fn(u8) -> u8) -> bool {
    true
}

struct Own;

impl Own {
    fn f(&self) {}
}
";

    const PUBLIC_MODULE: &str = "
/// Two.
#[non_exhaustive]
pub enum Two {
    /// A.
    A,
    B(u8),
    C { d: u8, e: [u8; 2] },
}

impl Two {
    pub const MANY: u8 = 3;
}

pub trait Three {
    type X;
    fn must(&self) -> u8;
    fn may(&self) {
        y();
    }
}

pub struct Four(pub u8, u16);

#[cfg(test)]
mod tests {
    pub fn not_this() {}
}
";

    const TOLD: &str = "pub mod b
pub use a::One
pub use a::Two
pub use a::f

in b:
pub struct Four(pub u8, _)

#[derive(Clone, Debug)]
pub struct One<T>
    pub a: u8
    _
    impl<T: Into<u8>> One<T>: pub const fn new(a: u8) -> Self
    impl<T> fmt::Display for One<T>

in b:
pub trait Three
    type X
    fn must(&self) -> u8
    fn may(&self) { .. }

in b:
#[non_exhaustive]
pub enum Two
    A
    B(u8)
    C { d: u8, e: [u8; 2] }
    pub const MANY: u8

pub fn f(x: &dyn Fn(u8) -> u8) -> bool
";

    #[test]
    fn an_interface_is_what_says_pub() {
        let files = [("lib.rs", LIB), ("a.rs", PRIVATE_MODULE), ("b.rs", PUBLIC_MODULE)];
        let told = listing(files.into_iter());
        assert_eq!(told.strip_prefix(OPENING), Some(TOLD));
    }

    #[test]
    fn an_item_that_moves_changes_nothing_unless_its_path_does() {
        let (one, two) = ("pub struct A;\n\nimpl A {\n    pub fn f() {}\n}\n", "pub fn g() {}\n");
        let there = [("lib.rs", "pub mod c;\n"), ("a.rs", one), ("b.rs", two)];
        let here = [("lib.rs", "pub mod c;\n"), ("a.rs", two), ("b.rs", one)];
        let elsewhere = [("lib.rs", "pub mod c;\n"), ("a.rs", two), ("c.rs", one)];
        assert_eq!(listing(there.into_iter()), listing(here.into_iter()));
        assert_ne!(listing(there.into_iter()), listing(elsewhere.into_iter()));
    }
}
