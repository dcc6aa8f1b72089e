//! The layers of a configuration: defaults, then the TOML file, the environment, the flags.
//!
//! A table of settings says which keys exist. The layers keep every value as text beside its
//! origin, so the printed configuration and every complaint can say where a value came from.
//! What the values mean is said by the typed configurations above; a relative path of the file is
//! taken from the folder of the file, so that a directory of configurations can be moved.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::fs::File as OpenFile;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigError, Origin};

/// What the values of a key look like in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Path,
    Number,
}

/// One key that may be set. A key that ends in `.*` stands for a table of numbered entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Option<&'static str>,
    /// A line of TOML, for the one who forgot it; it stands in the table of the key.
    pub(crate) example: &'static str,
}

/// The values that are set, each with its origin.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    settings: &'static [Setting],
    values: BTreeMap<String, Value>,
}

#[derive(Clone, Debug)]
struct Value {
    text: String,
    origin: Origin,
}

impl Layers {
    /// Begins with the defaults.
    pub(crate) fn defaults(settings: &'static [Setting]) -> Self {
        let preset = |setting: &Setting| {
            let text = setting.default?.to_owned();
            Some((setting.key.to_owned(), Value { text, origin: Origin::Default }))
        };
        Self { settings, values: settings.iter().filter_map(preset).collect() }
    }

