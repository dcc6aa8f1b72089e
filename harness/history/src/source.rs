//! The bytes of a history: a file or standard input, packed or not, with line and column.
//!
//! A gzip stream is known by its first two bytes, and a byte order mark is skipped. Nothing is read
//! ahead of a buffer of fixed size, so a file of any length takes no memory here.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::HistoryError;

/// Opens a file, or standard input where the path is `-`.
///
/// # Errors
///
/// [`HistoryError`] with what the system says, or that a gzip stream is broken from its beginning.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, HistoryError> {
    let broken = |error| HistoryError::of_source(&path.display().to_string(), 1, error);
    if path == Path::new(STANDARD_INPUT) {
        return unpacked(io::stdin()).map_err(broken);
    }
    let file = File::open(path);
    let file = file.map_err(|source| HistoryError::Io { path: path.to_owned(), source })?;
    unpacked(file).map_err(broken)
}

/// Unpacks what is packed, and skips a byte order mark.
///
/// # Errors
///
/// What the system says.
fn unpacked(mut source: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let head = first_bytes(&mut source, GZIP.len())?;
    let is_packed = head == GZIP;
    let source = io::Cursor::new(head).chain(source);
    let mut source: Box<dyn Read> = if is_packed {
        let source = BufReader::with_capacity(BUFFER_BYTES, source);
        Box::new(MultiGzDecoder::new(source))
    } else {
        Box::new(source)
    };
    let mut head = first_bytes(&mut source, BYTE_ORDER_MARK.len())?;
    if head == BYTE_ORDER_MARK {
        head.clear();
    }
    let source = io::Cursor::new(head).chain(source);
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, source)))
}

/// Takes so many bytes, fewer at the end. A pipe may give them one by one, so that a buffer shows
/// what came first and not all of these.
fn first_bytes(source: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count);
    source.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads bytes one by one and knows where it is.
pub(super) struct Cursor<R> {
    source: R,
    /// The line, from 1.
    pub(super) line: u64,
    /// The column of the next byte, from 1, in letters.
    pub(super) column: u64,
    /// The first error of the source, at which the bytes end.
    pub(super) failure: Option<io::Error>,
}

impl<R: BufRead> Cursor<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, line: 1, column: 1, failure: None }
    }

    /// Returns the next byte and leaves it there; none at the end.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.buffer().first().copied()
    }

    /// Takes the next byte.
    pub(super) fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.source.consume(1);
        if byte == b'\n' {
            self.line += 1;
            self.column = 1;
        } else {
            // The bytes of a letter after its first are of this form.
            self.column += u64::from(byte & 0xc0 != 0x80);
        }
        Some(byte)
    }

    /// Takes bytes as long as they are wanted, and gives them to `keep`; ends early once it holds
    /// more than `most`, by no more than a buffer.
    pub(super) fn take_while(
        &mut self,
        wanted: impl Fn(u8) -> bool,
        keep: &mut Vec<u8>,
        most: usize,
    ) {
        loop {
            let buffer = self.buffer();
            let length = buffer.iter().position(|byte| !wanted(*byte)).unwrap_or(buffer.len());
            let all = length == buffer.len();
            let taken = &buffer[..length];
            keep.extend_from_slice(taken);
            let lines = taken.iter().filter(|byte| **byte == b'\n').count() as u64;
            let after = taken.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            let letters = taken[after..].iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64;
            self.line += lines;
            self.column = if lines > 0 { 1 } else { self.column } + letters;
            self.source.consume(length);
            if !all || length == 0 || keep.len() > most {
                return;
            }
        }
    }

    fn buffer(&mut self) -> &[u8] {
        if self.failure.is_some() {
            return &[];
        }
        // A second look, because the borrow of the first would outlast an error.
        if let Err(error) = self.source.fill_buf() {
            self.failure = Some(error);
            return &[];
        }
        self.source.fill_buf().unwrap_or_default()
    }
}

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

const BUFFER_BYTES: usize = 64 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// A pipe into which somebody writes byte by byte.
    struct ByteByByte(Cursor<Vec<u8>>);

    impl Read for ByteByByte {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn what_comes_byte_by_byte_is_known_for_what_it_is() {
        let marked = b"\xef\xbb\xbfa history".to_vec();
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&marked).expect("memory takes it");
        let packed = packed.finish().expect("memory takes it");
        for bytes in [packed, marked, b"a history".to_vec()] {
            let source = unpacked(ByteByByte(Cursor::new(bytes)));
            let mut text = String::new();
            let read = source.and_then(|mut source| source.read_to_string(&mut text));
            assert!(read.is_ok() && text == "a history", "{read:?}: {text:?}");
        }
    }
}
