//! The verb `api`: the public interface of each crate of a release, in a file beside its manifest.
//!
//! The files are read with a change, so that nobody widens an interface by accident; tidy fails
//! while one of them is not what the sources say. Reading sources needs no build and no nightly
//! compiler; `item` and `listing` say what that can tell and what it cannot.

mod item;
mod listing;

use std::fs;

use crate::outcome::{Failure, Outcome};
use crate::release::KEPT;
use crate::said::say;
use crate::tidy::Tree;
use crate::workspace::root;

/// Writes all files anew.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let tree = Tree::read()?;
    for Interface { path, text } in interfaces(&tree) {
        if tree.text(&path) == Some(&text) {
            continue;
        }
        let file = root().join(&path);
        fs::write(&file, text).map_err(|error| Failure::io("write", &file, &error))?;
        say!("api: {path} is written anew");
    }
    Ok(())
}

/// The public interface of a crate, and the file that holds it.
pub(crate) struct Interface {
    /// The path of the file, from the root.
    pub(crate) path: String,
    /// What it must say.
    pub(crate) text: String,
}

/// Reads the interfaces of all libraries that a release publishes.
pub(crate) fn interfaces(tree: &Tree) -> Vec<Interface> {
    let libraries = tree.paths().filter_map(|path| path.strip_suffix("/src/lib.rs"));
    let published = libraries.filter(|folder| {
        let manifest = tree.text(&format!("{folder}/Cargo.toml")).unwrap_or_default();
        let kept = |name: &&str| manifest.contains(&format!("\nname = \"{name}\"\n"));
        !KEPT.iter().any(kept)
    });
    let interface = |folder: &str| {
        let source = format!("{folder}/src/");
        let files = tree.paths().filter_map(|path| {
            let below = path.strip_prefix(&source)?.strip_suffix(".rs")?;
            (below != "main" && !below.starts_with("bin/")).then_some(path)
        });
        let files = files.filter_map(|path| Some((&path[source.len()..], tree.text(path)?)));
        let text = listing::listing(files);
        Interface { path: format!("{folder}/api.txt"), text }
    };
    published.map(interface).collect()
}
