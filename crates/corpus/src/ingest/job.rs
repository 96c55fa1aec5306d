//! How the inputs of `ingest` are cut into segments, the unit of work: what is done is kept when
//! a command is killed, and `--part` divides segments over machines. It reads no input.
//!
//! A segment is a run of filings, or a part of a dump (all of it, where it cannot be divided). A
//! dump's segment is kept in pieces, because it may be of any size; a piece says where in the dump
//! the next one begins.

use std::ops::Range;
use std::path::{Path, PathBuf};

use edgar::Exhibits;
use sha2::{Digest, Sha256};
use wikipedia::DumpPlace;

use super::piece_file::{KEPT_FORMAT, PieceFacts};
use crate::error::CorpusError;
use crate::ingest::inputs::Input;
use crate::work::scratch::{Sealed, Trust};
use crate::work::segments::{Part, all_segments};

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
    /// Which part of a dump it is.
    pub(super) dump: Option<DumpPart>,
    /// Identifies all that its content depends on.
    pub(super) key: String,
    /// Which bytes of all inputs it has.
    bytes: Range<u64>,
}

/// A part of a dump, which is all of it where it is not divided.
#[derive(Debug, Clone, Default)]
pub(super) struct DumpPart {
    pub(super) from: DumpPlace,
    /// Where the next one begins.
    pub(super) until: Option<u64>,
}

/// What is finished of a segment.
pub(super) enum State {
    /// All of it, in so many pieces.
    Whole(u32),
    /// So many pieces; the next one begins here.
    Begun(u32, DumpPlace),
}

impl<'a> Job<'a> {
    /// Cuts inputs, of which the first are filings and the others dumps; `divide` says where the
    /// parts of a dump begin that have at least so many bytes.
    pub(super) fn new(
        (inputs, num_filings): (&'a [Input], usize),
        exhibits: Exhibits,
        folder: PathBuf,
        divide: impl Fn(&Input, u64) -> Result<Vec<DumpPlace>, CorpusError>,
    ) -> Result<Self, CorpusError> {
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
            job.push(first..first + run.len(), None, exhibits);
            first += run.len();
        }
        for (dump, input) in (num_filings..).zip(dumps) {
            let mut places = divide(input, segment_bytes)?.into_iter().peekable();
            while let Some(from) = places.next() {
                let until = places.peek().map(|next| next.offset);
                job.push(dump..dump + 1, Some(DumpPart { from, until }), exhibits);
            }
        }
        Ok(job)
    }

    fn push(&mut self, inputs: Range<usize>, dump: Option<DumpPart>, exhibits: Exhibits) {
        let of_inputs = &self.inputs[inputs.clone()];
        let own = dump.as_ref().map_or(bytes(of_inputs), |dump| {
            dump.until
                .unwrap_or(of_inputs[0].bytes)
                .saturating_sub(dump.from.offset)
        });
        let first = self.segments.last().map_or(0, |last| last.bytes.end);
        self.segments.push(InputSegment {
            key: segment_key(of_inputs, dump.as_ref(), exhibits),
            bytes: first..first + own,
            inputs,
            dump,
        });
    }

    /// The dumps that are one segment although they are longer than one should be.
    pub(super) fn undivided(&self) -> impl Iterator<Item = &Input> {
        let is_whole = |segment: &&InputSegment| {
            let is_part = |dump: &DumpPart| dump.until.is_some() || dump.from.offset > 0;
            segment.dump.as_ref().is_some_and(|dump| !is_part(dump))
        };
        let whole = self.segments.iter().filter(is_whole);
        whole
            .map(|segment| &self.inputs[segment.inputs.start])
            .filter(|dump| dump.bytes >= 2 * self.piece_bytes)
    }

    /// The segments of a part, by where their middles are; together all parts have each once.
    pub(super) fn of_part(&self, part: Part) -> Vec<usize> {
        let middle = |segment: &InputSegment| segment.bytes.start.midpoint(segment.bytes.end);
        (0..self.segments.len())
            .filter(|segment| part.holds(middle(&self.segments[*segment]), self.all_bytes))
            .collect()
    }

    /// What is finished of a segment.
    pub(super) fn state(&self, segment: usize, trust: Trust) -> Result<State, CorpusError> {
        let dump = self.segments[segment].dump.as_ref();
        let (mut piece, mut from) = (0, dump.map_or_else(DumpPlace::default, |dump| dump.from.clone()));
        loop {
            let sealed = Sealed::<PieceFacts>::open(&self.piece(segment, piece), trust)?;
            let fits =
                |facts: &PieceFacts| facts.key == self.segments[segment].key && facts.from == from.offset;
            let Some(sealed) = sealed.filter(|sealed| fits(&sealed.facts)) else {
                return Ok(State::Begun(piece, from));
            };
            piece += 1;
            match sealed.facts.next {
                Some(next) => from = next,
                None => return Ok(State::Whole(piece)),
            }
        }
    }

    /// The pieces of each segment.
    ///
    /// # Errors
    /// [`CorpusError::MissingParts`] when some are not there.
    pub(super) fn num_pieces(&self, trust: Trust) -> Result<Vec<u32>, CorpusError> {
        let segments = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
        all_segments(&self.folder, segments, |segment| {
            Ok(match self.state(segment as usize, trust)? {
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
fn segment_key(inputs: &[Input], dump: Option<&DumpPart>, exhibits: Exhibits) -> String {
    let mut key = Sha256::new();
    let part = dump.map(|dump| (dump.from.offset, dump.until));
    key.update(format!(
        "{KEPT_FORMAT} {} {part:?} {exhibits}",
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
    use wikipedia::SiteInfo;

    proptest! {
        #[test]
        fn every_input_is_in_one_segment_of_one_part_in_order(
            sizes in proptest::collection::vec(0_u64..3 << 20, 0..60),
            num_filings in 0_usize..60,
            num_parts in 1_u32..9,
            dump_parts in 1_u64..5
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
            let divide = |dump: &Input, _| {
                let place = |part| DumpPlace::part(dump.bytes * part / dump_parts, SiteInfo::default());
                Ok((0..dump_parts).map(place).collect())
            };
            let job = Job::new((&inputs, num_filings), Exhibits::default(), PathBuf::new(), divide).unwrap();
            let mut covered: Vec<usize> = job.segments.iter().flat_map(|segment| segment.inputs.clone()).collect();
            covered.dedup();
            prop_assert_eq!(covered, (0..inputs.len()).collect::<Vec<_>>());
            let mut byte = 0;
            for segment in &job.segments {
                let is_dump = segment.dump.is_some();
                prop_assert!(!segment.inputs.is_empty() && (segment.inputs.len() == 1 || !is_dump));
                prop_assert_eq!(is_dump, segment.inputs.start >= num_filings);
                prop_assert_eq!(segment.bytes.start, byte);
                byte = segment.bytes.end;
            }
            prop_assert_eq!(byte, bytes(&inputs));
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
            let job = Job::new((&inputs, 1), exhibits, PathBuf::new(), |_, _| Ok(Vec::new()));
            job.unwrap().segments[0].key.clone()
        };
        let one = key(input(5, 7), Exhibits::default());
        assert_eq!(one, key(input(5, 7), Exhibits::default()));
        assert_ne!(one, key(input(6, 7), Exhibits::default()));
        assert_ne!(one, key(input(5, 8), Exhibits::default()));
        assert_ne!(one, key(input(5, 7), Exhibits::All));
    }
}
