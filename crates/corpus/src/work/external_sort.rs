//! Sorts any number of small records in bounded memory: sorted runs on disk, merged at the end.
//! Records are arrays of bytes and sort as such; what they mean is their owner's business.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use durable::{DurableError, Operation};

use crate::error::CorpusError;
use crate::work::scratch::scratch_file;

/// Records in memory before a run is written.
const RUN_BYTES: usize = 32 << 20;

/// Read of a run at once while merging: 120 million records of 21 bytes make 75 runs, 5 MB.
const READ_BYTES: usize = 64 << 10;

/// Takes records in any order.
pub(crate) struct ExternalSort<const N: usize> {
    path: PathBuf,
    run_records: usize,
    buffer: Vec<[u8; N]>,
    file: Option<BufWriter<File>>,
    /// Bytes of the file that each run takes.
    runs: Vec<Range<u64>>,
}

/// Gives them back in order.
pub(crate) struct SortedRecords<const N: usize> {
    path: PathBuf,
    file: Option<File>,
    runs: Vec<Run<N>>,
    heads: BinaryHeap<Reverse<([u8; N], usize)>>,
}

struct Run<const N: usize> {
    left: Range<u64>,
    /// Records read ahead, the next one last.
    ahead: Vec<[u8; N]>,
}

impl<const N: usize> ExternalSort<N> {
    /// `path` is a scratch file that does not exist; it is made when memory does not suffice.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self::with_run_bytes(path, RUN_BYTES)
    }

    fn with_run_bytes(path: PathBuf, run_bytes: usize) -> Self {
        Self {
            path,
            run_records: (run_bytes / N).max(1),
            buffer: Vec::new(),
            file: None,
            runs: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, record: [u8; N]) -> Result<(), CorpusError> {
        if self.buffer.len() == self.run_records {
            self.write_run()?;
        }
        self.buffer.push(record);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<SortedRecords<N>, CorpusError> {
        self.buffer.sort_unstable();
        self.buffer.reverse();
        let mut runs: Vec<Run<N>> = std::mem::take(&mut self.runs)
            .into_iter()
            .map(|left| Run {
                left,
                ahead: Vec::new(),
            })
            .collect();
        // The last run stays in memory.
        runs.push(Run {
            left: 0..0,
            ahead: std::mem::take(&mut self.buffer),
        });
        let mut records = SortedRecords {
            file: self.take_file()?,
            path: self.path,
            runs,
            heads: BinaryHeap::new(),
        };
        for run in 0..records.runs.len() {
            records.advance(run)?;
        }
        Ok(records)
    }

    fn write_run(&mut self) -> Result<(), CorpusError> {
        self.buffer.sort_unstable();
        let first = self.runs.last().map_or(0, |run| run.end);
        let file = match &mut self.file {
            Some(file) => file,
            None => self
                .file
                .insert(BufWriter::with_capacity(1 << 20, scratch_file(&self.path)?)),
        };
        self.buffer
            .iter()
            .try_for_each(|record| file.write_all(record))
            .map_err(|source| DurableError::new(Operation::Write, &self.path, source))?;
        self.runs.push(first..first + (N * self.buffer.len()) as u64);
        self.buffer.clear();
        Ok(())
    }

    /// The file of runs, written through.
    fn take_file(&mut self) -> Result<Option<File>, CorpusError> {
        let file = self.file.take().map(BufWriter::into_inner).transpose();
        let failed = |error: io::IntoInnerError<_>| error.into_error();
        Ok(file
            .map_err(failed)
            .map_err(|source| DurableError::new(Operation::Write, &self.path, source))?)
    }
}

impl<const N: usize> SortedRecords<N> {
    /// The next record; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<[u8; N]>, CorpusError> {
        let Some(Reverse((record, run))) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(run)?;
        Ok(Some(record))
    }

    /// Moves the next record of a run, if there is one, to the heads.
    fn advance(&mut self, index: usize) -> Result<(), CorpusError> {
        let run = &mut self.runs[index];
        if let (true, false, Some(file)) = (run.ahead.is_empty(), run.left.is_empty(), &self.file) {
            run.read(file).map_err(|source| CorpusError::Read {
                operation: "read",
                path: self.path.clone(),
                source,
            })?;
        }
        if let Some(record) = run.ahead.pop() {
            self.heads.push(Reverse((record, index)));
        }
        Ok(())
    }
}

impl<const N: usize> Run<N> {
    fn read(&mut self, file: &File) -> std::io::Result<()> {
        let left = usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min((READ_BYTES / N).max(1) * N)];
        file.read_exact_at(&mut bytes, self.left.start)?;
        self.left.start += bytes.len() as u64;
        let records = bytes
            .chunks_exact(N)
            .rev()
            .filter_map(|record| <[u8; N]>::try_from(record).ok());
        self.ahead.extend(records);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(records: &[[u8; 3]], run_bytes: usize) -> Vec<[u8; 3]> {
        let folder = tempfile::tempdir().unwrap();
        let mut sort = ExternalSort::with_run_bytes(folder.path().join("runs"), run_bytes);
        for record in records {
            sort.push(*record).unwrap();
        }
        let mut sorted = sort.finish().unwrap();
        std::iter::from_fn(|| sorted.next().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn records_come_back_in_order_whatever_fits_into_memory(
            records in proptest::collection::vec(any::<[u8; 3]>(), 0..300),
            run_records in 1_usize..400
        ) {
            let mut expected = records.clone();
            expected.sort_unstable();
            prop_assert_eq!(sorted(&records, 3 * run_records), expected);
        }
    }

    #[test]
    fn a_run_longer_than_one_read_comes_back_whole() {
        let records: Vec<[u8; 3]> = (0..60_000_u32)
            .map(|n| {
                n.wrapping_mul(2_654_435_761).to_be_bytes()[..3]
                    .try_into()
                    .unwrap()
            })
            .collect();
        let mut expected = records.clone();
        expected.sort_unstable();
        assert!(sorted(&records, 100_000) == expected);
    }

    #[test]
    fn nothing_is_written_where_memory_suffices() {
        let sort = ExternalSort::<3>::new("no/such/folder/runs".into());
        assert_eq!(sort.finish().unwrap().next().unwrap(), None);
        let mut sort = ExternalSort::with_run_bytes("no/such/folder/runs".into(), 3);
        sort.push([1; 3]).unwrap();
        assert!(
            matches!(sort.push([2; 3]), Err(CorpusError::Durable(_))),
            "and where it does not, it must be"
        );
    }
}
