//! The protocol of Redis, RESP 2: a command out, a reply in.
//!
//! What a reply means is said by `answer`, and how bytes come is left to `connection`. The claim
//! kept true: any bytes are a reply, the beginning of one, or refused, within bounds that do not
//! depend on what they say of themselves.

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A word such as OK.
    Simple(Vec<u8>),
    /// What went wrong.
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Self>),
}

/// Writes a command.
pub(super) fn command(words: &[String]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// Reads a reply and says how many bytes it takes; none if it is not there as a whole yet.
///
/// # Errors
///
/// What is wrong with it, in words that follow on "the answer".
pub(super) fn reply(bytes: &[u8]) -> Result<Option<(Reply, usize)>, String> {
    let mut reader = Reader { bytes, at: 0, elements: 0 };
    Ok(reader.reply(0)?.map(|reply| (reply, reader.at)))
}

impl Reply {
    /// Spells it as one text, the elements of a list with spaces between.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Simple(bytes) | Self::Error(bytes) | Self::Bulk(bytes) => {
                String::from_utf8_lossy(bytes).into_owned()
            }
            Self::Integer(number) => number.to_string(),
            Self::Nil => String::new(),
            Self::Array(elements) => elements.iter().map(Self::text).collect::<Vec<_>>().join(" "),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Elements of lists so far, of those in lists as well.
    elements: usize,
}

impl<'a> Reader<'a> {
    fn reply(&mut self, depth: usize) -> Result<Option<Reply>, String> {
        let Some(kind) = self.bytes.get(self.at).copied() else { return Ok(None) };
        if !b"+-:$*".contains(&kind) {
            return Err(format!("begins with the byte {kind:#04x}, which no reply of RESP 2 does"));
        }
        self.at += 1;
        let Some(line) = self.line()? else { return Ok(None) };
        match kind {
            b'+' => Ok(Some(Reply::Simple(line.to_vec()))),
            b'-' => Ok(Some(Reply::Error(line.to_vec()))),
            b':' => Ok(Some(Reply::Integer(number(line)?))),
            b'$' => match length(line, BULK_BYTES_MAX)? {
                None => Ok(Some(Reply::Nil)),
                Some(length) => self.bulk(length),
            },
            _ => match length(line, ELEMENTS_MAX)? {
                None => Ok(Some(Reply::Nil)),
                Some(length) => self.array(length, depth),
            },
        }
    }

    fn line(&mut self) -> Result<Option<&'a [u8]>, String> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            if rest.len() > LINE_BYTES_MAX {
                return Err(format!("has a line of more than {LINE_BYTES_MAX} bytes"));
            }
            return Ok(None);
        };
        let Some(line) = rest[..end].strip_suffix(b"\r") else {
            return Err("has a line that does not end as lines of RESP do".to_owned());
        };
        if line.len() > LINE_BYTES_MAX || line.contains(&b'\r') {
            return Err("has a line that is too long, or ends within".to_owned());
        }
        self.at += end + 1;
        Ok(Some(line))
    }

    fn bulk(&mut self, length: usize) -> Result<Option<Reply>, String> {
        let rest = &self.bytes[self.at..];
        let Some(whole) = rest.get(..length + 2) else { return Ok(None) };
        let Some(text) = whole.strip_suffix(b"\r\n") else {
            return Err(format!("has a text that is not {length} bytes long, as it says"));
        };
        self.at += whole.len();
        Ok(Some(Reply::Bulk(text.to_vec())))
    }

    fn array(&mut self, length: usize, depth: usize) -> Result<Option<Reply>, String> {
        self.elements += length;
        if depth >= DEPTH_MAX {
            return Err(format!("has lists in lists, more than {DEPTH_MAX} deep"));
        }
        if self.elements > ELEMENTS_MAX {
            return Err(format!("has more than {ELEMENTS_MAX} elements"));
        }
        let mut elements = Vec::new();
        for _ in 0..length {
            let Some(element) = self.reply(depth + 1)? else { return Ok(None) };
            elements.push(element);
        }
        Ok(Some(Reply::Array(elements)))
    }
}

fn number(line: &[u8]) -> Result<i64, String> {
    let digits = line.strip_prefix(b"-").unwrap_or(line);
    let text = std::str::from_utf8(line).ok().filter(|_| digits.iter().all(u8::is_ascii_digit));
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| "has a number that is none, or too large".to_owned())
}

