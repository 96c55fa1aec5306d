//! The digest of a step: what every slot holds, before any tensor exists.
//!
//! A slot's digest is xxh3-64 over these bytes, all little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | step |
//! | 8 | slot in the step |
//! | 4 | length n: tokens of the sequence, `<s>` and `</s>` included, no padding |
//! | 4 | number m of masked positions |
//! | 4 n | token ids as the model sees them |
//! | 4 m | masked positions |
//! | 4 m | labels: the original token of each |
//!
//! A step's digest is the wrapping sum over its slots, so ranks add theirs up in any order.

use xxhash_rust::xxh3::xxh3_64;

use crate::ids::Step;

/// A digest as it is logged: 16 hexadecimal digits.
pub fn format_digest(digest: u64) -> String {
    format!("{digest:016x}")
}

/// The content of one slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotContent<'a> {
    pub(crate) step: Step,
    pub(crate) slot: u64,
    pub(crate) input_ids: &'a [u32],
    pub(crate) masked_positions: &'a [u32],
    pub(crate) labels: &'a [u32],
}

/// The digest of one slot; `bytes` is scratch.
pub(crate) fn slot_digest(content: &SlotContent<'_>, bytes: &mut Vec<u8>) -> u64 {
    bytes.clear();
    bytes.extend_from_slice(&content.step.0.to_le_bytes());
    bytes.extend_from_slice(&content.slot.to_le_bytes());
    bytes.extend_from_slice(&count(content.input_ids).to_le_bytes());
    bytes.extend_from_slice(&count(content.masked_positions).to_le_bytes());
    for words in [content.input_ids, content.masked_positions, content.labels] {
        let start = bytes.len();
        bytes.resize(start + 4 * words.len(), 0);
        for (chunk, word) in bytes[start..].as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *chunk = word.to_le_bytes();
        }
    }
    xxh3_64(bytes)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a sequence is far shorter than 2^32"
)]
fn count(words: &[u32]) -> u32 {
    words.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content<'a>(input_ids: &'a [u32], masked_positions: &'a [u32], labels: &'a [u32]) -> SlotContent<'a> {
        SlotContent {
            step: Step(3),
            slot: 5,
            input_ids,
            masked_positions,
            labels,
        }
    }

    #[test]
    fn the_digest_is_xxh3_over_the_bytes_of_the_table() {
        let mut bytes = Vec::new();
        slot_digest(&content(&[0, 9, 2], &[1], &[8]), &mut bytes);
        let mut expected = vec![
            3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0,
        ];
        for word in [0_u8, 9, 2, 1, 8] {
            expected.extend([word, 0, 0, 0]);
        }
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_change_of_anything_in_a_slot_changes_its_digest() {
        let mut bytes = Vec::new();
        let base = content(&[0, 9, 7, 2], &[1, 2], &[8, 7]);
        let mut digest = |content: &SlotContent<'_>| slot_digest(content, &mut bytes);
        let first = digest(&base);
        let others = [
            SlotContent {
                step: Step(4),
                ..base
            },
            SlotContent { slot: 6, ..base },
            content(&[0, 9, 6, 2], &[1, 2], &[8, 7]),
            content(&[0, 9, 7], &[1, 2], &[8, 7]),
            content(&[0, 9, 7, 2], &[1, 3], &[8, 7]),
            content(&[0, 9, 7, 2], &[1, 2], &[8, 6]),
            content(&[0, 9, 7, 2], &[1], &[8]),
        ];
        for other in others {
            assert_ne!(digest(&other), first, "{other:?}");
        }
        assert_eq!(digest(&base), first);
    }

    #[test]
    fn a_digest_is_written_with_16_digits() {
        assert_eq!(format_digest(0xab), "00000000000000ab");
    }
}
