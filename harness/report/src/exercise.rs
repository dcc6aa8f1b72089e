//! What a verdict rests on: how much was asked, of whom, and how much of it while faults went on.
//!
//! A runner counts it and judges whether it is enough; this is how it is written down and said in
//! words, and `rests_on` shows it. Claim kept true: an operation belongs to each fault that it
//! overlapped.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was exercised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercise {
    /// What happened in the whole run.
    pub all: Exercised,
    /// What happened while at least one fault went on.
    pub in_faults: Exercised,
    /// What happened during each fault, in the order of the faults.
    pub faults: Vec<Exercised>,
    /// Of the clients that ask one node alone: what they asked of each, by its number.
    pub nodes: Vec<(u16, Exercised)>,
    /// What those asked that follow whoever leads.
    pub followers: Exercised,
    /// Operations that were ok of the least, the middle and the busiest key.
    pub ok_per_key: (u64, u64, u64),
    /// How many keys there were.
    pub keys: u64,
    /// Of the time of faults that leave most nodes alone, cut into parts: how many there were, and
    /// in how many of these an operation was called that took effect.
    #[serde(default)]
    pub parts: Parts,
    /// The client that was silent for longest when all was healed, and for how many milliseconds
    /// longer than it may.
    #[serde(default)]
    pub quiet: Option<(u32, u64)>,
}

/// Parts of the time of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// How many there were.
    pub all: u64,
    /// In how many of them something was served.
    pub served: u64,
}

/// How operations ended, and what they saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercised {
    /// They took effect.
    pub ok: u64,
    /// Nobody knows whether they did.
    pub unknown: u64,
    /// Reads that saw a value.
    pub reads: u64,
    /// Of these, reads that overlapped a change of their key.
    pub overlapped: u64,
}

impl Exercise {
    /// Returns how many faults had an operation that took effect, or may have.
    #[must_use]
    pub fn faults_felt(&self) -> usize {
        self.faults.iter().filter(|fault| fault.ok + fault.unknown > 0).count()
    }
}

impl fmt::Display for Exercise {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, in_faults, faults, ok_per_key: (least, middle, most), .. } = self;
        write!(
            out,
            "all: {all}; during faults: {in_faults}, in {} of {}",
            self.faults_felt(),
            faults.len()
        )?;
        write!(out, "; {} keys of {least} to {most} ok, {middle} at the median", self.keys)?;
        let Parts { all, served } = self.parts;
        if all > 0 {
            write!(
                out,
                "; served in {served} of {all} parts of faults that leave most nodes alone"
            )?;
        }
        for (node, asked) in &self.nodes {
            write!(out, "; node {node} alone: {} ok, {} unknown", asked.ok, asked.unknown)?;
        }
        Ok(())
    }
}

impl fmt::Display for Exercised {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, unknown, reads, overlapped } = self;
        write!(
            out,
            "{ok} ok, {unknown} unknown, {reads} reads that saw a value, {overlapped} of them \
             beside a change"
        )
    }
}
