//! The rule of the floors: an arrow between crates goes down, and the cores stand on little.
//!
//! The table is the picture of ARCHITECTURE.md in a form that can be checked.

use super::Finding;
use crate::workspace::{Dependency, Package};

/// Checks the arrows that `cargo metadata` tells of.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let Some(floor) = FLOORS.iter().find(|floor| floor.name == package.name) else {
            let what = format!("`{}` has no floor; add it to the table of arrows", package.name);
            findings.push(Finding::new(MANIFEST, 0, what));
            continue;
        };
        let wrong = package.dependencies.iter().filter(|arrow| !floor.allows(arrow));
        findings.extend(wrong.map(|arrow| {
            let what = format!("`{}` may not depend on `{}`", package.name, arrow.name);
            Finding::new(MANIFEST, 0, format!("{what}: {}", floor.because))
        }));
    }
    findings
}

/// What a crate may stand on.
struct Floor {
    name: &'static str,
    /// Crates of this workspace, for tests too.
    ours: &'static [&'static str],
    /// Crates of others, tests aside; `None` for no bound.
    others: Option<&'static [&'static str]>,
    because: &'static str,
}

impl Floor {
    fn allows(&self, arrow: &Dependency) -> bool {
        let name = arrow.name.as_str();
        if FLOORS.iter().any(|floor| floor.name == name) {
            return self.ours.contains(&name);
        }
        // Loom comes in under its cfg alone, and is then a test's dependency.
        let for_tests = arrow.for_tests || (arrow.conditional && name == "loom");
        for_tests || self.others.is_none_or(|others| others.contains(&name))
    }
}

const MANIFEST: &str = "Cargo.toml";

