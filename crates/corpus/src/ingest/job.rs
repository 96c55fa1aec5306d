//! How the inputs of `ingest` are cut into segments, the unit of work: what is done is kept when
//! a command is killed, and `--part` divides segments over machines. It reads no input.
//!
//! A segment is a run of filings, or one dump. A dump's segment is kept in pieces, because it may
//! be of any size; a piece says where in the dump the next one begins.

use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::kept::{KEPT_FORMAT, PieceFacts};
use crate::edgar::Exhibits;
use crate::error::CorpusError;
use crate::inputs::Input;
use crate::scratch::ScratchFolder;
use crate::segments::{Part, all_segments};
use crate::wikipedia::DumpPlace;

/// Work that may be lost in a kill: some seconds.
const MOST_BYTES: u64 = 128 << 20;

/// Below this a folder costs more than it saves.
const LEAST_BYTES: u64 = 4 << 20;

/// Enough segments to divide a few filings over machines.
const AIM: u64 = 64;

/// All work of one `ingest`.
pub(super) struct Job<'a> {
    /// Filings, then dumps, in the order in which their documents are written.
    pub(super) inputs: &'a [Input],
    pub(super) segments: Vec<InputSegment>,
    /// Where finished segments are.
    pub(super) folder: PathBuf,
    /// A piece of a dump has at least so much of the file.
    pub(super) piece_bytes: u64,
    all_bytes: u64,
}

/// Inputs that are read in one go.
pub(super) struct InputSegment {
    /// Indices of the inputs.
    pub(super) inputs: Range<usize>,
    pub(super) is_dump: bool,
    /// Identifies all that its content depends on.
    pub(super) key: String,
    /// Bytes of input before it.
    first_byte: u64,
}

/// What is finished of a segment.
pub(super) enum State {
    /// All of it, in so many pieces.
    Whole(u32),
    /// So many pieces; the next one begins here.
    Begun(u32, DumpPlace),
}

impl<'a> Job<'a> {
    /// Cuts inputs, of which the first are filings and the others dumps.
    pub(super) fn new(inputs: &'a [Input], num_filings: usize, exhibits: Exhibits, folder: PathBuf) -> Self {
        let all_bytes = bytes(inputs);
        let segment_bytes = (all_bytes / AIM).clamp(LEAST_BYTES, MOST_BYTES);
        let mut job = Self {
            inputs,
            segments: Vec::new(),
            folder,
            piece_bytes: segment_bytes,
            all_bytes,
        };
        let (filings, dumps) = inputs.split_at(num_filings);
        let mut first = 0;
        for run in runs(filings, segment_bytes) {
            job.push(first..first + run.len(), false, exhibits);
            first += run.len();
        }
        for dump in num_filings..num_filings + dumps.len() {
            job.push(dump..dump + 1, true, exhibits);
        }
        job
    }

    fn push(&mut self, inputs: Range<usize>, is_dump: bool, exhibits: Exhibits) {
        let key = segment_key(&self.inputs[inputs.clone()], is_dump, exhibits);
        let before = self.segments.last();
        self.segments.push(InputSegment {
            first_byte: before.map_or(0, |last| {
                last.first_byte + bytes(&self.inputs[last.inputs.clone()])
            }),
            inputs,
            is_dump,
            key,
        });
    }

    /// The segments of a part, by where their middles are; together all parts have each once.
    pub(super) fn of_part(&self, part: Part) -> Vec<usize> {
        let middle = |segment: &InputSegment| {
            let own = bytes(&self.inputs[segment.inputs.clone()]);
            segment.first_byte + own / 2
        };
        (0..self.segments.len())
            .filter(|segment| part.holds(middle(&self.segments[*segment]), self.all_bytes))
            .collect()
    }

    /// What is finished of a segment.
    pub(super) fn state(&self, segment: usize) -> Result<State, CorpusError> {
        let (mut piece, mut from) = (0, DumpPlace::default());
        loop {
            let facts: Option<PieceFacts> = ScratchFolder::facts(&self.piece(segment, piece))?;
            let fits =
                |facts: &PieceFacts| facts.key == self.segments[segment].key && facts.from == from.offset;
            let Some(facts) = facts.filter(fits) else {
                return Ok(State::Begun(piece, from));
            };
            piece += 1;
            match facts.next {
                Some(next) => from = next,
                None => return Ok(State::Whole(piece)),
            }
        }
    }