    /// Lays the TOML file over what is set.
    pub(crate) fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let unreadable = |reason| ConfigError::Unreadable { path: path.to_owned(), reason };
        // Even a file may be growing.
        let mut bytes = Vec::new();
        open_regular(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|error| unreadable(with_remedy(&error)))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(unreadable(format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            unreadable(format!("it is no text: the byte {at} is not UTF-8"))
        })?;
        self.read_toml(&text, path)
    }

    /// Lays TOML text over what is set; `path` is where it stands.
    pub(crate) fn read_toml(&mut self, text: &str, path: &Path) -> Result<(), ConfigError> {
        let file = File { text, path };
        let table = DeTable::parse(text).map_err(|error| ConfigError::NotToml {
            origin: file.origin(error.span().map_or(0, |span| span.start)),
            reason: error.message().replace('\n', ", "),
        })?;
        for (name, item) in table.get_ref() {
            match item.get_ref() {
                DeValue::Table(section) => {
                    for (entry, item) in section {
                        let key = format!("{}.{}", name.get_ref(), entry.get_ref());
                        self.set_from_file(&file, key, entry.span().start, item)?;
                    }
                }
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_) => {
                    let key = name.get_ref().to_string();
                    self.set_from_file(&file, key, name.span().start, item)?;
                }
            }
        }
        Ok(())
    }

    /// Lays the environment over what is set: `SYNOD_LOG_FORMAT` sets `log.format`, and
    /// `SYNOD_PEERS="1=ip:port,2=ip:port"` sets the entries of the table `peers`.
    pub(crate) fn read_environment(
        &mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        for setting in self.settings {
            let name = environment_name(setting.key);
            let Some(text) = variable(&name) else {
                continue;
            };
            let origin = Origin::Environment(name);
            match setting.key.strip_suffix(".*") {
                None => self.put(setting.key.to_owned(), text, origin),
                Some(table) => {
                    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
                    self.put_pairs(table, &pairs.collect::<Vec<_>>(), &origin)?;
                }
            }
        }
        Ok(())
    }

    /// Lays one flag over what is set. Another flag has not set the key: which of the two was meant
    /// nobody knows.
    pub(crate) fn flag(
        &mut self,
        flag: &str,
        key: &str,
        text: impl Into<String>,
    ) -> Result<(), ConfigError> {
        let (origin, text) = (Origin::Flag(flag.to_owned()), text.into());
        self.setting(key, &origin)?;
        if let Some(Value { origin: Origin::Flag(earlier), .. }) = self.values.get(key) {
            let wanted = format!("flag {earlier} sets this key, too; give it once");
            return Err(ConfigError::Wrong { origin, key: key.to_owned(), value: text, wanted });
        }
        self.put(key.to_owned(), text, origin);
        Ok(())
    }

    /// Lays one flag of the form `number=value` over the entries of `table`.
    pub(crate) fn pair_flag(
        &mut self,
        flag: &str,
        table: &str,
        pairs: &[String],
    ) -> Result<(), ConfigError> {
        let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
        self.put_pairs(table, &pairs, &Origin::Flag(flag.to_owned()))
    }

    /// Returns the value of a key, parsed.
    pub(crate) fn parse<T: FromStr<Err: Display>>(
        &self,
        key: &str,
        wanted: &str,
    ) -> Result<T, ConfigError> {
        let text = self.text(key)?;
        text.parse().map_err(|error: T::Err| self.wrong(key, format!("{error}; {wanted}")))
    }

    /// Returns the value of a key as it was written, with the folder of the file before a path.
    pub(crate) fn text(&self, key: &str) -> Result<&str, ConfigError> {
        let value = self.values.get(key).ok_or_else(|| self.missing(key))?;
        Ok(&value.text)
    }

    /// Returns the entries of a table: the part of the key behind the dot.
    pub(crate) fn entries(&self, table: &str) -> Vec<&str> {
        let prefix = |key: &'_ String| key.split_once('.').is_some_and(|(name, _)| name == table);
        let keys = self.values.keys().filter(|key| prefix(key));
        keys.filter_map(|key| key.split_once('.').map(|(_, entry)| entry)).collect()
    }

    /// Complains about the value of a key.
    pub(crate) fn wrong(&self, key: &str, wanted: impl Into<String>) -> ConfigError {
        match self.values.get(key) {
            None => self.missing(key),
            Some(value) => ConfigError::Wrong {
                origin: value.origin.clone(),
                key: key.to_owned(),
                value: value.text.clone(),
                wanted: wanted.into(),
            },
        }
    }

    /// Prints every value with its origin, one a line; the values are no secrets, as keys are
    /// named by their files only.
    pub(crate) fn print(&self) -> String {
        let width = self.values.iter().map(|(key, value)| key.len() + value.text.len()).max();
        let mut out = String::new();
        for (key, Value { text, origin }) in &self.values {
            let pad = width.unwrap_or(0) - key.len() - text.len();
            writeln!(out, "{key} = {text:?}{:pad$}  # {origin}", "").expect("memory takes it");
        }
        out
    }

    fn set_from_file(
        &mut self,
        file: &File<'_>,
        key: String,
        at: usize,
        item: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let origin = file.origin(at);
        let kind = self.setting(&key, &origin)?.kind;
        let text = match (kind, item.get_ref()) {
            (Kind::Text, DeValue::String(text)) => text.to_string(),
            // No path is no path from the folder of the file either.
            (Kind::Path, DeValue::String(text)) if text.is_empty() => String::new(),
            (Kind::Path, DeValue::String(text)) => {
                let folder = file.path.parent().unwrap_or_else(|| Path::new(""));
                folder.join(text.as_ref()).to_string_lossy().into_owned()
            }
            (Kind::Number, DeValue::Integer(number)) if number.radix() == 10 => {
                number.as_str().replace('_', "")
            }
            (wanted, found) => {
                let wanted = match wanted {
                    Kind::Text | Kind::Path => "a string in quotes",
                    Kind::Number => "a whole decimal number without quotes",
                };
                return Err(ConfigError::Wrong {
                    origin,
                    key,
                    value: file.text[item.span()].lines().next().unwrap_or("").to_owned(),
                    wanted: format!("found {}, wanted {wanted}", found.type_str()),
                });
            }
        };
        self.put(key, text, origin);
        Ok(())
    }

    /// Sets the entries that one origin names. None of them stands there twice: the last would win
    /// over the others, and which one was meant nobody knows.
    fn put_pairs(
        &mut self,
        table: &str,
        pairs: &[&str],
        origin: &Origin,
    ) -> Result<(), ConfigError> {
        fn entry<'a>(pair: &&'a str) -> Option<&'a str> {
            pair.split_once('=').map(|(entry, _)| entry)
        }
        for (index, pair) in pairs.iter().enumerate() {
            if entry(pair).is_some() && pairs[..index].iter().any(|had| entry(had) == entry(pair)) {
                return Err(ConfigError::Wrong {
                    origin: origin.clone(),
                    key: table.to_owned(),
                    value: (*pair).to_owned(),
                    wanted: "this node id is given twice; name each node once".to_owned(),
                });
            }
            self.put_pair(table, pair, origin.clone())?;
        }
        Ok(())
    }

    fn put_pair(&mut self, table: &str, pair: &str, origin: Origin) -> Result<(), ConfigError> {
        let Some((entry, text)) = pair.split_once('=') else {
            return Err(ConfigError::Wrong {
                origin,
                key: table.to_owned(),
                value: pair.to_owned(),
                wanted: "wanted <node id>=<ip>:<port>, such as 2=127.0.0.1:7002".to_owned(),
            });
        };
        self.put(format!("{table}.{entry}"), text.to_owned(), origin);
        Ok(())
    }

    fn put(&mut self, key: String, text: String, origin: Origin) {
        self.values.insert(key, Value { text, origin });
    }

    fn setting(&self, key: &str, origin: &Origin) -> Result<&'static Setting, ConfigError> {
        let matches = |setting: &&Setting| match setting.key.strip_suffix(".*") {
            None => setting.key == key,
            Some(table) => key.split_once('.').is_some_and(|(name, _)| name == table),
        };
        self.settings.iter().find(matches).ok_or_else(|| {
            let names: Vec<&str> = self.settings.iter().map(|setting| setting.key).collect();
            ConfigError::UnknownKey {
                origin: origin.clone(),
                key: key.to_owned(),
                remedy: format!("known keys are {}", names.join(", ")),
            }
        })
    }

    fn missing(&self, key: &str) -> ConfigError {
        let table = key.split_once('.').map_or(key, |(table, _)| table);
        let owner = self.settings.iter().find(|setting| {
            setting.key == key || setting.key.strip_suffix(".*").is_some_and(|name| name == table)
        });
        let (example, name) = owner.map_or(("", key), |setting| (setting.example, setting.key));
        let place = match name.split_once('.') {
            Some((table, _)) => format!("under [{table}] in"),
            None => "at the top of".to_owned(),
        };
        ConfigError::Missing {
            key: key.to_owned(),
            example: example.to_owned(),
            place,
            environment: environment_name(name),
        }
    }
}

/// The text of a file and the name it goes by.
struct File<'a> {
    text: &'a str,
    path: &'a Path,
}

impl File<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Origin::File { path: self.path.to_owned(), line }
    }
}

pub(super) fn environment_name(key: &str) -> String {
    let plain = key.trim_end_matches(".*");
    format!("SYNOD_{}", plain.replace('.', "_").to_uppercase())
}

/// Opens a regular file: a pipe would wait for whoever writes into it, and a device has no end.
fn open_regular(path: &Path) -> io::Result<OpenFile> {
    let kind = path.metadata()?;
    if !kind.is_file() {
        let what = if kind.is_dir() {
            "it is a directory; name a file in it, such as node-1.toml or client.toml"
        } else {
            "it is no regular file"
        };
        return Err(io::Error::other(what));
    }
    OpenFile::open(path)
}

/// Says how the one who names a file that is not there comes to it.
pub(super) fn with_remedy(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return format!(
            "{error}; name the file that `synod-kv init --dir DIR` made, or copy it here"
        );
    }
    error.to_string()
}

/// A configuration has some dozens of lines; more is another kind of file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
