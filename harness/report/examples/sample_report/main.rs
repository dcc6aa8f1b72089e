//! Makes up a run folder and writes its report page, to look at the page without a run.
//!
//! `cargo run -p synod-report --example sample_report -- DIR [VERDICT] [OPERATIONS] [KEYS]
//! [CLIENTS]` The data is invented by `run.rs` and says so.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

#[allow(unreachable_pub, reason = "the tests include this module too")]
mod run;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use synod_report::Verdict;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("give the folder to write to")?;
    let mut shape = run::Shape::default();
    if let Some(verdict) = arguments.next() {
        shape.verdict = parse(&verdict)?;
    }
    if let Some(operations) = arguments.next() {
        shape.operations = operations.parse()?;
    }
    if let Some(keys) = arguments.next() {
        shape.keys = keys.parse()?;
    }
    if let Some(clients) = arguments.next() {
        shape.clients = clients.parse()?;
    }
    // A client calls about every eight milliseconds, so that faults show as they would.
    let pace_ms = shape.operations.saturating_mul(8) / u64::from(shape.clients.max(1));
    shape.length_ms = shape.length_ms.max(pace_ms);
    run::write(Path::new(&dir), &shape)?;
    let start = Instant::now();
    let page = synod_report::write(Path::new(&dir))?;
    let bytes = page.metadata()?.len();
    println!("{} ({bytes} bytes, {:?})", page.display(), start.elapsed());
    Ok(())
}

fn parse(word: &str) -> Result<Verdict, Box<dyn Error>> {
    Ok(serde_json::from_value(serde_json::Value::from(word))?)
}
