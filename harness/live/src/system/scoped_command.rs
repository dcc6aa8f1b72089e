//! The commands of a description around a run: what sets up, what stops, what tears down.
//!
//! When they are run is left to `setup` and `cluster`. The claim kept true: a word of theirs that
//! nothing could stand for when they run is refused before the run.

use serde::{Deserialize, Serialize};

use super::{Arg, OF_ALL, OF_NODE, Placeholders, System, SystemError, Variables};

/// One command for the cluster as a whole, one for each node; either may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a table with `cluster`, `node` or both, a command each"
)]
pub struct ScopedCommand {
    /// The command that is run once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Vec<Arg>>,
    /// The command that is run for each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Vec<Arg>>,
}

impl ScopedCommand {
    /// Returns whether there is neither.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the commands.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &Vec<Arg>> {
        [&self.cluster, &self.node].into_iter().flatten()
    }
}

impl System {
    /// Says whether the commands around a run can be made.
    pub(super) fn check_around(&self) -> Result<(), SystemError> {
        let of_cluster = [&OF_ALL[..], &["run"]].concat();
        let of_node = [&of_cluster[..], &OF_ONE_NODE].concat();
        let of_stop = [&of_cluster[..], &OF_NODE, &["pid"]].concat();
        for (name, commands, variables) in [
            ("setup", &self.setup, &self.env.setup),
            ("teardown", &self.teardown, &self.env.teardown),
        ] {
            let words = commands.commands().flatten().chain(variables.values());
            if words.into_iter().any(|word| !matches!(word, Arg::One(_))) {
                let remedy = "give its `node` a command, which is run for each";
                return Err(SystemError::NoAddresses { command: name, remedy });
            }
            check_plain(commands.cluster.as_ref(), variables, &of_cluster)?;
            check_plain(commands.node.as_ref(), variables, &of_node)?;
        }
        let Self { stop, env, .. } = self;
        // Each scope has its own gaps, and variables are made for those that there are.
        if stop.cluster.is_some() {
            self.check_command(stop.cluster.as_ref(), &env.stop, &of_cluster)?;
        }
        if stop.node.is_some() || stop.is_none() {
            self.check_command(stop.node.as_ref(), &env.stop, &of_stop)?;
        }
        Ok(())
    }
}

/// Says whether a command can be made that knows of no addresses.
fn check_plain(
    words: Option<&Vec<Arg>>,
    variables: &Variables,
    gaps: &[&'static str],
) -> Result<(), SystemError> {
    let Some(words) = words else { return Ok(()) };
    let gaps = gaps.iter().fold(Placeholders::default(), |all, gap| all.with(gap, "1"));
    gaps.fill_variables(variables)?;
    gaps.fill(words).map(drop)
}

/// The gaps of a command for one node that knows of no addresses.
const OF_ONE_NODE: [&str; 2] = ["node", "data"];
