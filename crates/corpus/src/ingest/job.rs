//! How the inputs of `ingest` are cut into segments, the unit of work: what is done is kept when
//! a command is killed, and `--part` divides segments over machines. It reads no input.
//!
//! A segment is a run of inputs that are read whole, or a part of one that is read as a stream (all
//! of it, where it cannot be divided). A part of a stream is kept in pieces, because it may be of any
//! size; a piece says where in the stream the next one begins.

use std::ops::Range;
use std::path::{Path, PathBuf};

use documents::DOCS_FORMAT_VERSION;
use edgar::Exhibits;
use sha2::{Digest, Sha256};

use super::piece_file::{Origin, PIECE_FORMAT, PieceFacts};
use crate::error::CorpusError;
use crate::ingest::inputs::Input;
use crate::sources::{Cut, ReadWhole, StreamPlace};
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
    /// Source by source, in the order in which their documents are written.
    pub(super) inputs: &'a [Input],
    pub(super) segments: Vec<InputSegment>,
    /// Where finished segments are.
    pub(super) folder: PathBuf,
    /// A piece of a stream has at least so much of it.
    pub(super) piece_bytes: u64,
    all_bytes: u64,
}

/// Inputs that are read in one go.
pub(super) struct InputSegment {
    /// Indices of the inputs.
    pub(super) inputs: Range<usize>,
    pub(super) read_mode: ReadMode,
    /// All that its content depends on.
    pub(super) origin: Origin,
    /// Which bytes of all inputs it has.
    bytes: Range<u64>,
}

/// How the inputs of a segment are read.
pub(super) enum ReadMode {
    /// Each of them whole.
    Whole(ReadWhole),
    /// A part of the one that it has.
    Stream(StreamPart),
}

/// A part of a stream, which is all of it where it is not divided.
#[derive(Debug, Clone)]
pub(super) struct StreamPart {
    pub(super) from: StreamPlace,
    /// Where the next one begins.
    pub(super) until: Option<u64>,
}

/// What is finished of a segment.
pub(super) enum State {
    /// All of it, in so many pieces.
    Whole(u32),
    /// So many pieces; the next one begins here, without a place where the segment does.
    Partial(u32, Option<StreamPlace>),
}

impl<'a> Job<'a> {
    /// Cuts inputs, which come source by source; `cut` says how one is read, in parts of at least so many
    /// bytes.
    pub(super) fn new(
        inputs: &'a [Input],
        exhibits: Exhibits,
        folder: PathBuf,
        cut: impl Fn(&Input, u64) -> Result<Cut, CorpusError>,
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
        let mut first = 0;
        while let Some(input) = inputs.get(first) {
            let length = match cut(input, segment_bytes)? {
                Cut::Whole(read) => {
                    let length = run_length(&inputs[first..], segment_bytes);
                    job.push(first..first + length, ReadMode::Whole(read), exhibits);
                    length
                }
                Cut::Parts(places) => {
                    job.push_parts(first, places, exhibits);
                    1
                }
            };
            first += length;
        }
        Ok(job)
    }

    fn push_parts(&mut self, input: usize, places: Vec<StreamPlace>, exhibits: Exhibits) {
        let mut places = places.into_iter().peekable();
        while let Some(from) = places.next() {
            let until = places.peek().map(StreamPlace::offset);
            let part = StreamPart { from, until };
            self.push(input..input + 1, ReadMode::Stream(part), exhibits);
        }
    }

    fn push(&mut self, inputs: Range<usize>, read_mode: ReadMode, exhibits: Exhibits) {
        let of_inputs = &self.inputs[inputs.clone()];
        let own = match &read_mode {
            ReadMode::Whole(_) => bytes(of_inputs),
            ReadMode::Stream(part) => {
                let end = part.until.unwrap_or(of_inputs[0].bytes);
                end.saturating_sub(part.from.offset())
            }
        };
        let first = self.segments.last().map_or(0, |last| last.bytes.end);
        self.segments.push(InputSegment {
            origin: Origin {
                key: segment_key(of_inputs, &read_mode, exhibits),
                reader_version: of_inputs[0].source.reader_version(),
            },
            bytes: first..first + own,
            inputs,
            read_mode,
        });
    }

    /// The streams that are one segment although they are longer than one should be.
    pub(super) fn undivided(&self) -> impl Iterator<Item = &Input> {
        let is_one = |segment: &&InputSegment| match &segment.read_mode {
            ReadMode::Whole(_) => false,
            ReadMode::Stream(part) => part.until.is_none() && part.from.offset() == 0,
        };
        let undivided = self.segments.iter().filter(is_one);
        undivided
            .map(|segment| &self.inputs[segment.inputs.start])
            .filter(|input| input.bytes >= 2 * self.piece_bytes)
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
        let version = self.segments[segment].origin.reader_version;
        let (mut piece, mut from) = (0, None);
        loop {
            let facts = self.facts(segment, (piece, from.as_ref()), trust)?;
            let Some(facts) = facts.filter(|facts| facts.origin.reader_version == version) else {
                return Ok(State::Partial(piece, from));
            };
            piece += 1;
            match facts.next {
                Some(next) => from = Some(next),
                None => return Ok(State::Whole(piece)),
            }
        }
    }

