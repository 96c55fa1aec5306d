//! What is known of a document beside its tokens, as one record of fixed size: enough to place
//! it and to find its duplicates without reading its text. It reads and writes nothing.
//!
//! A record, little-endian:
//!
//! | offset | type | content |
//! |---|---|---|
//! | 0 | u128 | hash of the id |
//! | 16 | u128 | hash of the text alone |
//! | 32 | u64 | key of the filer |
//! | 40 | u64 | key of the company's name beside its CIK, 0 without |
//! | 48 | u64 | accession number |
//! | 56 | u64 | offset of the spool's record |
//! | 64 | u32 | length of the spool's record |
//! | 68 | u32 | tokens |
//! | 72 | u32 | source, as an index into the names of its segment |
//! | 76 | u32 | day as a number, 20191231 |
//! | 80 | u32 | sequence in the submission |
//! | 84 | 128 x u32 | signature |
//!
//! Unknown numbers are the largest.

use documents::{Document, document_text_blocks};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::build::minhash::{NUM_BINS, Signature};
use crate::selection::day::Day;
use crate::selection::filer::{DocumentHead, FilerNames};
use crate::work::record::part;

const FACTS_BYTES: usize = 84;
const UNKNOWN: u32 = u32::MAX;

/// A document as placing and the search for duplicates see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) id: u128,
    /// Hash of the text alone.
    pub(crate) text: u128,
    pub(crate) filer: FilerNames,
    pub(crate) record_offset: u64,
    pub(crate) record_bytes: u32,
    pub(crate) tokens: u32,
    pub(crate) source: u32,
    pub(crate) age: Age,
    pub(crate) signature: Signature,
}

/// Which of two like documents came first; smaller is earlier, unknown is last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age {
    day: u32,
    accession: u64,
    sequence: u32,
}

impl Fingerprint {
    pub(crate) const BYTES: usize = FACTS_BYTES + 4 * NUM_BINS;

    /// What the document itself says; where its tokens are and how many is filled in later.
    pub(crate) fn of(document: &Document) -> Self {
        let mut text = Xxh3::new();
        for block in document_text_blocks(document) {
            text.update(block.as_bytes());
            text.update(b"\n");
        }
        Self {
            id: xxh3_128(document.id.as_bytes()),
            text: text.digest128(),
            filer: FilerNames::of(&DocumentHead::of(document)),
            record_offset: 0,
            record_bytes: 0,
            tokens: 0,
            source: 0,
            age: Age::of(document),
            signature: Signature::of(document_text_blocks(document)),
        }
    }

    /// The day of the document.
    pub(crate) fn day(&self) -> Option<Day> {
        Day::from_number(self.age.day)
    }

    pub(crate) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&self.id.to_le_bytes());
        put(&self.text.to_le_bytes());
        let (filer, company) = self.filer.numbers();
        for number in [filer, company, self.age.accession, self.record_offset] {
            put(&number.to_le_bytes());
        }
        for number in [
            self.record_bytes,
            self.tokens,
            self.source,
            self.age.day,
            self.age.sequence,
        ] {
            put(&number.to_le_bytes());
        }
        put(&self.signature.to_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let long = |at| u64::from_le_bytes(part(bytes, at));
        let short = |at| u32::from_le_bytes(part(bytes, at));
        Self {
            id: u128::from_le_bytes(part(bytes, 0)),
            text: u128::from_le_bytes(part(bytes, 16)),
            filer: FilerNames::from_numbers(long(32), long(40)),
            record_offset: long(56),
            record_bytes: short(64),
            tokens: short(68),
            source: short(72),
            age: Age {
                day: short(76),
                accession: long(48),
                sequence: short(80),
            },
            signature: Signature::from_bytes(&part(bytes, FACTS_BYTES)),
        }
    }
}

impl Age {
    pub(crate) const BYTES: usize = 16;

    fn of(document: &Document) -> Self {
        // 0009999999-18-000145:1
        let (accession, sequence) = document.id.split_once(':').unwrap_or((&document.id, ""));
        let is_accession =
            accession.len() == 20 && accession.bytes().filter(|byte| *byte == b'-').count() == 2;
        let accession = is_accession.then(|| accession.replace('-', "").parse().ok());
        Self {
            day: Day::of(document).map_or(UNKNOWN, Day::number),
            accession: accession.flatten().unwrap_or(u64::MAX),
            sequence: sequence.parse().unwrap_or(UNKNOWN),
        }
    }

    /// Bytes that sort as ages do.
    pub(crate) fn sort_key(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.day.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.accession.to_be_bytes());
        bytes[12..].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::{Block, BlockKind};

    fn document(id: &str, filed: Option<&str>) -> Document {
        Document {
            id: id.into(),
            cik: Some("0000000007".into()),
            company: Some("Example Widgets, Inc.".into()),
            filed: filed.map(String::from),
            blocks: vec![
                Block::new(BlockKind::PageFurniture, id),
                Block::new(BlockKind::Paragraph, "the same words"),
            ],
            ..Document::default()
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        for document in [
            document("a", None),
            document("0009999999-18-000145:2", Some("2018-11-05")),
        ] {
            let fingerprint = Fingerprint {
                record_offset: 1 << 40,
                record_bytes: 2,
                tokens: 3,
                source: 4,
                ..Fingerprint::of(&document)
            };
            assert_eq!(Fingerprint::from_bytes(&fingerprint.to_bytes()), fingerprint);
            assert_eq!(fingerprint.day(), Day::of(&document));
        }
    }

    #[test]
    fn the_text_alone_is_hashed_without_page_furniture() {
        let [a, b] = ["a", "b"].map(|id| Fingerprint::of(&document(id, None)));
        assert_eq!(a.text, b.text);
        let mut split = document("a", None);
        split.blocks[1].text = "the same".into();
        split.blocks.push(Block::new(BlockKind::Paragraph, "words"));
        assert_ne!(Fingerprint::of(&split).text, a.text, "other blocks");
    }

    #[test]
    fn the_earliest_filed_comes_first_then_the_smallest_accession_number_and_unknown_last() {
        let ordered = [
            document("0000900000-10-000001:1", Some("2010-03-01")),
            document("0000000001-10-000009:1", Some("2010-03-02")),
            document("0000000001-10-000010:2", Some("2010-03-02")),
            document("0000000001-10-000010:10", Some("2010-03-02")),
            document("file:0123456789abcdef", Some("2010-03-02")),
            document("0000000001-09-000001:1", None),
        ];
        let ages = ordered.each_ref().map(Age::of);
        assert!(ages.is_sorted_by(|a, b| a < b), "{ages:?}");
        assert!(ages.map(Age::sort_key).is_sorted_by(|a, b| a < b));
    }
}
