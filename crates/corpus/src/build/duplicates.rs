//! Documents that say what another one says leave the corpus: those with the same text, and
//! those with nearly the same text as a document of their company and form, or as a held-out
//! document of anybody. Of like documents the held-out one stays, then the earliest, then the
//! one with the smallest accession number; every document that leaves has a like one that stays.
//!
//! Signatures choose candidates, the texts themselves decide; so a pair above the limit may be
//! missed (see `minhash.rs`), but no document leaves for one that is less alike. Memory does not
//! grow beyond one byte a document: candidates are sorted on disk.

use documents::Progress;
use rayon::prelude::*;
use tokenizer::Tokenizer;
use xxhash_rust::xxh3::xxh3_64;

use crate::build::duplicate_rule::{DuplicateRule, DuplicateScope};
use crate::build::fingerprint::{Age, Fingerprint};
use crate::build::minhash::{Signature, estimate_margin, jaccard, shingles};
use crate::build::token_store::{SpooledDocument, TokenStore};
use crate::error::CorpusError;
use crate::selection::drop_reason::DropReason;
use crate::selection::held_out::HeldOut;
use crate::work::external_sort::{ExternalSort, SortedRecords};
use crate::work::record::part;
use crate::work::work_dir::WorkDir;

/// Pairs whose texts are compared at a time, each on one thread.
const PAIR_WINDOW: usize = 64;

/// Documents of one band whose signatures are in memory at once, twice: 5 MB.
const BAND_WINDOW: usize = 4096;

/// Training (0: held out), age, hash of the id: sorts documents by who stays.
const RANK_BYTES: usize = 1 + Age::BYTES + 16;
const TEXT_BYTES: usize = 16 + RANK_BYTES + 4;
const BAND_BYTES: usize = 8 + 1 + 8 + 4;
const PAIR_BYTES: usize = 2 * (RANK_BYTES + 4);

/// What the search works with.
pub(crate) struct DuplicateSearch<'a> {
    pub(crate) rule: DuplicateRule,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) work_dir: &'a WorkDir,
    pub(crate) pool: &'a rayon::ThreadPool,
    pub(crate) progress: &'a dyn Progress,
}

/// Who stays before whom: held-out documents first, then by age.
type Rank = [u8; RANK_BYTES];

/// All documents and what is decided of each.
struct Documents<'a> {
    store: &'a TokenStore,
    held_out: &'a HeldOut,
    /// Why a document leaves; `None` while it stays.
    fates: Vec<Option<DropReason>>,
}

/// A document of a band as it is compared.
struct Candidate {
    member: Member,
    rank: Rank,
    signature: Signature,
}

/// A document in a band.
#[derive(Debug, Clone, Copy)]
struct Member {
    is_training: bool,
    scope: u64,
    index: u32,
}

/// Two documents that may be nearly the same; the first by rank stays.
#[derive(Debug, Clone, Copy)]
struct Pair {
    first: u32,
    second: u32,
}

/// Takes duplicates out of the documents, which are in the order of arrival, and counts them.
pub(crate) fn drop_duplicates(
    store: &mut TokenStore,
    held_out: &HeldOut,
    search: &DuplicateSearch<'_>,
) -> Result<(), CorpusError> {
    let mut documents = Documents {
        fates: vec![None; store.documents.len()],
        store,
        held_out,
    };
    documents.drop_same_texts(search)?;
    let pairs = documents.candidates(search)?;
    documents.drop_near_texts(pairs, search)?;
    let fates = documents.fates;
    store.drop_documents(&fates);
    Ok(())
}

