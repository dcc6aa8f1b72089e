//! The rule that the written interface of a crate is the one that it has.

use super::{Finding, Tree};
use crate::api::interfaces;

/// Checks all crates of a release.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let stale = interfaces(tree).into_iter().filter_map(|interface| {
        let written = tree.text(&interface.path).unwrap_or_default();
        (written != interface.text).then(|| {
            let same = written.lines().zip(interface.text.lines()).take_while(|(a, b)| a == b);
            let what = "it is not the interface that the sources have: `cargo xtask api` writes it";
            Finding::new(&interface.path, same.count() + 1, what)
        })
    });
    stale.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_changed_is_found_at_its_line() {
        let (manifest, lib) = (("a/Cargo.toml", ""), ("a/src/lib.rs", "pub fn f() {}\n"));
        let good = interfaces(&Tree::of(&[manifest, lib])).remove(0).text;
        assert!(check(&Tree::of(&[manifest, lib, ("a/api.txt", &good)])).is_empty());
        let changed = good.replace("fn f", "fn g");
        let found = check(&Tree::of(&[manifest, lib, ("a/api.txt", &changed)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("a/api.txt:4: it is not the interface"));
        assert_eq!(check(&Tree::of(&[manifest, lib])).len(), 1, "a crate without one");
    }
}
