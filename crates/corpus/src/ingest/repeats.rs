//! Which documents of an ingest have the id of an earlier one: found by sorting on disk, so that
//! memory does not grow with their number. What is said of them is not decided here.

use super::job::Job;
use super::piece_file::{DocumentIdentity, for_each_id};
use crate::error::CorpusError;
use crate::work::external_sort::{ExternalSort, SortedRecords};
use crate::work::record::part;
use crate::work::work_dir::WorkDir;

/// Hash of the id, number of the document, hash of its content, index of its input.
const ID_BYTES: usize = 16 + 8 + 16 + 4;
/// Number of the document, index of the first one's input, whether both say the same.
const REPEAT_BYTES: usize = 8 + 4 + 1;

/// The documents that are no news, in the order in which they were read.
pub(super) struct Repeats {
    records: SortedRecords<REPEAT_BYTES>,
    next: Option<[u8; REPEAT_BYTES]>,
}

/// A document whose id another one had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeat {
    /// Index of the input that held the first one.
    pub(super) first_input: usize,
    /// Whether it also says the same.
    pub(super) is_same: bool,
}

impl Repeats {
    /// Looks through the documents of all segments, which have so many pieces each.
    pub(super) fn find(job: &Job<'_>, num_pieces: &[u32], work_dir: &WorkDir) -> Result<Self, CorpusError> {
        let mut ids = ExternalSort::<ID_BYTES>::new(work_dir.scratch("ids")?);
        let mut number = 0_u64;
        for (segment, num_pieces) in num_pieces.iter().enumerate() {
            let first_input = job.segments[segment].inputs.start;
            for piece in 0..*num_pieces {
                for_each_id(&job.piece(segment, piece), |id| {
                    let input = u32::try_from(first_input).unwrap_or(u32::MAX) + id.input;
                    ids.push(id_record(id, number, input))?;
                    number += 1;
                    Ok(())
                })?;
            }
        }
        let mut repeats = ExternalSort::new(work_dir.scratch("repeats")?);
        let (mut ids, mut first) = (ids.finish()?, None::<[u8; ID_BYTES]>);
        while let Some(record) = ids.next()? {
            match &first {
                Some(first) if first[..16] == record[..16] => repeats.push(repeat_record(first, &record))?,
                _ => first = Some(record),
            }
        }
        let mut records = repeats.finish()?;
        let next = records.next()?;
        Ok(Self { records, next })
    }

    /// What the document of this number repeats; numbers must be asked for in order.
    pub(super) fn of(&mut self, number: u64) -> Result<Option<Repeat>, CorpusError> {
        let Some(record) = self
            .next
            .filter(|record| u64::from_be_bytes(part(record, 0)) == number)
        else {
            return Ok(None);
        };
        self.next = self.records.next()?;
        Ok(Some(Repeat {
            first_input: u32::from_be_bytes(part(&record, 8)) as usize,
            is_same: record[12] == 1,
        }))
    }
}

fn id_record(id: DocumentIdentity, number: u64, input: u32) -> [u8; ID_BYTES] {
    let mut record = [0; ID_BYTES];
    record[..16].copy_from_slice(&id.id.to_be_bytes());
    record[16..24].copy_from_slice(&number.to_be_bytes());
    record[24..40].copy_from_slice(&id.content.to_be_bytes());
    record[40..].copy_from_slice(&input.to_be_bytes());
    record
}

fn repeat_record(first: &[u8; ID_BYTES], record: &[u8; ID_BYTES]) -> [u8; REPEAT_BYTES] {
    let mut repeat = [0; REPEAT_BYTES];
    repeat[..8].copy_from_slice(&record[16..24]);
    repeat[8..12].copy_from_slice(&first[40..]);
    repeat[12] = u8::from(first[24..40] == record[24..40]);
    repeat
}
