//! Base64 by RFC 4648, section 4, with its padding.
//!
//! The claim kept true: a text is read exactly if it is what the writing of some bytes makes.

/// Writes bytes.
pub(super) fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4_usize {
            if place <= three.len() {
                let digit = bits >> (18 - 6 * place) & 0x3f;
                text.push(char::from(DIGITS[digit as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Reads bytes; none if it is no Base64.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.as_bytes().chunks(4) {
        let mut bits = 0;
        let padding = four.iter().rev().take_while(|digit| **digit == b'=').count();
        for digit in four.iter().take(4 - padding.min(4)) {
            let value = DIGITS.iter().position(|known| known == digit)?;
            bits = bits << 6 | value as u32;
        }
        bits <<= 6 * padding.min(4);
        bytes.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
        bytes.truncate(bytes.len() - padding.min(3));
    }
    // Padding within the text, bits that no byte has, and what is left over make another text.
    (encoded(&bytes) == text).then_some(bytes)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn the_vectors_of_the_rfc_are_written_and_read() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_no_base64_is_not_read() {
        for wrong in ["Z", "Zg", "Zg=", "=", "====", "Zh==", "Zm=v", "Zg==Zg==", "Zm9v\n", "Zm-v"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }
}
