//! Documents that are left out of every sequence: `data.exclude`.
//!
//! An excluded document's tokens are taken out of the sequences that hold some. No other slot
//! of no other step changes: rows, order and the other slots' masks stay what they were.

use std::collections::{BTreeMap, BTreeSet};

use shards::{Corpus, PackedSequence, ShardError, ShardReader, read_kept, read_sequence};

use crate::error::LoaderError;

/// Documents by shard and index in the shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Excluded(BTreeMap<u32, BTreeSet<usize>>);

impl Excluded {
    /// Finds the documents with these ids. Without ids nothing is read; with some, the list of
    /// documents is read through once.
    ///
    /// # Errors
    /// [`LoaderError::Exclude`] names the ids that the corpus lacks or holds out;
    /// [`LoaderError::Shards`] where the list of documents cannot be read.
    pub(crate) fn find(corpus: &Corpus, ids: &[String]) -> Result<Self, LoaderError> {
        let mut excluded = Self::default();
        let mut wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let mut held_out = Vec::new();
        if wanted.is_empty() {
            return Ok(excluded);
        }
        for place in corpus.documents().places() {
            let place = place?;
            if !wanted.remove(place.id.as_str()) {
                continue;
            }
            match place.shard {
                Some(shard) => drop(
                    excluded
                        .0
                        .entry(shard)
                        .or_default()
                        .insert(place.document as usize),
                ),
                None => held_out.push(place.id),
            }
            if wanted.is_empty() {
                break;
            }
        }
        if wanted.is_empty() && held_out.is_empty() {
            return Ok(excluded);
        }
        Err(LoaderError::Exclude {
            unknown: wanted.into_iter().map(str::to_owned).collect(),
            held_out,
        })
    }

    pub(crate) fn contains(&self, shard: u32, document: usize) -> bool {
        self.0
            .get(&shard)
            .is_some_and(|documents| documents.contains(&document))
    }

    /// [`read_sequence`] without the excluded documents.
    pub(crate) fn read(
        &self,
        reader: &ShardReader,
        packed: &PackedSequence,
        eos: u32,
        out: &mut Vec<u32>,
    ) -> Result<(), ShardError> {
        match self.0.get(&packed.shard) {
            None => read_sequence(reader, packed, eos, out),
            Some(documents) => {
                let keep = |document| !documents.contains(&document);
                read_kept(reader, packed, eos, keep, out)
            }
        }
    }
}
