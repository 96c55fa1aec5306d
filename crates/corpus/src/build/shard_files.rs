//! The second pass of `build`: from the spool to shards, held-out files and the list of
//! documents. What goes where is decided before.

use std::collections::BTreeMap;

use documents::Progress;
use durable::{FileName, StagedDir};
use rayon::prelude::*;
use shards::{
    DocumentRow, DocumentSpan, DocumentsFile, DocumentsWriter, HeldOutFile, ShardEntry, ShardSummary,
    ShardWriter, SourceRange, held_out_name, shard_name,
};

use crate::build::place::Placement;
use crate::build::spool::{DocumentFacts, SpoolRecord};
use crate::build::token_store::TokenStore;
use crate::error::CorpusError;
use crate::selection::day::Day;

/// What was written into the corpus folder, for its manifest.
#[derive(Debug)]
pub(crate) struct WrittenFiles {
    pub(crate) shards: Vec<ShardEntry>,
    pub(crate) held_out: BTreeMap<String, HeldOutFile>,
    pub(crate) documents: DocumentsFile,
    pub(crate) dates: FilingDates,
}

/// First and last day of all documents, and how many have none.
#[derive(Debug, Default)]
pub(crate) struct FilingDates {
    pub(crate) earliest: Option<Day>,
    pub(crate) latest: Option<Day>,
    pub(crate) undated: u64,
}

/// A row of the list of documents and the day of its document.
type DatedRow = (DocumentRow, Option<Day>);

/// Which file, and which documents in which order.
struct FileJob<'a> {
    name: FileName,
    shard: Option<u32>,
    /// Of a held-out file; a shard has all.
    source: &'a str,
    documents: &'a [u32],
}

/// Writes all files of a placement; files are made in parallel, rows of documents in order.
pub(crate) fn write_files(
    staged: &StagedDir<'_>,
    store: &TokenStore,
    placement: &Placement,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<WrittenFiles, CorpusError> {
    let (mut shards, mut held_out, mut dates) = (Vec::new(), BTreeMap::new(), FilingDates::default());
    let mut rows = DocumentsWriter::create(staged.storage(), staged.path())?;
    progress.start("writing shards", Some(store.num_tokens()));
    let jobs = jobs(placement);
    for window in jobs.chunks(2 * pool.current_num_threads()) {
        let files: Vec<_> = pool.install(|| {
            window
                .par_iter()
                .map(|job| write_file(staged, store, job))
                .collect()
        });
        for (job, file) in window.iter().zip(files) {
            let (summary, documents) = file?;
            progress.advance(summary.tokens);
            match job.shard {
                Some(_) => shards.push(ShardEntry::new(job.name.clone(), &summary, ranges(&documents))),
                None => drop(held_out.insert(
                    job.source.to_owned(),
                    HeldOutFile::new(job.name.clone(), &summary),
                )),
            }
            for (row, day) in &documents {
                dates.add(*day);
                rows.push(row)?;
            }
        }
    }
    progress.finish();
    Ok(WrittenFiles {
        shards,
        held_out,
        documents: rows.finish()?,
        dates,
    })
}

fn jobs(placement: &Placement) -> Vec<FileJob<'_>> {
    let num_shards = u32::try_from(placement.shards.len()).unwrap_or(u32::MAX);
    let shards = (0..num_shards)
        .zip(&placement.shards)
        .map(|(shard, documents)| FileJob {
            name: shard_name(shard, num_shards),
            shard: Some(shard),
            source: "",
            documents,
        });
    let held_out = placement.held_out.iter().map(|(source, documents)| FileJob {
        name: held_out_name(source),
        shard: None,
        source,
        documents,
    });
    shards.chain(held_out).collect()
}

fn write_file(
    staged: &StagedDir<'_>,
    store: &TokenStore,
    job: &FileJob<'_>,
) -> Result<(ShardSummary, Vec<DatedRow>), CorpusError> {
    let path = staged.path().join(&job.name);
    let mut writer = ShardWriter::create(staged.storage(), &path, store.width)?;
    let mut rows = Vec::with_capacity(job.documents.len());
    for index in job.documents {
        let (record, day) = store.record(&store.documents[*index as usize])?;
        let span = write_document(&mut writer, &record)?;
        let mut row = row(record.facts, job.shard, &span);
        if job.shard.is_none() {
            job.source.clone_into(&mut row.source);
        }
        rows.push((row, day));
    }
    Ok((writer.finish()?, rows))
}

fn write_document(writer: &mut ShardWriter<'_>, record: &SpoolRecord) -> Result<DocumentSpan, CorpusError> {
    let mut rest = record.tokens.as_slice();
    for length in &record.block_tokens {
        let (block, after) = rest.split_at((*length as usize).min(rest.len()));
        writer.push_block(block)?;
        rest = after;
    }
    Ok(writer.end_document()?)
}

fn row(facts: DocumentFacts, shard: Option<u32>, span: &DocumentSpan) -> DocumentRow {
    DocumentRow {
        accession: accession(&facts.id),
        cik: facts.cik,
        company: facts.company,
        filed: facts.filed,
        title: facts.title,
        ..DocumentRow::new(facts.id, facts.source, shard, span)
    }
}

/// Where the documents of each source stand in a file that is sorted by source.
fn ranges(rows: &[DatedRow]) -> BTreeMap<String, SourceRange> {
    let mut ranges = BTreeMap::<String, SourceRange>::new();
    for (row, _) in rows {
        let range = ranges.entry(row.source.clone()).or_insert(SourceRange {
            first_document: row.document.into(),
            first_block: row.first_block,
            ..SourceRange::default()
        });
        range.documents += 1;
        range.blocks += row.blocks;
        range.tokens += row.tokens;
    }
    ranges
}

fn accession(id: &str) -> Option<String> {
    // 0009999999-18-000145:1
    let accession = id.split(':').next()?;
    let dashes: Vec<usize> = accession.match_indices('-').map(|(at, _)| at).collect();
    (accession.len() == 20 && dashes == [10, 13]).then(|| accession.to_owned())
}

impl FilingDates {
    fn add(&mut self, day: Option<Day>) {
        self.undated += u64::from(day.is_none());
        self.earliest = self.earliest.into_iter().chain(day).min();
        self.latest = self.latest.into_iter().chain(day).max();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accession_numbers_are_taken_from_ids_that_begin_with_one() {
        assert_eq!(
            accession("0009999999-18-000145:1").as_deref(),
            Some("0009999999-18-000145")
        );
        assert_eq!(accession("wiki:12:345"), None);
        assert_eq!(accession("file:0123456789abcdef"), None);
    }

    #[test]
    fn dates_are_the_first_and_the_last_of_those_that_are_known() {
        let mut dates = FilingDates::default();
        let day = |text: &str| text.parse::<Day>().ok();
        for date in ["2012-03-01", "", "2010-01-31", "2011-12-31"] {
            dates.add(day(date));
        }
        assert_eq!(
            (dates.earliest, dates.latest, dates.undated),
            (day("2010-01-31"), day("2012-03-01"), 1)
        );
    }
}