impl Documents<'_> {
    /// Sorts all documents by text, then by rank: the first of each text stays.
    fn drop_same_texts(&mut self, search: &DuplicateSearch<'_>) -> Result<(), CorpusError> {
        let mut sort = ExternalSort::<TEXT_BYTES>::new(search.work_dir.scratch("texts")?);
        for (index, document) in (0..).zip(&self.store.documents) {
            let fingerprint = self.store.fingerprint(document)?;
            let mut record = [0; TEXT_BYTES];
            record[..16].copy_from_slice(&fingerprint.text.to_be_bytes());
            record[16..16 + RANK_BYTES].copy_from_slice(&self.rank(document, &fingerprint));
            record[16 + RANK_BYTES..].copy_from_slice(&u32::to_be_bytes(index));
            sort.push(record)?;
        }
        let mut sorted = sort.finish()?;
        let mut stays: Option<[u8; TEXT_BYTES]> = None;
        while let Some(record) = sorted.next()? {
            match &stays {
                Some(first) if first[..16] == record[..16] => {
                    let index = u32::from_be_bytes(part(&record, 16 + RANK_BYTES));
                    let is_leak = first[16] == 0 && record[16] == 1;
                    self.fates[index as usize] = Some(if is_leak {
                        DropReason::SameTextAsHeldOut
                    } else {
                        DropReason::SameText
                    });
                }
                _ => stays = Some(record),
            }
        }
        Ok(())
    }

    /// Pairs that agree in a band and whose signatures are alike enough, sorted by the rank of
    /// the one that may leave.
    fn candidates(&self, search: &DuplicateSearch<'_>) -> Result<SortedRecords<PAIR_BYTES>, CorpusError> {
        let num_documents = self.store.documents.len() as u64;
        search
            .progress
            .start("looking for duplicates", Some(num_documents));
        let mut bands = ExternalSort::<BAND_BYTES>::new(search.work_dir.scratch("bands")?);
        for (index, document) in (0..).zip(&self.store.documents) {
            search.progress.advance(1);
            if self.fates[index as usize].is_some() {
                continue;
            }
            let member = Member {
                is_training: !self.is_held_out(document),
                scope: self.scope(document, search.rule.scope),
                index,
            };
            for band in self.store.fingerprint(document)?.signature.bands() {
                bands.push(member.to_bytes(band))?;
            }
        }
        search.progress.finish();
        let least = search.rule.similarity - estimate_margin(search.rule.similarity);
        let mut pairs = ExternalSort::new(search.work_dir.scratch("pairs")?);
        let mut bands = bands.finish()?;
        let (mut band, mut members) = (None, Vec::new());
        while let Some(record) = bands.next()? {
            if band != Some(part::<8>(&record, 0)) {
                self.compare(&members, least, &mut pairs)?;
                members.clear();
                band = Some(part(&record, 0));
            }
            members.push(Member::from_bytes(&record));
        }
        self.compare(&members, least, &mut pairs)?;
        pairs.finish()
    }

    /// Compares the documents of one band: held-out ones with all training ones, the rest in its
    /// scope. `members` are sorted, held-out ones first, then by scope.
    fn compare(
        &self,
        members: &[Member],
        least: f64,
        pairs: &mut ExternalSort<PAIR_BYTES>,
    ) -> Result<(), CorpusError> {
        let num_held_out = members.partition_point(|member| !member.is_training);
        let (held_out, training) = members.split_at(num_held_out);
        if !training.is_empty() {
            self.compare_all(held_out, training, least, pairs)?;
        }
        for side in [held_out, training] {
            for scope in side.chunk_by(|a, b| a.scope == b.scope) {
                if scope.len() > 1 {
                    self.compare_all(scope, scope, least, pairs)?;
                }
            }
        }
        Ok(())
    }

    /// Compares each of `some` with each of `others`, of which both may be the same.
    fn compare_all(
        &self,
        some: &[Member],
        others: &[Member],
        least: f64,
        pairs: &mut ExternalSort<PAIR_BYTES>,
    ) -> Result<(), CorpusError> {
        for firsts in some.chunks(BAND_WINDOW) {
            let firsts = self.read_candidates(firsts)?;
            for seconds in others.chunks(BAND_WINDOW) {
                for second in &self.read_candidates(seconds)? {
                    for first in &firsts {
                        if first.rank < second.rank && first.signature.similarity(&second.signature) >= least
                        {
                            let (leaves, stays) = (second, first);
                            pairs.push(pair_bytes(
                                (leaves.rank, leaves.member.index),
                                (stays.rank, stays.member.index),
                            ))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn read_candidates(&self, members: &[Member]) -> Result<Vec<Candidate>, CorpusError> {
        let read = |member: &Member| {
            let document = &self.store.documents[member.index as usize];
            let fingerprint = self.store.fingerprint(document)?;
            Ok(Candidate {
                member: *member,
                rank: self.rank(document, &fingerprint),
                signature: fingerprint.signature,
            })
        };
        members.iter().map(read).collect()
    }

    /// Goes through the pairs by the rank of the one that may leave: when a pair comes up, it is
    /// settled whether its first document stays.
    fn drop_near_texts(
        &mut self,
        mut pairs: SortedRecords<PAIR_BYTES>,
        search: &DuplicateSearch<'_>,
    ) -> Result<(), CorpusError> {
        let (mut window, mut last) = (Vec::new(), None);
        loop {
            let record = pairs.next()?;
            if record.is_none() || window.len() == PAIR_WINDOW {
                self.settle(&std::mem::take(&mut window), search)?;
            }
            let Some(record) = record else { return Ok(()) };
            // A pair may agree in several bands.
            if last != Some(record) {
                window.push(Pair::from_bytes(&record));
                last = Some(record);
            }
        }
    }

    fn settle(&mut self, window: &[Pair], search: &DuplicateSearch<'_>) -> Result<(), CorpusError> {
        let is_near: Vec<Result<bool, CorpusError>> = search.pool.install(|| {
            window
                .par_iter()
                .map(|pair| Ok(self.is_open(*pair) && self.is_near(*pair, search)?))
                .collect()
        });
        for (pair, is_near) in window.iter().zip(is_near) {
            if is_near? && self.is_open(*pair) {
                let documents = &self.store.documents;
                let [first, second] =
                    [pair.first, pair.second].map(|index| self.is_held_out(&documents[index as usize]));
                self.fates[pair.second as usize] = Some(if first && !second {
                    DropReason::NearlySameTextAsHeldOut
                } else {
                    DropReason::NearlySameText
                });
            }
        }
        Ok(())
    }

    fn is_open(&self, pair: Pair) -> bool {
        self.fates[pair.first as usize].is_none() && self.fates[pair.second as usize].is_none()
    }

    /// Compares the texts themselves.
    fn is_near(&self, pair: Pair, search: &DuplicateSearch<'_>) -> Result<bool, CorpusError> {
        let shingles_of = |index: u32| {
            let document = &self.store.documents[index as usize];
            let text = search.tokenizer.decode(&self.store.record(document)?.0.tokens);
            Ok::<_, CorpusError>(shingles(std::iter::once(text.as_str())))
        };
        Ok(jaccard(&shingles_of(pair.first)?, &shingles_of(pair.second)?) > search.rule.similarity)
    }

    fn is_held_out(&self, document: &SpooledDocument) -> bool {
        document.is_later || self.held_out.contains(document.filer)
    }

    fn rank(&self, document: &SpooledDocument, fingerprint: &Fingerprint) -> Rank {
        let mut rank = [0; RANK_BYTES];
        rank[0] = u8::from(!self.is_held_out(document));
        rank[1..=Age::BYTES].copy_from_slice(&fingerprint.age.sort_key());
        rank[1 + Age::BYTES..].copy_from_slice(&document.id_hash().to_be_bytes());
        rank
    }

    /// Documents of one scope are compared with each other.
    fn scope(&self, document: &SpooledDocument, scope: DuplicateScope) -> u64 {
        let company = self.held_out.identity(document.filer);
        match scope {
            DuplicateScope::Corpus => 0,
            DuplicateScope::Company => company,
            DuplicateScope::CompanyAndForm => xxh3_64(
                &[company, u64::from(document.source)]
                    .map(u64::to_le_bytes)
                    .concat(),
            ),
        }
    }
}

impl Member {
    fn to_bytes(self, band: u64) -> [u8; BAND_BYTES] {
        let mut bytes = [0; BAND_BYTES];
        bytes[..8].copy_from_slice(&band.to_be_bytes());
        bytes[8] = u8::from(self.is_training);
        bytes[9..17].copy_from_slice(&self.scope.to_be_bytes());
        bytes[17..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; BAND_BYTES]) -> Self {
        Self {
            is_training: bytes[8] == 1,
            scope: u64::from_be_bytes(part(bytes, 9)),
            index: u32::from_be_bytes(part(bytes, 17)),
        }
    }
}

/// The one that may leave comes first, so that pairs sort by it.
fn pair_bytes(second: (Rank, u32), first: (Rank, u32)) -> [u8; PAIR_BYTES] {
    let mut bytes = [0; PAIR_BYTES];
    let (ranks, indices) = bytes.split_at_mut(2 * RANK_BYTES);
    ranks[..RANK_BYTES].copy_from_slice(&second.0);
    ranks[RANK_BYTES..].copy_from_slice(&first.0);
    indices[..4].copy_from_slice(&second.1.to_be_bytes());
    indices[4..].copy_from_slice(&first.1.to_be_bytes());
    bytes
}

impl Pair {
    fn from_bytes(bytes: &[u8; PAIR_BYTES]) -> Self {
        Self {
            second: u32::from_be_bytes(part(bytes, 2 * RANK_BYTES)),
            first: u32::from_be_bytes(part(bytes, 2 * RANK_BYTES + 4)),
        }
    }
}

#[cfg(test)]
mod tests;
