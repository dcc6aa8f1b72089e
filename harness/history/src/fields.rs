//! The fields of a map that another tool wrote: what is needed is there, and all that is there is
//! known.
//!
//! A field that is missing, that nobody knows, that stands twice or that holds something else than
//! it should is a problem with a name. None is ever guessed: a misspelt answer that was taken for
//! none would make a verdict of a history that nobody saw. Names are read whatever their case.

use super::edn::Edn;
use super::printed::{printed, short};

/// The fields of one map.
pub(super) struct Fields<'a> {
    /// What the map is, for people.
    what: &'static str,
    /// Its names, each with what it may be called besides, such as `From|Arg1`.
    known: &'static [&'static str],
    entries: &'a [(Edn, Edn)],
}

impl<'a> Fields<'a> {
    /// Takes a map all of whose fields are known.
    pub(super) fn of(
        what: &'static str,
        form: &'a Edn,
        known: &'static [&'static str],
    ) -> Result<Self, String> {
        let fields = Self::some_of(what, form, known)?;
        fields.all_known().map(|()| fields)
    }

    /// Takes a map of whose fields [`Fields::all_known`] is still to say that they are known.
    pub(super) fn some_of(
        what: &'static str,
        form: &'a Edn,
        known: &'static [&'static str],
    ) -> Result<Self, String> {
        let Edn::Map(entries) = form else {
            return Err(format!("{what} is `{}` and no map", short(form)));
        };
        Ok(Self { what, known, entries })
    }

    /// Refuses a field that nobody knows, or that stands twice.
    pub(super) fn all_known(&self) -> Result<(), String> {
        let Self { what, known, entries } = self;
        let mut seen = Vec::new();
        for (key, _) in *entries {
            let Some(names) = known.iter().find(|names| is_one_of(key, names)) else {
                let key = short(&Edn::Symbol(printed(key)));
                let known = known.iter().map(first).collect::<Vec<_>>().join(", ");
                return Err(format!(
                    "{what} has a field `{key}`, which is not known there; it may have {known}"
                ));
            };
            // By its names and not by its word: two spellings of one field are the same field.
            if seen.contains(names) {
                return Err(format!("{what} has its `{}` twice", first(names)));
            }
            seen.push(*names);
        }
        Ok(())
    }

    /// Returns a field, if it is there; null is something.
    pub(super) fn get(&self, name: &str) -> Option<&'a Edn> {
        let names = self.known.iter().find(|names| first(names) == name)?;
        let found = self.entries.iter().find(|(key, _)| is_one_of(key, names));
        found.map(|(_, value)| value)
    }

    /// Returns a field, if it is there and not null.
    pub(super) fn some(&self, name: &str) -> Option<&'a Edn> {
        self.get(name).filter(|value| **value != Edn::Nil)
    }

    /// Returns a field that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<&'a Edn, String> {
        self.get(name).ok_or_else(|| format!("{} has no `{name}`", self.what))
    }

    /// Returns a field that must be a text, or something that is written as one.
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        let value = self.needed(name)?;
        atom(value).ok_or_else(|| self.wrong(name, value, "text or number"))
    }

    /// Returns a field that may be null, and else is a text.
    pub(super) fn text_or_null(&self, name: &str) -> Result<Option<String>, String> {
        if *self.needed(name)? == Edn::Nil { Ok(None) } else { self.text(name).map(Some) }
    }

    /// Returns a flag; where there is none, or null, it was not raised.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        match self.some(name) {
            None => Ok(None),
            Some(Edn::Flag(flag)) => Ok(Some(*flag)),
            Some(value) => Err(self.wrong(name, value, "true or false")),
        }
    }

    /// Returns a whole number, if there is one.
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, String> {
        match self.some(name) {
            None => Ok(None),
            Some(Edn::Whole(number)) => Ok(Some(*number)),
            Some(value) => Err(self.wrong(name, value, "whole number")),
        }
    }

    /// Returns a list; null is one without items.
    pub(super) fn list(&self, name: &str) -> Result<&'a [Edn], String> {
        let value = self.needed(name)?;
        if *value == Edn::Nil {
            return Ok(&[]);
        }
        let Edn::Sequence(items) = value else { return Err(self.wrong(name, value, "list")) };
        Ok(items)
    }

    /// Refuses fields that say something where they have nothing to say. What a program writes of
    /// a field that it did not set says nothing.
    pub(super) fn idle(&self, names: &[&str], f: &str) -> Result<(), String> {
        let told = names.iter().find(|name| self.get(name).is_some_and(|value| !is_unset(value)));
        told.map_or(Ok(()), |name| {
            Err(format!("{} has a `{name}`, which `{f}` does not take", self.what))
        })
    }

    pub(super) fn wrong(&self, name: &str, value: &Edn, wanted: &str) -> String {
        format!("the `{name}` of {} is `{}` and no {wanted}", self.what, short(value))
    }
}

/// Prints a value, if it is one.
pub(super) fn atom(value: &Edn) -> Option<String> {
    match value {
        Edn::Flag(_) | Edn::Whole(_) | Edn::Text(_) | Edn::Keyword(_) | Edn::Symbol(_) => {
            Some(printed(value))
        }
        Edn::Nil | Edn::Sequence(_) | Edn::Set(_) | Edn::Map(_) => None,
    }
}

/// Returns whether a value is one that a field has before anybody gives it one.
fn is_unset(value: &Edn) -> bool {
    match value {
        Edn::Nil | Edn::Flag(false) | Edn::Whole(0) => true,
        Edn::Text(text) => text.is_empty(),
        Edn::Flag(true)
        | Edn::Whole(_)
        | Edn::Keyword(_)
        | Edn::Symbol(_)
        | Edn::Sequence(_)
        | Edn::Set(_)
        | Edn::Map(_) => false,
    }
}

fn is_one_of(key: &Edn, names: &str) -> bool {
    key.word().is_some_and(|word| names.split('|').any(|name| name.eq_ignore_ascii_case(word)))
}

fn first<'a>(names: &&'a str) -> &'a str {
    names.split('|').next().unwrap_or_default()
}
