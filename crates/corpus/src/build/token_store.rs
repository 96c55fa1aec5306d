//! All documents of a build between its passes: the segments on disk, and 40 bytes a document in
//! memory. It decides nothing.

use std::collections::BTreeSet;
use std::path::Path;

use shards::TokenWidth;
use xxhash_rust::xxh3::xxh3_128;

use crate::build::fingerprint::Fingerprint;
use crate::build::spool::{Segment, SpoolRecord};
use crate::error::CorpusError;
use crate::selection::day::Day;
use crate::selection::drop_reason::{DropReason, DroppedCounts};
use crate::selection::filer::FilerKey;
use crate::selection::held_out::Filers;
use crate::selection::window::DateWindow;
use crate::work::record::part;

/// All documents as tokens on disk, and what is known of each.
#[derive(Debug)]
pub(crate) struct TokenStore {
    pub(crate) segments: Vec<Segment>,
    pub(crate) width: TokenWidth,
    /// In the order of arrival, until they are [sorted](Self::sort).
    pub(crate) documents: Vec<SpooledDocument>,
    /// Names of the sources, sorted; [`SpooledDocument::source`] is an index into it.
    pub(crate) sources: Vec<String>,
    /// Identifies all texts, whatever their order.
    pub(crate) text_digest: u128,
    pub(crate) dropped: DroppedCounts,
}

/// What is kept in memory of each document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpooledDocument {
    /// High and low half: a `u128` would be padded.
    id_hash: [u64; 2],
    pub(crate) filer: FilerKey,
    pub(crate) tokens: u32,
    /// Its number in the segment.
    index: u32,
    segment: u16,
    /// Which source, as an index.
    pub(crate) source: u16,
    /// Held out for its date.
    pub(crate) is_later: bool,
}

impl SpooledDocument {
    pub(crate) fn id_hash(&self) -> u128 {
        u128::from(self.id_hash[0]) << 64 | u128::from(self.id_hash[1])
    }
}

impl TokenStore {
    /// Reads what segments hold.
    ///
    /// # Errors
    /// When one cannot be read, two documents have one id, or there are more sources than an index has
    /// numbers.
    pub(crate) fn gather(
        segments: Vec<Segment>,
        width: TokenWidth,
        window: DateWindow,
        docs: &Path,
    ) -> Result<(Self, Filers), CorpusError> {
        let mut filers = Filers::default();
        let sources = source_names(&segments);
        let too_many = CorpusError::TooManySourcesToBuild {
            docs: docs.to_path_buf(),
            found: sources.len(),
        };
        let mut store = Self {
            sources,
            segments: Vec::new(),
            width,
            documents: Vec::new(),
            text_digest: 0,
            dropped: DroppedCounts::default(),
        };
        for (number, segment) in (0..).zip(&segments) {
            store.dropped.add_all(&segment.facts.dropped);
            let sources = indices(&store.sources, &segment.facts.sources);
            let Some(sources) = sources else {
                return Err(too_many);
            };
            segment.for_each(|index, fingerprint| {
                let source = sources.get(fingerprint.source as usize).copied().unwrap_or(0);
                let name = store.sources.get(source as usize).map_or("", String::as_str);
                let filer = filers.add_names(name, fingerprint.filer);
                // A sum, so that the order does not matter.
                let digest = store.text_digest.wrapping_add(digest(&fingerprint));
                store.text_digest = digest;
                store.documents.push(SpooledDocument {
                    id_hash: halves(fingerprint.id),
                    filer,
                    tokens: fingerprint.tokens,
                    index,
                    segment: number,
                    source,
                    is_later: window.is_later(fingerprint.day()),
                });
                Ok(())
            })?;
        }
        store.segments = segments;
        store.refuse_duplicate_ids(docs)?;
        Ok((store, filers))
    }

    pub(crate) fn num_tokens(&self) -> u64 {
        let tokens = self.documents.iter().map(|document| u64::from(document.tokens));
        tokens.sum()
    }

    pub(crate) fn fingerprint(&self, document: &SpooledDocument) -> Result<Fingerprint, CorpusError> {
        self.segments[usize::from(document.segment)].fingerprint(document.index)
    }

    pub(crate) fn record(
        &self,
        document: &SpooledDocument,
    ) -> Result<(SpoolRecord, Option<Day>), CorpusError> {
        let (record, fingerprint) = self.segments[usize::from(document.segment)].record(document.index)?;
        Ok((record, fingerprint.day()))
    }

    /// Takes documents out, `fates` giving why in the order of the documents.
    pub(crate) fn drop_documents(&mut self, fates: &[Option<DropReason>]) {
        let mut fate = fates.iter();
        self.documents.retain(|_| fate.next().is_none_or(Option::is_none));
        for reason in fates.iter().flatten() {
            self.dropped.add(*reason);
        }
    }

    /// Sorts documents by source and hash of id, the order in which they stand in files.
    pub(crate) fn sort(&mut self) {
        self.documents
            .sort_unstable_by_key(|document| (document.source, document.id_hash));
    }

    fn refuse_duplicate_ids(&mut self, docs: &Path) -> Result<(), CorpusError> {
        self.documents
            .sort_unstable_by_key(|document| (document.id_hash, document.segment, document.index));
        let pair = self
            .documents
            .windows(2)
            .find(|pair| pair[0].id_hash == pair[1].id_hash);
        if let Some([first, ..]) = pair {
            let id = self.record(first)?.0.facts.id;
            return Err(CorpusError::DuplicateDocument {
                id,
                docs: docs.to_path_buf(),
            });
        }
        self.documents
            .sort_unstable_by_key(|document| (document.segment, document.index));
        Ok(())
    }
}

fn halves(id: u128) -> [u64; 2] {
    let bytes = id.to_be_bytes();
    [part(&bytes, 0), part(&bytes, 8)].map(u64::from_be_bytes)
}

fn source_names(segments: &[Segment]) -> Vec<String> {
    let names = segments.iter().flat_map(|segment| &segment.facts.sources);
    let counted: BTreeSet<&String> = names.collect();
    counted.into_iter().cloned().collect()
}

/// Where names are among the sorted ones; `None` where that does not fit.
fn indices(sorted: &[String], names: &[String]) -> Option<Vec<u16>> {
    let index = |name| u16::try_from(sorted.binary_search(name).ok()?).ok();
    names.iter().map(index).collect()
}

fn digest(fingerprint: &Fingerprint) -> u128 {
    xxh3_128(&[fingerprint.id.to_le_bytes(), fingerprint.text.to_le_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_whose_index_does_not_fit_is_not_another_source() {
        let names: Vec<String> = (0..=1 << 16).map(|number| format!("{number:05}")).collect();
        let last = names.len() - 1;
        assert_eq!(indices(&names, &names[last - 1..last]), Some(vec![u16::MAX]));
        assert_eq!(indices(&names, &names[last..]), None);
        assert_eq!(indices(&names, &["none".to_owned()]), None);
    }
}
