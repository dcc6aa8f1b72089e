//! One connection to a node, over which one thing is asked at a time.
//!
//! What is asked and what an answer means is left to the parent. Claims kept true: what was not
//! connected was not sent; and a connection is asked again only if nothing came of it unasked and
//! all of the last answer was read.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that may be asked.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub(super) async fn open(at: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(at).await.map_err(|error| error.to_string())?;
        // A question is one write, which nothing else is to be waited for with.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream })
    }

    /// Returns whether it is still there as far as is known, and nothing came that was not asked.
    pub(super) fn is_quiet(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Asks, and reads until `read` finds a whole answer.
    ///
    /// # Errors
    ///
    /// Why there is no answer; what was asked may have been done.
    pub(super) async fn ask<T>(
        &mut self,
        question: &[u8],
        read: impl Fn(&[u8]) -> Result<Option<(T, usize)>, String>,
    ) -> Result<T, String> {
        let lost = |error: std::io::Error| format!("the connection was lost: {error}");
        self.stream.write_all(question).await.map_err(lost)?;
        let mut bytes = Vec::new();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = self.stream.read(&mut piece).await.map_err(lost)?;
            if count == 0 {
                return Err("the connection ended before the answer did".to_owned());
            }
            bytes.extend_from_slice(&piece[..count]);
            match read(&bytes) {
                Ok(Some((answer, used))) if used == bytes.len() => return Ok(answer),
                Ok(Some(_)) => return Err("more came than the answer".to_owned()),
                Ok(None) if bytes.len() < ANSWER_BYTES_MAX => {}
                Ok(None) => {
                    return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"));
                }
                Err(problem) => return Err(format!("the answer {problem}")),
            }
        }
    }
}

/// How much is read at once.
const PIECE_BYTES: usize = 64 << 10;

/// The longest answer, with all that belongs to its form.
const ANSWER_BYTES_MAX: usize = 8 << 20;
