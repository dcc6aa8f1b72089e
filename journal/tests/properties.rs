//! Random scripts, random crashes in them, random rot after them.
//!
//! Claim kept: what the hand-written scripts show holds for scripts that nobody thought of.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod script;

use proptest::prelude::*;
use script::{Dice, Step, assert_allowed, check, open, run, run_into};
use synod_journal::{Disk, OpenError, SimDisk};

fn step() -> impl Strategy<Value = Step> {
    let lengths = prop::collection::vec(0_usize..900, 0..5);
    prop_oneof![
        8 => lengths.prop_map(Step::Append),
        6 => Just(Step::Sync),
        2 => Just(Step::Seal),
        3 => Just(Step::Prepare),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::Release),
    ]
}

fn scripts() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_crash_anywhere_in_any_script(script in scripts(), at in 0.0..1.0_f64, seed: u64) {
        let whole = SimDisk::new(seed);
        let mut ledger = script::Ledger::default();
        run_into(&whole, &script, &mut ledger).unwrap();
        check(&whole.crash(|_| 0), &ledger);
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation,
            clippy::cast_sign_loss, reason = "a fraction of a small count")]
        let halt = (whole.operations() as f64 * at) as u64;
        let disk = SimDisk::new(seed);
        disk.halt_after(halt);
        let ledger = run(&disk, &script);
        let mut dice = Dice::new(seed);
        for _ in 0..4 {
            check(&disk.crash(|choice| dice.roll(choice.options)), &ledger);
        }
        check(&disk.crash(|_| 0), &ledger);
        check(&disk.kill(), &ledger);
    }

    #[test]
    fn crash_upon_crash(scripts in prop::collection::vec(scripts(), 2..5), seed: u64) {
        let mut dice = Dice::new(seed);
        let mut disk = SimDisk::new(seed);
        for script in scripts {
            let mut found = open(&disk).unwrap().2;
            let before = found.records.len();
            // Each life starts from what the last recovery found, and is cut short.
            disk.halt_after(1 + dice.roll(60) as u64);
            let _ = live(&disk, &script, &mut found);
            disk = disk.crash(|choice| dice.roll(choice.options));
            let after = open(&disk).unwrap().2;
            let tried = &found.records;
            let skipped = usize::try_from(after.first.get() - found.first.get()).unwrap();
            prop_assert!(skipped + after.records.len() >= before, "a recovered record is gone");
            prop_assert!(tried[skipped..].starts_with(&after.records), "a record was invented");
        }
    }

    #[test]
    fn any_flip_after_any_script(script in scripts(), place: u64, bit in 0..8_u32, seed: u64) {
        let disk = SimDisk::new(seed);
        let mut ledger = script::Ledger::default();
        run_into(&disk, &script, &mut ledger).unwrap();
        // A clean close: nothing is exposed.
        let (journal, _, _) = open(&disk).unwrap();
        journal.close().unwrap();
        ledger.acknowledged = ledger.commits.len();
        let names = disk.list(script::path()).unwrap();
        let mut dice = Dice::new(place);
        let file = script::path().join(&names[dice.roll(names.len())]);
        let length = disk.contents(&file).unwrap().len();
        let at = dice.roll(length);
        disk.tamper(&file, |bytes| bytes[at] ^= 1 << bit);
        match open(&disk) {
            Ok((_, _, found)) => assert_allowed(&ledger, &found),
            Err(OpenError::Damaged(_) | OpenError::DamagedIdentity { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn no_garbage_makes_a_panic_or_a_record(
        script in scripts(),
        pieces in prop::collection::vec((any::<u64>(), 0_usize..6000, any::<u64>()), 1..6),
        seed: u64,
    ) {
        let disk = SimDisk::new(seed);
        let mut ledger = script::Ledger::default();
        run_into(&disk, &script, &mut ledger).unwrap();
        for (place, length, fill) in pieces {
            let names = disk.list(script::path()).unwrap();
            let mut dice = Dice::new(place);
            let file = script::path().join(&names[dice.roll(names.len())]);
            let mut noise = Dice::new(fill);
            disk.tamper(&file, |bytes| {
                let start = dice.roll(bytes.len());
                let stop = bytes.len().min(start + length);
                // Zeros, copies of the journal's own frames, and noise.
                match dice.roll(3) {
                    0 => bytes[start..stop].fill(0),
                    1 => {
                        let from = dice.roll(bytes.len() - (stop - start) + 1) / 8 * 8;
                        bytes.copy_within(from..from + (stop - start), start);
                    }
                    _ => bytes[start..stop].fill_with(|| u8::try_from(noise.roll(256)).unwrap()),
                }
            });
        }
        // So much rot may take records with their witnesses, but it makes none up.
        if let Ok((_, _, found)) = open(&disk) {
            let first = usize::try_from(found.first.get() - 1).unwrap();
            prop_assert!(ledger.records[first..].starts_with(&found.records));
        }
    }
}

/// Appends and syncs what a script says; `found` grows by every record that was tried.
fn live(disk: &SimDisk, script: &[Step], found: &mut script::Found) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let (mut journal, _, _) = open(disk).map_err(|error| told(&error))?;
    for (number, step) in script.iter().enumerate() {
        match step {
            Step::Append(lengths) => {
                let fill = script::byte_of(number);
                let records: Vec<Vec<u8>> = lengths.iter().map(|len| vec![fill; *len]).collect();
                found.records.extend(records.iter().cloned());
                let mut records = records.iter().collect();
                let appended = journal.append(&found.hard_state, &mut records);
                appended.map_err(|error| told(&error))?;
            }
            Step::Sync | Step::Reopen | Step::Kill | Step::Release => {
                journal.sync().map_err(|error| told(&error))?;
            }
            Step::Seal => journal.seal().map_err(|error| told(&error))?,
            Step::Prepare => {
                journal.prepare().map_err(|error| told(&error))?;
            }
        }
    }
    Ok(())
}
