//! The names of the files of a journal, but for the identity's.
//!
//! What is in the files is left to `segment` and `frame`. Claim kept: a segment's number has one
//! spelling, so no two files stand for the same segment.

use super::position::SegmentId;

/// The name under which the file that a rewriting replaced waits to become the spare.
pub(crate) fn replaced_name(segment: SegmentId) -> String {
    format!("{}{REPLACED_SUFFIX}", segment_name(segment))
}

/// The segment whose file a name says was replaced, or `None`.
pub(crate) fn replaced_of(name: &str) -> Option<SegmentId> {
    segment_of(name.strip_suffix(REPLACED_SUFFIX)?)
}

/// The name of a segment file.
pub(crate) fn segment_name(segment: SegmentId) -> String {
    format!("segment-{:08x}.log", segment.get())
}

/// The segment that a name stands for, or `None` when it is no segment's name.
pub(crate) fn segment_of(name: &str) -> Option<SegmentId> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".log")?;
    let segment = SegmentId::new(u32::from_str_radix(digits, 16).ok()?)?;
    // The number has one spelling: no signs, no capitals, eight digits.
    (segment_name(segment) == name).then_some(segment)
}

/// Tells whether a name is that of a segment that was never finished.
pub(crate) fn is_draft(name: &str) -> bool {
    name.starts_with("segment-") && name.ends_with(DRAFT_SUFFIX)
}

pub(crate) const DRAFT_SUFFIX: &str = ".new";
const REPLACED_SUFFIX: &str = ".old";

/// The name of the spare, see `spare`.
pub(crate) const SPARE_NAME: &str = "segment-spare";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_tells_of_each_name() {
        let readme = include_str!("../../README.md");
        let drafts = [DRAFT_SUFFIX, REPLACED_SUFFIX].map(|suffix| format!("*{suffix}"));
        for name in ["segment-%08x.log", SPARE_NAME].into_iter().chain(drafts.iter().map(|d| &**d))
        {
            assert!(readme.contains(&format!("\n| `{name}` | ")), "{name}");
        }
    }

    #[test]
    fn a_name_has_one_spelling() {
        let name = segment_name(SegmentId::FIRST);
        assert_eq!(name, "segment-00000001.log");
        assert_eq!(segment_of(&name), Some(SegmentId::FIRST));
        for other in ["segment-1.log", "segment-00000000.log", "segment-+0000001.log", "x"] {
            assert_eq!(segment_of(other), None, "{other}");
        }
        assert!(is_draft("segment-00000001.log.new"));
        assert!(!is_draft("IDENTITY.new"));
    }
}
