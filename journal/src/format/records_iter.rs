//! The body of a frame: records, each behind its length.
//!
//! How a body is gathered is left to `records`, which body belongs to a header to `frame`. Claim
//! kept: nothing outside of the body is read, whatever the lengths in it say.

/// Bytes in front of each record in a frame: its length.
pub(crate) const RECORD_PREFIX_BYTES: usize = 4;

/// The records of one commit, in order.
#[derive(Clone, Debug)]
pub struct RecordsIter<'a> {
    body: &'a [u8],
}

impl<'a> RecordsIter<'a> {
    /// Walks over a body whose structure `is_well_formed` has confirmed.
    pub(crate) fn over(body: &'a [u8]) -> Self {
        Self { body }
    }
}

impl<'a> Iterator for RecordsIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (record, rest) = split_record(self.body)?;
        self.body = rest;
        Some(record)
    }
}

/// Tells whether a body holds exactly `count` records and nothing else.
pub(crate) fn is_well_formed(mut body: &[u8], count: u32) -> bool {
    for _ in 0..count {
        let Some((_, rest)) = split_record(body) else { return false };
        body = rest;
    }
    // Bytes behind the last record would be read by nobody, and are a sign that the count is not
    // that of this body.
    body.is_empty()
}

fn split_record(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = body.split_first_chunk::<RECORD_PREFIX_BYTES>()?;
    let bytes = u32::from_le_bytes(*prefix) as usize;
    rest.split_at_checked(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::records::Records;

    #[test]
    fn a_body_is_well_formed_for_its_own_count_alone() {
        let records: Records = [&b"a"[..], b"", b"ccc"].into_iter().collect();
        assert!(is_well_formed(records.body(), 3));
        for count in [0, 1, 2, 4, u32::MAX] {
            assert!(!is_well_formed(records.body(), count), "count {count}");
        }
        assert!(!is_well_formed(&records.body()[..records.body().len() - 1], 3));
    }
}
