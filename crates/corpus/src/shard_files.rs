//! The second pass of `build`: from the spool to shards, held-out files and the list of
//! documents. What goes where is decided before.

use std::collections::BTreeMap;

use durable::StagedDir;
use rayon::prelude::*;
use shards::{
    DocumentRow, DocumentSpan, DocumentsFile, DocumentsWriter, HeldOutFile, ShardEntry, ShardSummary,
    ShardWriter, SourceRange, held_out_name, shard_name,
};

use crate::error::CorpusError;
use crate::place::Placement;
use crate::progress::Progress;
use crate::spool::{DocumentFacts, SpoolRecord};
use crate::tokenise::Tokenised;

/// What was written into the corpus folder, for its manifest.
#[derive(Debug)]
pub(crate) struct WrittenFiles {
    pub(crate) shards: Vec<ShardEntry>,
    pub(crate) held_out: BTreeMap<String, HeldOutFile>,
    pub(crate) documents: DocumentsFile,
    pub(crate) dates: FilingDates,
}

/// First and last filing date of all documents.
#[derive(Debug, Default)]
pub(crate) struct FilingDates {
    pub(crate) earliest: Option<String>,
    pub(crate) latest: Option<String>,
}

/// Which file, and which documents in which order.
struct Job<'a> {
    name: String,
    shard: Option<u32>,
    /// Of a held-out file; a shard has all.
    source: &'a str,
    documents: &'a [u32],
}

/// Writes all files of a placement; files are made in parallel, rows of documents in order.
pub(crate) fn write_files(
    staged: &StagedDir<'_>,
    tokenised: &Tokenised,
    placement: &Placement,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<WrittenFiles, CorpusError> {
    let (mut shards, mut held_out, mut dates) = (Vec::new(), BTreeMap::new(), FilingDates::default());
    let mut rows = DocumentsWriter::create(staged.storage(), staged.path())?;
    progress.start("writing shards", Some(tokenised.num_tokens()));
    let jobs = jobs(tokenised, placement);
    for window in jobs.chunks(2 * pool.current_num_threads()) {
        let files: Vec<_> = pool.install(|| {
            window
                .par_iter()
                .map(|job| write_file(staged, tokenised, job))
                .collect()
        });
        for (job, file) in window.iter().zip(files) {
            let (summary, documents) = file?;
            progress.advance(summary.tokens);
            match job.shard {
                Some(_) => shards.push(ShardEntry::new(&job.name, &summary, ranges(&documents))),
                None => drop(held_out.insert(job.source.to_owned(), HeldOutFile::new(&job.name, &summary))),
            }
            for row in &documents {
                dates.add(row.filed.as_deref());
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

fn jobs<'a>(tokenised: &'a Tokenised, placement: &'a Placement) -> Vec<Job<'a>> {
    let num_shards = u32::try_from(placement.shards.len()).unwrap_or(u32::MAX);
    let shards = (0..num_shards)
        .zip(&placement.shards)
        .map(|(shard, documents)| Job {
            name: shard_name(shard, num_shards),
            shard: Some(shard),
            source: "",
            documents,
        });
    let held_out = placement.held_out.iter().map(|(source, documents)| Job {
        name: held_out_name(&tokenised.sources[*source as usize]),
        shard: None,
        source: &tokenised.sources[*source as usize],
        documents,
    });
    shards.chain(held_out).collect()
}

fn write_file(
    staged: &StagedDir<'_>,
    tokenised: &Tokenised,
    job: &Job<'_>,
) -> Result<(ShardSummary, Vec<DocumentRow>), CorpusError> {
    let path = staged.path().join(&job.name);
    let mut writer = ShardWriter::create(staged.storage(), &path, tokenised.width)?;
    let mut rows: Vec<DocumentRow> = Vec::with_capacity(job.documents.len());
    for index in job.documents {
        let record = tokenised.spool.read(&tokenised.documents[*index as usize])?;
        let span = write_document(&mut writer, &record)?;
        rows.push(row(record.facts, job.shard, &span));
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
fn ranges(rows: &[DocumentRow]) -> BTreeMap<String, SourceRange> {
    let mut ranges = BTreeMap::<String, SourceRange>::new();
    for row in rows {
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
    fn add(&mut self, filed: Option<&str>) {
        let Some(filed) = filed else { return };
        if self.earliest.as_deref().is_none_or(|earliest| filed < earliest) {
            self.earliest = Some(filed.to_owned());
        }
        if self.latest.as_deref().is_none_or(|latest| filed > latest) {
            self.latest = Some(filed.to_owned());
        }
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
        for date in [Some("2012-03-01"), None, Some("2010-01-31"), Some("2011-12-31")] {
            dates.add(date);
        }
        assert_eq!(
            (dates.earliest.as_deref(), dates.latest.as_deref()),
            (Some("2010-01-31"), Some("2012-03-01"))
        );
    }
}