    /// The pieces of each segment.
    ///
    /// # Errors
    /// [`CorpusError::MissingParts`] when some are not there.
    pub(super) fn num_pieces(&self) -> Result<Vec<u32>, CorpusError> {
        let segments = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
        all_segments(&self.folder, segments, |segment| {
            Ok(match self.state(segment as usize)? {
                State::Whole(num_pieces) => Some(num_pieces),
                State::Begun(..) => None,
            })
        })
    }

    /// The folder of a piece.
    pub(super) fn piece(&self, segment: usize, piece: u32) -> PathBuf {
        let name = format!("segment-{segment:05}");
        let path: &Path = &self.folder;
        match piece {
            0 => path.join(name),
            piece => path.join(format!("{name}.{piece:05}")),
        }
    }
}

/// Hashed as it is written out: a segment may have very many small inputs.
fn segment_key(inputs: &[Input], is_dump: bool, exhibits: Exhibits) -> String {
    let mut key = Sha256::new();
    key.update(format!(
        "{KEPT_FORMAT} {} {is_dump} {exhibits}",
        env!("CARGO_PKG_VERSION")
    ));
    for input in inputs {
        let path = input.path.as_os_str().as_encoded_bytes();
        for text in [input.name.as_bytes(), path] {
            key.update(text.len().to_le_bytes());
            key.update(text);
        }
        key.update(input.bytes.to_le_bytes());
        key.update(input.modified_ns.to_le_bytes());
    }
    format!("{:x}", key.finalize())
}

/// Runs of inputs of at least so many bytes together, the last of any.
fn runs(inputs: &[Input], run_bytes: u64) -> Vec<&[Input]> {
    let (mut runs, mut first, mut bytes) = (Vec::new(), 0, 0);
    for (index, input) in inputs.iter().enumerate() {
        bytes += input.bytes;
        if bytes >= run_bytes {
            runs.push(&inputs[first..=index]);
            (first, bytes) = (index + 1, 0);
        }
    }
    if first < inputs.len() {
        runs.push(&inputs[first..]);
    }
    runs
}

fn bytes(inputs: &[Input]) -> u64 {
    inputs.iter().map(|input| input.bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_input_is_in_one_segment_of_one_part_in_order(
            sizes in proptest::collection::vec(0_u64..3 << 20, 0..60),
            num_filings in 0_usize..60,
            num_parts in 1_u32..9
        ) {
            let inputs: Vec<Input> = sizes
                .iter()
                .enumerate()
                .map(|(index, bytes)| Input {
                    name: format!("{index:03}"),
                    bytes: *bytes,
                    ..Input::default()
                })
                .collect();
            let num_filings = num_filings.min(inputs.len());
            let job = Job::new(&inputs, num_filings, Exhibits::default(), PathBuf::new());
            let covered: Vec<usize> = job.segments.iter().flat_map(|segment| segment.inputs.clone()).collect();
            prop_assert_eq!(covered, (0..inputs.len()).collect::<Vec<_>>());
            for segment in &job.segments {
                prop_assert!(!segment.inputs.is_empty() && (segment.inputs.len() == 1 || !segment.is_dump));
                prop_assert_eq!(segment.is_dump, segment.inputs.start >= num_filings);
                prop_assert_eq!(segment.first_byte, bytes(&inputs[..segment.inputs.start]));
            }
            let parts = (1..=num_parts).map(|number| format!("{number}/{num_parts}").parse().unwrap());
            let all: Vec<usize> = parts.flat_map(|part| job.of_part(part)).collect();
            prop_assert_eq!(all, (0..job.segments.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_segment_is_another_one_when_an_input_of_it_is() {
        let input = |bytes, modified_ns| Input {
            name: "a.txt".into(),
            path: "raw/a.txt".into(),
            bytes,
            modified_ns,
        };
        let key = |input: Input, exhibits| {
            let inputs = [input];
            Job::new(&inputs, 1, exhibits, PathBuf::new()).segments[0]
                .key
                .clone()
        };
        let one = key(input(5, 7), Exhibits::default());
        assert_eq!(one, key(input(5, 7), Exhibits::default()));
        assert_ne!(one, key(input(6, 7), Exhibits::default()));
        assert_ne!(one, key(input(5, 8), Exhibits::default()));
        assert_ne!(one, key(input(5, 7), Exhibits::All));
    }
}