const FLOORS: &[Floor] = &[
    Floor { name: "synod-clock", ours: &[], others: Some(&["serde"]), because: "it stands alone" },
    Floor {
        name: "synod-paxos",
        ours: &[],
        others: Some(&[]),
        because: "the safety core stands on the standard library alone",
    },
    Floor {
        name: "synod-prove",
        ours: &[],
        others: Some(&[]),
        because: "what proves the safety core does not stand on it",
    },
    Floor {
        name: "synod-journal",
        ours: &[],
        others: None,
        because: "the log can be used without the rest",
    },
    Floor {
        name: "synod-sink",
        ours: &[],
        others: Some(&[]),
        because: "whatever logs can stand on it",
    },
    Floor {
        name: "synod-smr",
        ours: &["synod-clock", "synod-paxos"],
        others: Some(&["bytes", "postcard", "serde", "thiserror"]),
        because: "the replica does no IO: no runtime, no socket, no file",
    },
    Floor {
        name: "synod-transport-quic",
        ours: &["synod-clock"],
        others: None,
        because: "the transport knows no Paxos",
    },
    Floor {
        name: "synod-host",
        ours: &["synod-clock", "synod-journal", "synod-paxos", "synod-smr"],
        // The checksum is that by which a trace tells decrees apart.
        others: Some(&["bytes", "crc32c", "thiserror", "tracing"]),
        because: "the host does no IO: no runtime, no socket, no thread",
    },
    Floor {
        name: "synod-node",
        ours: &["synod-clock", "synod-host", "synod-transport-quic"],
        others: None,
        because: "what decides for a replica is the host's, where the simulator drives it",
    },
    Floor {
        name: "synod-kv",
        ours: &[
            "synod-clock",
            "synod-host",
            "synod-journal",
            "synod-node",
            "synod-paxos",
            "synod-sink",
            "synod-smr",
            "synod-transport-quic",
        ],
        others: None,
        because: "a server does not live inside its tester",
    },
    Floor {
        name: "synod-rng",
        ours: &[],
        others: Some(&["serde"]),
        because: "what follows from a seed follows from nothing else",
    },
    Floor {
        name: "synod-history",
        ours: &["synod-rng"],
        others: Some(&["flate2", "serde", "serde_json", "thiserror"]),
        because: "a history can be read without a runtime, a command line or a kernel's calls",
    },
    Floor {
        name: "synod-checker",
        ours: &["synod-history", "synod-rng"],
        others: Some(&["serde", "thiserror"]),
        because: "histories can be judged without a runtime, a command line or a kernel's calls",
    },
    Floor {
        name: "synod-fault",
        ours: &["synod-rng"],
        others: Some(&["serde", "serde_json", "thiserror", "toml"]),
        because: "a fault is decided the same whoever obeys: no runtime, no socket, no clock",
    },
    Floor {
        name: "synod-shim",
        ours: &["synod-rng"],
        others: Some(&["rustix", "thiserror"]),
        because: "what stands between a program and its kernel knows neither faults nor runs",
    },
    Floor {
        name: "synod-workload",
        ours: &["synod-checker", "synod-history", "synod-rng"],
        others: Some(&["thiserror"]),
        because: "what clients do follows from a seed, and asks nobody",
    },
    Floor {
        name: "synod-report",
        ours: &["synod-checker", "synod-history"],
        others: Some(&["serde", "serde_json", "thiserror"]),
        because: "a page shows what was measured and judged elsewhere",
    },
    Floor {
        name: "synod-simulator",
        ours: &["synod-fault", "synod-history", "synod-rng"],
        others: Some(&[]),
        because: "it simulates any system, and so links none; no runtime, no clock, no chance",
    },
    Floor {
        name: "synod-live",
        ours: &[
            "synod-checker",
            "synod-fault",
            "synod-history",
            "synod-report",
            "synod-rng",
            "synod-shim",
            "synod-workload",
        ],
        others: None,
        because: "it runs any system, and so links none",
    },
    Floor {
        name: "synod-harness",
        ours: &[
            "synod-checker",
            "synod-fault",
            "synod-history",
            "synod-live",
            "synod-report",
            "synod-rng",
            "synod-workload",
        ],
        others: None,
        because: "it judges any system, and so links none",
    },
    Floor {
        name: "synod-simulated",
        ours: &[
            "synod-checker",
            "synod-clock",
            "synod-fault",
            "synod-history",
            "synod-host",
            "synod-journal",
            "synod-kv",
            "synod-live",
            "synod-node",
            "synod-paxos",
            "synod-prove",
            "synod-report",
            "synod-rng",
            "synod-simulator",
            "synod-smr",
            "synod-transport-quic",
            "synod-workload",
        ],
        others: None,
        because: "arrows go down",
    },
    Floor {
        name: "synod-shell",
        ours: &[
            "synod-clock",
            "synod-fault",
            "synod-host",
            "synod-node",
            "synod-rng",
            "synod-transport-quic",
        ],
        others: None,
        because: "arrows go down",
    },
    Floor {
        name: "xtask",
        ours: &[],
        others: Some(&["lexopt", "serde_json", "toml"]),
        because: "it must compile in seconds",
    },
    Floor {
        name: "synod-fuzz",
        ours: &[
            "synod-fault",
            "synod-history",
            "synod-kv",
            "synod-live",
            "synod-rng",
            "synod-simulator",
            "synod-smr",
        ],
        others: Some(&["bytes", "lexopt", "serde", "serde_json"]),
        because: "it feeds the decoders, and is nobody's part",
    },
    Floor {
        name: "synod-book",
        ours: &["synod-node", "synod-paxos"],
        others: None,
        because: "what the book shows is what a user of the node writes",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::root::root;

    fn package(name: &str, arrows: &[(&str, bool, bool)]) -> Package {
        let dependencies = arrows.iter().map(|(name, for_tests, conditional)| Dependency {
            name: (*name).into(),
            version: String::new(),
            for_tests: *for_tests,
            conditional: *conditional,
        });
        let dependencies = dependencies.collect();
        Package { name: name.into(), dependencies, tests: Vec::new(), is_library: true }
    }

    fn texts(package: Package) -> Vec<String> {
        check(&[package]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arrows_go_down_for_tests_too() {
        assert_eq!(texts(package("synod-smr", &[("synod-paxos", false, false)])), [""; 0]);
        for for_tests in [false, true] {
            let up = texts(package("synod-paxos", &[("synod-smr", for_tests, false)]));
            assert!(up[0].contains("`synod-paxos` may not depend on `synod-smr`"), "{up:?}");
        }
        assert_eq!(texts(package("synod-harness", &[("synod-kv", true, false)])).len(), 1);
    }

    #[test]
    fn the_cores_stand_on_little_but_their_tests_may_use_more() {
        assert_eq!(texts(package("synod-paxos", &[("serde", false, false)])).len(), 1);
        assert_eq!(texts(package("synod-paxos", &[("stateright", true, false)])), [""; 0]);
        assert_eq!(texts(package("synod-smr", &[("tokio", false, false)])).len(), 1);
        assert_eq!(texts(package("synod-clock", &[("loom", false, true)])), [""; 0]);
        assert_eq!(texts(package("synod-clock", &[("loom", false, false)])).len(), 1);
    }

    #[test]
    fn histories_their_checker_and_faults_can_be_taken_alone() {
        for name in ["synod-history", "synod-checker", "synod-fault"] {
            for heavy in ["tokio", "clap", "rustix", "synod-clock", "synod-harness"] {
                let found = texts(package(name, &[(heavy, false, false)]));
                assert!(found[0].contains(&format!("`{name}` may not depend on `{heavy}`")));
            }
            assert_eq!(texts(package(name, &[("synod-rng", false, false)])), [""; 0]);
        }
        let down = package("synod-checker", &[("synod-history", false, false)]);
        assert_eq!(texts(down), [""; 0]);
        let up = package("synod-history", &[("synod-checker", true, false)]);
        assert_eq!(texts(up).len(), 1);
    }

    #[test]
    fn a_crate_without_a_floor_is_found() {
        assert!(texts(package("synod-attic", &[]))[0].contains("has no floor"));
    }

    #[test]
    fn what_comes_in_under_a_cfg_is_loom_and_nothing_else() {
        assert_eq!(texts(package("synod-paxos", &[("tokio", false, true)])).len(), 1);
    }

    /// The picture of ARCHITECTURE.md has a number for each crate, and whoever is stood on has a
    /// lower one.
    #[test]
    fn every_arrow_of_the_table_goes_down_in_the_picture() {
        let page = std::fs::read_to_string(root().join("ARCHITECTURE.md"));
        let page = page.expect("the page of the architecture");
        let row = |line: &str| {
            let (floor, rest) = line.strip_prefix("| ")?.split_once(" | [")?;
            let (_, folder) = rest.split_once("](")?;
            Some((folder.split(')').next()?.to_owned(), floor.parse::<u32>().ok()))
        };
        let rows: BTreeMap<String, Option<u32>> = page.lines().filter_map(row).collect();
        let folder = |name: &str| {
            let below = |path: &&String| {
                let manifest = std::fs::read_to_string(root().join(path).join("Cargo.toml"));
                manifest.is_ok_and(|text| text.contains(&format!("\nname = \"{name}\"\n")))
            };
            rows.keys().find(below).cloned()
        };
        let floors: BTreeMap<&str, Option<u32>> = FLOORS
            .iter()
            .map(|floor| {
                let path = folder(floor.name);
                let path = path.unwrap_or_else(|| panic!("`{}` has no row", floor.name));
                (floor.name, rows[&path])
            })
            .collect();
        for floor in FLOORS {
            for below in floor.ours {
                // What is aside carries nothing, and may stand on any floor.
                let upper = floors[floor.name].unwrap_or(u32::MAX);
                let lower = floors[below].unwrap_or(u32::MAX);
                assert!(lower < upper, "`{}` stands on `{below}`", floor.name);
            }
        }
    }
}