    /// What a piece that begins at this place says, where there is one of this job, whoever has read it.
    fn facts(
        &self,
        segment: usize,
        (piece, from): (u32, Option<&StreamPlace>),
        trust: Trust,
    ) -> Result<Option<PieceFacts>, CorpusError> {
        let InputSegment {
            read_mode, origin, ..
        } = &self.segments[segment];
        let offset = from.map_or(read_mode.offset(), StreamPlace::offset);
        let sealed = Sealed::<PieceFacts>::open(&self.piece(segment, piece), trust)?;
        let fits = |facts: &PieceFacts| facts.origin.key == origin.key && facts.from == offset;
        Ok(sealed.map(|sealed| sealed.facts).filter(fits))
    }

    /// The pieces of each segment.
    ///
    /// # Errors
    /// [`CorpusError::OtherReader`] when another version has read one, [`CorpusError::MissingParts`] when
    /// some are not there.
    pub(super) fn num_pieces(&self, trust: Trust) -> Result<Vec<u32>, CorpusError> {
        let segments = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
        all_segments(&self.folder, segments, |segment| {
            Ok(match self.state(segment as usize, trust)? {
                State::Whole(num_pieces) => Some(num_pieces),
                State::Partial(piece, from) => {
                    self.refuse_other_reader(segment, (piece, from.as_ref()), trust)?;
                    None
                }
            })
        })
    }

    fn refuse_other_reader(
        &self,
        segment: u32,
        piece: (u32, Option<&StreamPlace>),
        trust: Trust,
    ) -> Result<(), CorpusError> {
        match self.facts(segment as usize, piece, trust)? {
            None => Ok(()),
            Some(facts) => Err(CorpusError::OtherReader {
                folder: self.folder.clone(),
                segment,
                found: facts.origin.reader_version,
                expected: self.segments[segment as usize].origin.reader_version,
            }),
        }
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

impl ReadMode {
    /// Where the segment begins in its stream.
    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Whole(_) => 0,
            Self::Stream(part) => part.from.offset(),
        }
    }
}

/// Hashed as it is written out: a segment may have very many small inputs.
fn segment_key(inputs: &[Input], read_mode: &ReadMode, exhibits: Exhibits) -> String {
    let mut key = Sha256::new();
    let part = match read_mode {
        ReadMode::Whole(_) => None,
        ReadMode::Stream(part) => Some((part.from.offset(), part.until)),
    };
    key.update(format!(
        "{PIECE_FORMAT} {DOCS_FORMAT_VERSION} {} {part:?} {exhibits}",
        env!("CARGO_PKG_VERSION")
    ));
    for input in inputs {
        key.update(input.source.series());
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

/// How many of the first inputs, all of one source, have at least so many bytes together; fewer bytes where
/// there are no more.
fn run_length(inputs: &[Input], run_bytes: u64) -> usize {
    let (mut length, mut bytes) = (0, 0);
    for input in inputs.iter().take_while(|input| input.source == inputs[0].source) {
        length += 1;
        bytes += input.bytes;
        if bytes >= run_bytes {
            break;
        }
    }
    length
}

fn bytes(inputs: &[Input]) -> u64 {
    inputs.iter().map(|input| input.bytes).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wikipedia::{DumpPlace, SiteInfo};

    use super::*;
    use crate::sources::Source;

    const READ: ReadWhole = |_, _, _, _| Vec::new();

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
                    source: if index < num_filings { Source::Filings } else { Source::Wiki },
                    name: format!("{index:03}"),
                    bytes: *bytes,
                    ..Input::filing()
                })
                .collect();
            let num_filings = num_filings.min(inputs.len());
            let cut = |input: &Input, _| {
                let place = |part| {
                    StreamPlace::Wiki(DumpPlace::part(input.bytes * part / dump_parts, SiteInfo::default()))
                };
                Ok(if input.source == Source::Wiki {
                    Cut::Parts((0..dump_parts).map(place).collect())
                } else {
                    Cut::Whole(READ)
                })
            };
            let job = Job::new(&inputs, Exhibits::default(), PathBuf::new(), cut).unwrap();
            let mut covered: Vec<usize> = job.segments.iter().flat_map(|segment| segment.inputs.clone()).collect();
            covered.dedup();
            prop_assert_eq!(covered, (0..inputs.len()).collect::<Vec<_>>());
            let mut byte = 0;
            for segment in &job.segments {
                let is_dump = matches!(segment.read_mode, ReadMode::Stream(_));
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
            source: Source::Filings,
            name: "a.txt".into(),
            path: "raw/a.txt".into(),
            bytes,
            modified_ns,
        };
        let key = |input: Input, exhibits| {
            let inputs = [input];
            let job = Job::new(&inputs, exhibits, PathBuf::new(), |_, _| Ok(Cut::Whole(READ)));
            job.unwrap().segments[0].origin.key.clone()
        };
        let one = key(input(5, 7), Exhibits::default());
        assert_eq!(one, key(input(5, 7), Exhibits::default()));
        assert_ne!(one, key(input(6, 7), Exhibits::default()));
        assert_ne!(one, key(input(5, 8), Exhibits::default()));
        assert_ne!(one, key(input(5, 7), Exhibits::All));
    }
}
