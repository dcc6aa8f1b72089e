//! A file that is read as a whole, within a bound.
//!
//! What a path leads to is nobody's to choose but the caller's, and it may be a device without an
//! end. The claim kept true: no more than the bound is ever held, and what is longer is refused
//! and not cut.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Reads a file of at most so many bytes.
///
/// # Errors
///
/// What the system says, or that the file is longer.
pub fn read_whole(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let words = format!("it is longer than {bytes_max} bytes; name a file that is not");
        return Err(io::Error::new(ErrorKind::FileTooLarge, words));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use super::*;

    #[test]
    fn what_is_longer_than_the_bound_is_refused_and_what_has_no_end_as_well() {
        let file = std::env::temp_dir().join(format!("synod-whole-{}", std::process::id()));
        std::fs::write(&file, "four").unwrap();
        assert_eq!(read_whole(&file, 4).unwrap(), b"four");
        let refused = read_whole(&file, 3).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(refused.to_string(), "it is longer than 3 bytes; name a file that is not");
        let endless = read_whole(Path::new("/dev/zero"), 1 << 20).unwrap_err();
        assert_eq!(endless.kind(), ErrorKind::FileTooLarge);
    }
}
