//! What is told of nodes: which fields their status has, if the bridge tells one at all.
//!
//! Nothing of a protocol is demanded of a system. What a field means is the bridge's page to say,
//! and what is missing in an answer is `bridge::answer`'s to find. The claim kept true: what is
//! not told is asked of nobody, and each check that rests on it says so.

use serde::{Deserialize, Serialize};

/// Which fields the status of a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenFields", into = "Vec<&'static str>")]
pub struct StatusFields {
    /// The ballot with which the node leads, if it does.
    pub leads: bool,
    /// How much it has applied.
    pub applied: bool,
    /// The digest of its state there.
    pub digest: bool,
    /// That it answers, and so is up; all that some nodes tell.
    pub up: bool,
}

/// The names of fields.
#[derive(Deserialize)]
#[serde(transparent)]
struct WrittenFields(Vec<String>);

/// A list that names no fields of a status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum NoFields {
    #[error("`status` has no field `{0}`; there are leads, applied, digest and up")]
    Unknown(String),
    #[error(
        "`status` has digest, which is compared where nodes have `applied` equally much; add \
         \"applied\", or leave digest out"
    )]
    DigestAlone,
}

impl StatusFields {
    /// No status is told.
    pub const NONE: Self = Self { leads: false, applied: false, digest: false, up: false };

    /// Returns whether this is what a description means that says nothing.
    #[must_use]
    pub fn are_all(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether nodes are asked for a status at all.
    #[must_use]
    pub fn are_any(self) -> bool {
        self != Self::NONE
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        // Whoever tells anything is up.
        let alone = self.up && !(self.leads || self.applied || self.digest);
        let all = [
            (self.leads, "leads"),
            (self.applied, "applied"),
            (self.digest, "digest"),
            (alone, "up"),
        ];
        all.into_iter().filter_map(|(is_told, name)| is_told.then_some(name))
    }
}

impl Default for StatusFields {
    fn default() -> Self {
        Self { leads: true, applied: true, digest: true, up: true }
    }
}

impl TryFrom<WrittenFields> for StatusFields {
    type Error = NoFields;

    fn try_from(WrittenFields(names): WrittenFields) -> Result<Self, NoFields> {
        let mut fields = Self { up: !names.is_empty(), ..Self::NONE };
        for name in names {
            match name.as_str() {
                "leads" => fields.leads = true,
                "applied" => fields.applied = true,
                "digest" => fields.digest = true,
                "up" => {}
                _ => return Err(NoFields::Unknown(name)),
            }
        }
        if fields.digest && !fields.applied {
            return Err(NoFields::DigestAlone);
        }
        Ok(fields)
    }
}

impl From<StatusFields> for Vec<&'static str> {
    fn from(fields: StatusFields) -> Self {
        fields.names().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_and_survive_being_written() {
        let read = |text: &str| {
            serde_json::from_str::<StatusFields>(text).map_err(|error| error.to_string())
        };
        let (all, up) = (StatusFields::default(), StatusFields { up: true, ..StatusFields::NONE });
        for (text, fields) in [
            ("[]", StatusFields::NONE),
            (r#"["up"]"#, up),
            (r#"["leads"]"#, StatusFields { leads: true, ..up }),
            (r#"["applied"]"#, StatusFields { applied: true, ..up }),
            (r#"["leads","applied","digest"]"#, all),
        ] {
            assert_eq!(read(text), Ok(fields));
            assert_eq!(serde_json::to_string(&fields).expect("plain data"), text);
        }
        assert!(all.are_all() && all.are_any() && up.are_any() && !StatusFields::NONE.are_any());
        let why = read(r#"["leeds"]"#).expect_err("a misspelt word");
        assert!(why.starts_with("`status` has no field `leeds`; there are leads"), "{why}");
        let why = read(r#"["digest"]"#).expect_err("nothing to compare it at");
        assert!(why.starts_with("`status` has digest, which is compared where"), "{why}");
    }
}
