//! The events of a history in EDN or JSON, one by one, however the history is wrapped.
//!
//! A history is maps one after the other, or in a list or a vector, or such a list under `:history`
//! of a map. Nothing but the event at hand is kept.

use std::io::BufRead;

use super::edn::{Edn, EdnError, Notation, Reader};

/// What ends the reading early.
pub(super) enum Stop<E> {
    /// The text is not in the notation.
    Text(EdnError),
    /// The system refused to give more of it, near this line.
    Source(u64, std::io::Error),
    /// The visitor said so.
    Visitor(E),
}

impl<E> From<EdnError> for Stop<E> {
    fn from(error: EdnError) -> Self {
        Self::Text(error)
    }
}

/// Calls `visit` with every event and the line on which it begins.
pub(super) fn each_event<E>(
    source: impl BufRead,
    notation: Notation,
    mut visit: impl FnMut(u64, &Edn) -> Result<(), E>,
) -> Result<(), Stop<E>> {
    let mut reader = Reader::new(source, notation);
    let read = top(&mut reader, &mut visit);
    // Bytes that could not be read look like an end.
    match reader.take_failure() {
        Some(failure) => Err(Stop::Source(reader.line(), failure)),
        None => read,
    }
}

fn top<R: BufRead, E>(
    reader: &mut Reader<R>,
    visit: &mut impl FnMut(u64, &Edn) -> Result<(), E>,
) -> Result<(), Stop<E>> {
    while let Some(line) = reader.next_line()? {
        match reader.peek() {
            Some(b'#') => {
                reader.skip_tag()?;
                if reader.peek().is_none() {
                    return Err(reader.cut("the text ends where a value was to come").into());
                }
            }
            Some(b'[' | b'(') => items(reader, visit)?,
            Some(b'{') => map(reader, line, visit)?,
            _ => {
                let form = reader.form()?;
                visit(line, &form).map_err(Stop::Visitor)?;
            }
        }
    }
    Ok(())
}

/// Reads a list of events.
fn items<R: BufRead, E>(
    reader: &mut Reader<R>,
    visit: &mut impl FnMut(u64, &Edn) -> Result<(), E>,
) -> Result<(), Stop<E>> {
    let end = if reader.take() == Some(b'[') { b']' } else { b')' };
    loop {
        let Some(line) = reader.next_line()? else {
            return Err(reader.cut("the text ends within the list of events").into());
        };
        if reader.peek() == Some(end) {
            reader.take();
            return Ok(());
        }
        let form = reader.form()?;
        visit(line, &form).map_err(Stop::Visitor)?;
    }
}

/// Reads a map, which is an event or has the events under `:history`.
fn map<R: BufRead, E>(
    reader: &mut Reader<R>,
    line: u64,
    visit: &mut impl FnMut(u64, &Edn) -> Result<(), E>,
) -> Result<(), Stop<E>> {
    reader.take();
    let mut entries = Vec::new();
    let mut wraps = false;
    loop {
        if reader.next_line()?.is_none() {
            return Err(reader.cut("the text ends within a map").into());
        }
        if reader.peek() == Some(b'}') {
            reader.take();
            break;
        }
        let key = reader.part(entries.is_empty())?;
        let names_history = key.word() == Some(HISTORY);
        reader.next_line()?;
        // A tag before the list says how it was kept, which is of no matter here.
        while names_history && reader.peek() == Some(b'#') {
            reader.skip_tag()?;
        }
        match reader.peek() {
            Some(b'[' | b'(') if names_history => {
                // What stands beside a history is no event, and is not kept.
                wraps = true;
                entries.clear();
                items(reader, visit)?;
            }
            Some(b'}') => return Err(reader.error("a map has a key without a value").into()),
            _ => {
                let value = reader.part(false)?;
                if !wraps {
                    entries.push((key, value));
                }
            }
        }
    }
    if wraps { Ok(()) } else { visit(line, &Edn::Map(entries)).map_err(Stop::Visitor) }
}

const HISTORY: &str = "history";
