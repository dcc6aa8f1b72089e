//! Verdicts on histories that others recorded, held against their manifest.
//!
//! The histories are read in place and are no part of the project; where they are absent, the test
//! says so and passes.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail by panic and speak")]

use std::path::{Path, PathBuf};

use synod_checker::budget::Meter;
use synod_checker::{Budget, Judgement, Linearization, Rules, check_by_rules, is_linearizable};
use synod_history::import::Format;

#[test]
fn every_verdict_is_that_of_the_manifest() {
    let Some(root) = corpora() else {
        eprintln!("skipped: ../shared/corpora is not beside the workspace");
        return;
    };
    let manifest = std::fs::read_to_string(root.join("manifest.tsv")).unwrap();
    let mut judged = 0;
    for line in manifest.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, .., expected] = fields.as_slice() else { panic!("{line:?} has no fields") };
        let format = match file.split('/').next() {
            Some("kv") => Format::PorcupineKv,
            _ => Format::JepsenLog,
        };
        let history = format.read_file(&root.join(file)).unwrap();
        let rules = Rules::of(format, &history);
        let model = rules.model;
        let report = check_by_rules(&history, &rules, &mut Meter::start(Budget::default()));
        let verdict = match &report.judgement {
            Judgement::Legal { witness } => {
                let witness = Linearization::new(witness.clone());
                let read = Linearization::parse(&witness.written(&history), &history).unwrap();
                assert_eq!(read, witness, "{file}");
                let played = read.replay(&history, &rules);
                assert!(played.is_ok(), "{file}: {played:?}");
                "linearizable"
            }
            Judgement::Illegal { .. } => "illegal",
            Judgement::Unknown { cause } => panic!("{file}: {cause}"),
        };
        assert_eq!(verdict, *expected, "{file}");
        assert_eq!(report.checker.unverified, None, "{file}");
        let alone = is_linearizable(&history, model, Budget::default());
        assert_eq!(alone, Ok(*expected == "linearizable"), "{file}");
        judged += 1;
    }
    assert!(judged > 0, "the manifest names no history");
}

fn corpora() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?;
    let root = workspace.parent()?.join("shared/corpora");
    root.join("manifest.tsv").exists().then_some(root)
}
