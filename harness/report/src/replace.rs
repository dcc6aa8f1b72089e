//! A page put into its place at once, or not at all.
//!
//! It is written beside its place and moved there, so that nobody ever reads half a page, and of
//! two that write at once the later one wins whole. Claim kept true: what is no file, such as
//! `/dev/null`, is written to and never replaced.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Puts `content` into the place of a file, which a link may lead to.
pub(super) fn replace(path: &Path, content: &str) -> io::Result<()> {
    // A link stays, and what it leads to is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_special = fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
    if is_special {
        return fs::write(path, content);
    }
    let beside = beside(path);
    let put = fs::write(&beside, content).and_then(|()| fs::rename(&beside, path));
    if put.is_err() {
        // It may not even be there; what counts is why.
        drop(fs::remove_file(&beside));
    }
    put
}

/// Returns a name beside a file that no other writer has.
fn beside(path: &Path) -> PathBuf {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let turn = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{turn}.part", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use std::os::unix::fs::FileTypeExt;

    use super::*;

    /// Runs `check` in a folder of its own, which is gone afterwards.
    fn in_folder(name: &str, check: impl FnOnce(&Path)) {
        let folder = std::env::temp_dir().join(format!("synod-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        check(&folder);
        fs::remove_dir_all(&folder).unwrap();
    }

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_where_a_link_leads() {
        in_folder("replace", |folder| {
            let (page, link) = (folder.join("page.html"), folder.join("link.html"));
            fs::write(&page, "before").unwrap();
            std::os::unix::fs::symlink("page.html", &link).unwrap();
            replace(&link, "after").unwrap();
            assert_eq!(fs::read_to_string(&page).unwrap(), "after");
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link is left");
            assert_eq!(names(folder).len(), 2, "nothing is left beside");
        });
    }

    #[test]
    fn what_cannot_be_replaced_leaves_nothing_beside() {
        in_folder("replaced", |folder| {
            let taken = folder.join("taken");
            fs::create_dir(&taken).unwrap();
            assert!(replace(&taken, "page").is_err());
            assert!(replace(&folder.join("no/such/page"), "page").is_err());
            assert_eq!(names(folder), ["taken"]);
        });
    }

    #[test]
    fn a_device_stays_one() {
        let null = Path::new("/dev/null");
        replace(null, "gone").unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());
    }
}
