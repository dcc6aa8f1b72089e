//! The rules for the manifests of crates: one lint table, one version of each dependency.

use super::{File, Finding};

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
    if !manifest.get("lints").is_some_and(inherits) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
