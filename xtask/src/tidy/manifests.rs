//! The rules for the manifests of crates: one lint table, one version of each dependency.

use std::collections::BTreeSet;

use super::{File, Finding, Tree};

/// Checks one file, when it is the manifest of a crate.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    if file.name() != "Cargo.toml" || file.path == "Cargo.toml" {
        return Vec::new();
    }
    let Ok(manifest) = file.text.parse::<toml::Table>() else {
        return vec![Finding::new(&file.path, 0, "it is not TOML")];
    };
    let mut findings = Vec::new();
    let inherits = |table: &toml::Value| table.get("workspace") == Some(&true.into());
    if !manifest.get("lints").is_some_and(inherits) && file.path != UNSAFE_MANIFEST {
        let what = "it lacks `[lints] workspace = true`: the lint table of the root binds all";
        findings.push(Finding::new(&file.path, 0, what));
    }
    for (name, dependency) in dependencies(&manifest) {
        if !inherits(dependency) {
            let what = format!("`{name}` wants `workspace = true`: versions are in the root");
            findings.push(Finding::new(&file.path, 0, what));
        }
    }
    findings
}

fn dependencies(manifest: &toml::Table) -> Vec<(&String, &toml::Value)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(toml::Table::values).filter_map(|t| t.as_table());
    let tables = targets.chain([manifest]);
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    tables
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flat_map(toml::Table::iter)
        .collect()
}

/// Checks that the one crate with lints of its own has those of the root, but for unsafe code: that
/// is denied there, where `preload` allows it for itself, and forbidden everywhere else.
pub(crate) fn check_lints(tree: &Tree) -> Vec<Finding> {
    let table = |path: &str| tree.text(path)?.parse::<toml::Table>().ok();
    let (Some(root), Some(own)) = (table("Cargo.toml"), table(UNSAFE_MANIFEST)) else {
        return Vec::new();
    };
    let lints = |value: Option<&toml::Value>| value.and_then(toml::Value::as_table).cloned();
    let root = lints(root.get("workspace").and_then(|all| all.get("lints"))).unwrap_or_default();
    let own = lints(own.get("lints")).unwrap_or_default();
    let mut findings = Vec::new();
    for (kind, wanted) in &root {
        let wanted = lints(Some(wanted)).unwrap_or_default();
        let found = lints(own.get(kind)).unwrap_or_default();
        let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
        for name in names {
            let expected = match name.as_str() {
                "unsafe_code" => Some(toml::Value::from("deny")),
                // Each crate has names of its own in it.
                "unexpected_cfgs" => found.get(name).cloned(),
                name => wanted.get(name).cloned(),
            };
            if found.get(name) != expected.as_ref() {
                let what = format!("the lint `{name}` is not that of the root");
                findings.push(Finding::new(UNSAFE_MANIFEST, 0, what));
            }
        }
    }
    findings
}

/// The manifest of the crate that holds all unsafe code: a library that stands between a program
/// and its C library cannot be written without.
const UNSAFE_MANIFEST: &str = "harness/shim/Cargo.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lints_of_the_one_crate_with_its_own_are_those_of_the_root() {
        let root = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\nmissing_docs = \"warn\"\n";
        let own = "[lints.rust]\nunsafe_code = \"deny\"\nmissing_docs = \"warn\"\n";
        let found = |own: &str| {
            let tree = Tree::of(&[("Cargo.toml", root), (UNSAFE_MANIFEST, own)]);
            check_lints(&tree).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found(own), [""; 0]);
        assert!(check(&File::of(UNSAFE_MANIFEST, own)).is_empty());
        assert_eq!(found(&own.replace("deny", "allow")).len(), 1);
        assert_eq!(found(&own.replace("missing_docs = \"warn\"", "")).len(), 1);
        assert!(found(&format!("{own}todo = \"allow\"\n"))[0].contains("the lint `todo`"));
    }

    fn findings(text: &str) -> Vec<String> {
        check(&File::of("a/Cargo.toml", text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lints_and_versions_come_from_the_root() {
        let good = "[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n";
        assert_eq!(findings(good), [""; 0]);
        assert!(findings("[package]\nname = \"a\"\n")[0].contains("lacks `[lints]"));
        let loose = format!("{good}[target.\"cfg(synod_loom)\".dependencies]\nloom = \"1\"\n");
        assert!(findings(&loose)[0].contains("`loom` wants `workspace = true`"));
        assert_eq!(findings("not toml")[0], "a/Cargo.toml: it is not TOML");
    }

    #[test]
    fn every_kind_of_dependency_comes_from_the_root() {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let text = format!("[lints]\nworkspace = true\n[{kind}]\na = \"1\"\n");
            assert!(findings(&text)[0].contains("`a` wants `workspace = true`"), "{kind}");
            let text = text.replace("\"1\"", "{ workspace = true, features = [] }");
            assert_eq!(findings(&text), [""; 0], "{kind}");
        }
    }
}
