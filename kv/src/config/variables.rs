//! Variables of the environment that look like settings and are none.
//!
//! What a known variable sets is the business of `layers`. A misspelt one changes nothing, and is
//! told of; it is not refused, because a supervisor sets names of its own, such as those of a
//! service that is called `synod`. The claim kept true: a name that no program here reads is named,
//! with the one that was probably meant.

use super::keys::{CLIENT, SERVER};
use super::layers::environment_name;

/// Says of each of these names of variables, if it looks like a setting and is none, what is wrong.
#[must_use]
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let settings = SERVER.iter().chain(CLIENT).map(|setting| environment_name(setting.key));
    let known: Vec<String> = settings.chain([CONFIG.to_owned()]).collect();
    let is_unknown = |name: &String| name.starts_with(PREFIX) && !known.contains(name);
    let mut unknown: Vec<String> = names.into_iter().filter(is_unknown).collect();
    unknown.sort_unstable();
    unknown.iter().map(|name| complaint(name, &known)).collect()
}

fn complaint(name: &str, known: &[String]) -> String {
    let nearest = known.iter().min_by_key(|known| distance(name, known));
    let nearest = nearest.map_or(CONFIG, String::as_str);
    format!("the environment variable {name} sets nothing; the nearest that does is {nearest}")
}

/// Measures how far a name is from a known one: how many characters must be put in, taken out or
/// changed; a name that is a part of the known one is nearer than any other.
fn distance(name: &str, known: &str) -> usize {
    let part = name.trim_start_matches(PREFIX);
    if !part.is_empty() && known.contains(part) {
        return 0;
    }
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (index, byte) in name.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = index + 1;
        for (place, other) in known.bytes().enumerate() {
            let changed = corner + usize::from(byte != other);
            corner = row[place + 1];
            row[place + 1] = changed.min(corner + 1).min(row[place] + 1);
        }
    }
    row[known.len()]
}

const PREFIX: &str = "SYNOD_";

/// Names the configuration file itself.
const CONFIG: &str = "SYNOD_CONFIG";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_sets_nothing_is_named_with_the_nearest() {
        let nearest = |name: &str| {
            let told = unknown_variables([name.to_owned()]);
            told.first().map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned())
        };
        for (name, wanted) in [
            ("SYNOD_CLUSTR", "SYNOD_CLUSTER"),
            ("SYNOD_SUSPICION_MS", "SYNOD_TIMING_SUSPICION_MS"),
            ("SYNOD_TIMEOUT", "SYNOD_TIMEOUT_MS"),
            ("SYNOD_PEER", "SYNOD_PEER_LISTEN"),
            ("SYNOD_TLS_KEYS", "SYNOD_TLS_KEY"),
            ("SYNOD_CONF", "SYNOD_CONFIG"),
        ] {
            assert_eq!(nearest(name).as_deref(), Some(wanted), "{name}");
        }
        for name in ["SYNOD_CONFIG", "SYNOD_PEERS", "SYNOD_NODES", "SYNOD_TIMEOUT_MS", "PATH"] {
            assert_eq!(nearest(name), None, "{name}");
        }
        let names = ["SYNOD_", "SYNOD_B", "A"].map(str::to_owned);
        assert_eq!(unknown_variables(names).len(), 2, "each is told of");
    }
}