/// Reads a length; none stands for nothing.
fn length(line: &[u8], most: usize) -> Result<Option<usize>, String> {
    let length = number(line)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| format!("has a length of {length}"))?;
    if length > most {
        return Err(format!("has a length of {length}; {most} is the most"));
    }
    Ok(Some(length))
}

/// A line of a reply.
const LINE_BYTES_MAX: usize = 64 << 10;

/// A text of a reply.
const BULK_BYTES_MAX: usize = 4 << 20;

/// Elements of all lists of a reply.
const ELEMENTS_MAX: usize = 65_536;

/// How deep lists stand in lists.
const DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ready_client::changed_bytes;

    fn whole(text: &str) -> Reply {
        let (reply, used) = reply(text.as_bytes()).expect(text).expect(text);
        assert_eq!(used, text.len());
        reply
    }

    const REPLIES: [&str; 8] = [
        "+OK\r\n",
        "-ERR no\r\n",
        ":-7\r\n",
        "$5\r\na\r\nbc\r\n",
        "$0\r\n\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*3\r\n$1\r\na\r\n*1\r\n:2\r\n$-1\r\n",
    ];

    #[test]
    fn each_form_of_a_reply_is_read() {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        let read = REPLIES.map(whole);
        let expected = [
            Reply::Simple(b"OK".to_vec()),
            Reply::Error(b"ERR no".to_vec()),
            Reply::Integer(-7),
            bulk("a\r\nbc"),
            bulk(""),
            Reply::Nil,
            Reply::Nil,
            Reply::Array(vec![bulk("a"), Reply::Array(vec![Reply::Integer(2)]), Reply::Nil]),
        ];
        assert_eq!(read, expected);
        assert_eq!(read[7].text(), "a 2 ");
    }

    #[test]
    fn the_beginning_of_a_reply_is_none_and_more_than_one_is_told_by_its_end() {
        for text in REPLIES {
            for end in 0..text.len() {
                assert_eq!(reply(&text.as_bytes()[..end]), Ok(None), "{:?}", &text[..end]);
            }
            let more = format!("{text}+MORE\r\n");
            let (first, used) = reply(more.as_bytes()).expect(text).expect(text);
            assert_eq!((first, used), (whole(text), text.len()));
        }
    }

    #[test]
    fn what_no_server_says_is_refused_at_once() {
        let deep = "*1\r\n".repeat(DEPTH_MAX + 1);
        let many = format!("*{ELEMENTS_MAX}\r\n*1\r\n");
        let long = format!("+{}", "x".repeat(LINE_BYTES_MAX + 1));
        for (text, why) in [
            ("HTTP/1.1 400", "begins with the byte 0x48"),
            ("_\r\n", "begins with the byte 0x5f"),
            ("$-2\r\n", "has a length of -2"),
            ("*-2\r\n", "has a length of -2"),
            ("$99999999999\r\n", "has a length of 99999999999; 4194304 is the most"),
            ("*99999999999\r\n", "has a length of 99999999999; 65536 is the most"),
            ("$99999999999999999999\r\n", "has a number that is none, or too large"),
            (":\r\n", "has a number that is none"),
            (":+7\r\n", "has a number that is none"),
            ("$x\r\n", "has a number that is none"),
            ("+OK\n", "has a line that does not end"),
            ("+a\rb\r\n", "has a line that is too long, or ends within"),
            ("$1\r\nabc", "has a text that is not 1 bytes long"),
            (&deep, "has lists in lists, more than 8 deep"),
            (&many, "has more than 65536 elements"),
            (&long, "has a line of more than 65536 bytes"),
        ] {
            let told = reply(text.as_bytes()).expect_err(text);
            assert!(told.starts_with(why), "{told}");
        }
    }

    /// Bytes of replies, changed at random: each is read, refused or waited for, and what is read
    /// does not go past its end.
    #[test]
    fn no_bytes_make_it_panic_or_read_past_their_end() {
        changed_bytes::check("resp", &REPLIES, b"+-:$*0129\r\nx\xff", |bytes| {
            reply(bytes).map(|read| read.map(|(_, used)| used))
        });
    }

    #[test]
    fn a_command_tells_the_length_of_each_word_in_bytes() {
        let words = ["SET", "k", "\u{e9}\r\n"].map(str::to_owned);
        assert_eq!(
            command(&words),
            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n\u{e9}\r\n\r\n".as_bytes()
        );
    }
}
