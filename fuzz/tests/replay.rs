//! Replays the committed inputs, and a fixed number of changed ones, for every decoder.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use synod_fuzz::{TARGETS, Verdict, corpus, mutator};
use synod_rng::{Random, Seed, Stream};

#[test]
fn every_committed_input_is_replayed_and_one_of_each_corpus_is_accepted() {
    for target in TARGETS {
        let inputs = corpus::inputs(target.name).unwrap();
        let accepted = inputs.iter().filter(|input| (target.run)(input) == Verdict::Accepted);
        assert!(accepted.count() > 0, "{}: a corpus begins with what is valid", target.name);
    }
}

#[test]
fn a_thousand_changed_inputs_of_each_are_decoded_or_refused() {
    for target in TARGETS {
        let inputs = corpus::inputs(target.name).unwrap();
        let mut random = Random::new(Seed(7), Stream::named(target.name));
        let mut refused = 0;
        for _ in 0..1_000 {
            let other = random.pick(&inputs).unwrap().clone();
            let mut input = random.pick(&inputs).unwrap().clone();
            mutator::mutate(&mut random, &mut input, &other);
            refused += usize::from((target.run)(&input) == Verdict::Refused);
        }
        assert!(refused > 100, "{}: only {refused} were broken", target.name);
    }
}

#[test]
fn every_corpus_has_its_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".hex").unwrap_or(&name).to_owned()
    };
    let found: BTreeSet<String> = fs::read_dir(folder).unwrap().map(name).collect();
    let known = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(found, known);
}
