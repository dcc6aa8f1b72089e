//! The verb `book`: builds the book, and checks every link of what came out.
//!
//! What the pages say is held by others: tidy checks the links of their texts, and the tests of
//! `synod-book` run each command and program in them. The claim kept here: a reader of the built
//! book meets no link that leads nowhere, in the book or out of it into the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::tools::MDBOOK;
use crate::workspace::{root, target_dir};

/// Builds and checks, and says where the first page is.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let built = target_dir().join("book").join("html");
    MDBOOK
        .ready()?
        .arg("build")
        .arg(root().join("docs/book"))
        .arg("--dest-dir")
        .arg(&built)
        .run()?;
    let mut pages = BTreeMap::new();
    for path in pages_in(&built)? {
        let text = fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
        let text = link_sources(&text, &root());
        fs::write(&path, &text).map_err(|error| Failure::io("write", &path, &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        pages.insert(name, text);
    }
    let in_book = |name: &str| built.join(name).is_file();
    let in_tree = |path: &str| root().join(path).exists();
    let dead = dead_links(&pages, in_book, in_tree);
    if !dead.is_empty() {
        let count = dead.len();
        return Err(Failure::Found(format!("{}\nbook: {count} dead links", dead.join("\n"))));
    }
    let first = built.join("index.html");
    say!("book: {} pages, every link leads somewhere: {}", pages.len(), first.display());
    Ok(())
}

fn pages_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| Failure::io("read", folder, &error))?;
    // The page for what is not found is for a server, and links to its root.
    let is_page = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "html") && !path.ends_with("404.html")
    };
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_page).collect())
}

/// Mends the links that leave the book: the builder calls each document a page, and knows the
/// sources from its pages' folder alone.
fn link_sources(page: &str, root: &Path) -> String {
    let mut text = String::with_capacity(page.len());
    let mut parts = page.split(OUT);
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        text.push_str(OUT);
        let (link, rest) = part.split_once('"').unwrap_or((part, ""));
        let (path, heading) = link.split_once('#').unwrap_or((link, ""));
        let document = path.strip_suffix(".html").map(|path| format!("{path}.md"));
        match document.filter(|document| root.join(document).is_file()) {
            Some(document) if heading.is_empty() => text.push_str(&document),
            Some(document) => text.push_str(&format!("{document}#{heading}")),
            None => text.push_str(link),
        }
        text.push('"');
        text.push_str(rest);
    }
    text
}

/// Finds the links that lead nowhere, each with its page.
fn dead_links(
    pages: &BTreeMap<String, String>,
    in_book: impl Fn(&str) -> bool,
    in_tree: impl Fn(&str) -> bool,
) -> Vec<String> {
    let ids: BTreeMap<&str, BTreeSet<&str>> = pages
        .iter()
        .map(|(name, text)| (name.as_str(), values(text, " id=\"").collect()))
        .collect();
    let mut dead = Vec::new();
    for (page, text) in pages {
        for link in values(text, " href=\"").chain(values(text, " src=\"")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let name = if path.is_empty() { page.as_str() } else { path };
            let lives = match path.strip_prefix("../../../") {
                _ if link.contains("://") || link.starts_with("mailto:") => true,
                Some(source) => in_tree(source),
                None => in_book(name),
            };
            let named = ids.get(name).is_none_or(|ids| heading.is_empty() || ids.contains(heading));
            if !lives || !named {
                dead.push(format!("{page}: the link to `{link}` leads nowhere"));
            }
        }
    }
    dead
}

/// Gives what stands behind each `start`, up to the next quote.
fn values<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split('"').next())
}

/// How a link out of the book begins.
const OUT: &str = "href=\"../../../";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_documents_outside_lead_to_the_documents() {
        let page =
            "<a href=\"../../../README.html#more\">x</a> <a href=\"../../../smr/a.rs\">y</a>";
        let mended = link_sources(page, &root());
        assert!(mended.contains("href=\"../../../README.md#more\""), "{mended}");
        assert!(mended.contains("href=\"../../../smr/a.rs\">y</a>"), "{mended}");
    }

    #[test]
    fn a_dead_link_is_named_with_its_page() {
        let a = "<h1 id=\"top\"></h1><a href=\"b.html#one\"></a> <a href=\"#top\"></a>\
            <a href=\"b.html#two\"></a> <a href=\"https://x.example\"></a> <img src=\"c.svg\">";
        let b = "<h1 id=\"one\"></h1> <a href=\"../../../gone.rs\"></a>";
        let pages = [("a.html", a), ("b.html", b)].map(|(n, t)| (n.to_owned(), t.to_owned()));
        let dead = dead_links(&pages.into(), |name| name != "c.svg", |_| false);
        let named = ["a.html: the link to `b.html#two` leads nowhere"];
        let named = named.into_iter().chain(["a.html: the link to `c.svg` leads nowhere"]);
        let named = named.chain(["b.html: the link to `../../../gone.rs` leads nowhere"]);
        assert_eq!(dead, named.collect::<Vec<_>>());
    }
}
