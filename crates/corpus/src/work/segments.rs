//! How the documents of a folder are cut into segments, the unit of work of `build`: what is
//! done is kept when a command is killed, and `--part` divides segments over machines.
//!
//! Segments are runs of documents by where these begin in the JSON of all documents files, so
//! they depend on the documents folder alone. It reads and writes nothing.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use crate::error::CorpusError;

/// Work that may be lost in a kill: a second or two.
const MOST_BYTES: u64 = 128 << 20;

/// Below this a file costs more than it saves.
const LEAST_BYTES: u64 = 1 << 20;

/// Enough segments to divide a small folder evenly over machines.
const AIM: u64 = 64;

/// Few enough that all can be open at once.
const MOST_SEGMENTS: u64 = 256;

/// The cut of one documents folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segments {
    /// JSON of a segment.
    pub(crate) bytes: u64,
    json_bytes: u64,
}

/// Which part of a job: `2/8` is the second of eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    number: u32,
    of: u32,
}

/// What a part of a job has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartReport {
    /// Which part.
    pub part: String,
    /// Where parts are kept until they are merged.
    pub folder: PathBuf,
    /// Segments of this part.
    pub segments: u32,
    /// Segments of all parts.
    pub all_segments: u32,
    /// Long inputs that are in one part whole, because they cannot be divided.
    pub undivided: Vec<PathBuf>,
}

impl Segments {
    pub(crate) fn of(json_bytes: u64) -> Self {
        let bytes = (json_bytes / AIM)
            .clamp(LEAST_BYTES, MOST_BYTES)
            .max(json_bytes.div_ceil(MOST_SEGMENTS));
        Self { bytes, json_bytes }
    }

    /// How many there are, at least one.
    pub(crate) fn count(self) -> u32 {
        u32::try_from(self.json_bytes.div_ceil(self.bytes).max(1)).unwrap_or(u32::MAX)
    }

    /// The segment of a document that begins at this byte.
    pub(crate) fn at(self, byte: u64) -> u32 {
        u32::try_from(byte / self.bytes).unwrap_or(u32::MAX)
    }

    /// Where the documents of a segment begin.
    pub(crate) fn range(self, segment: u32) -> Range<u64> {
        u64::from(segment) * self.bytes..u64::from(segment + 1) * self.bytes
    }

    /// The segments of a part; together all parts have each segment once.
    pub(crate) fn of_part(self, part: Part) -> Range<u32> {
        part.share(self.count())
    }
}

/// What `finished` finds of each segment of a job, in order.
///
/// # Errors
/// [`CorpusError::MissingParts`] when it finds nothing of some.
pub(crate) fn all_segments<T>(
    folder: &Path,
    segments: u32,
    finished: impl Fn(u32) -> Result<Option<T>, CorpusError>,
) -> Result<Vec<T>, CorpusError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for segment in 0..segments {
        match finished(segment)? {
            Some(segment) => found.push(segment),
            None => missing.push(segment),
        }
    }
    match missing.first() {
        None => Ok(found),
        Some(&first) => Err(CorpusError::MissingParts {
            folder: folder.to_owned(),
            missing: missing.len(),
            segments,
            first,
        }),
    }
}

impl Part {
    /// The whole job.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Which of `count` things in a row are this part's.
    pub(crate) fn share(self, count: u32) -> Range<u32> {
        let first = |number: u32| {
            let first = u64::from(count) * u64::from(number) / u64::from(self.of);
            u32::try_from(first).unwrap_or(count)
        };
        first(self.number - 1)..first(self.number)
    }

    /// Whether a piece of work that lies at this byte of so many is this part's.
    pub(crate) fn holds(self, byte: u64, all_bytes: u64) -> bool {
        let share = u128::from(byte) * u128::from(self.of) / u128::from(all_bytes.max(1));
        share.min(u128::from(self.of - 1)) == u128::from(self.number - 1)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err(format!(
                "{text} is not a part; write the second of eight parts as 2/8, the last one as 8/8"
            )),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_have_every_segment_once_in_order(json_bytes in 0_u64..1 << 45, of in 1_u32..300) {
            let segments = Segments::of(json_bytes);
            prop_assert!((1..=256).contains(&segments.count()), "{}", segments.count());
            let parts = (1..=of).flat_map(|number| segments.of_part(Part { number, of }));
            prop_assert!(parts.eq(0..segments.count()));
        }

        #[test]
        fn a_segment_holds_the_bytes_of_its_range(json_bytes in 1_u64..1 << 45, at in 0_u64..1 << 60) {
            let segments = Segments::of(json_bytes);
            let byte = at % json_bytes;
            prop_assert!(segments.at(byte) < segments.count());
            prop_assert!(segments.range(segments.at(byte)).contains(&byte));
        }
    }

    #[test]
    fn parts_are_counted_from_one() {
        assert_eq!("2/8".parse(), Ok(Part { number: 2, of: 8 }));
        assert_eq!("1/1".parse(), Ok(Part::WHOLE));
        for wrong in ["0/8", "9/8", "1/0", "1", "a/b", "1/2/3", ""] {
            assert!(wrong.parse::<Part>().unwrap_err().contains("2/8"), "{wrong}");
        }
    }
}
