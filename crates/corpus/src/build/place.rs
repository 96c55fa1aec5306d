//! Where each document goes: held out, or which shard, and in which order inside. It decides
//! only; nothing is read or written here.

use std::collections::BTreeMap;

use crate::build::assign::assign_shards;
use crate::build::token_store::{SpooledDocument, TokenStore};
use crate::selection::held_out::HeldOut;
use crate::selection::window::DateWindow;

/// Where documents go, as indices into the list that was placed.
#[derive(Debug)]
pub(crate) struct Placement {
    /// The documents of each shard, in the order in which they stand there.
    pub(crate) shards: Vec<Vec<u32>>,
    /// The held-out documents by the name of their file's source, in order.
    pub(crate) held_out: BTreeMap<String, Vec<u32>>,
    /// Tokens of the largest document that is trained on.
    pub(crate) largest_document_tokens: u64,
    pub(crate) num_held_out_filers: usize,
}

/// Places documents that are sorted by source and hash of id; so every list comes out sorted.
pub(crate) fn place_documents(
    store: &TokenStore,
    held_out_filers: &HeldOut,
    window: DateWindow,
    num_shards: u32,
) -> Placement {
    let documents = &store.documents;
    let mut held_out = BTreeMap::<String, Vec<u32>>::new();
    let mut training = Vec::new();
    for (index, document) in (0..).zip(documents) {
        match held_out_source(store, held_out_filers, window, document) {
            Some(source) => held_out.entry(source).or_default().push(index),
            None => training.push(index),
        }
    }
    Placement {
        largest_document_tokens: training
            .iter()
            .map(|index| u64::from(documents[*index as usize].tokens))
            .max()
            .unwrap_or(0),
        shards: assign_shards(documents, &training, num_shards),
        held_out,
        num_held_out_filers: held_out_filers.num_filers(),
    }
}

/// The source of the held-out file that a document belongs to: its own for a held-out filer;
/// with the first day of the later set for everybody else's documents from that day on.
fn held_out_source(
    store: &TokenStore,
    held_out_filers: &HeldOut,
    window: DateWindow,
    document: &SpooledDocument,
) -> Option<String> {
    let source = || store.sources[usize::from(document.source)].as_str();
    if held_out_filers.contains(document.filer) {
        return Some(source().to_owned());
    }
    let from = window.held_out_from.filter(|_| document.is_later)?;
    Some(format!("{}@{from}", source()))
}

impl Placement {
    /// Takes documents out of their places; every other one keeps its own.
    pub(crate) fn leave_out(&mut self, store: &TokenStore, is_out: impl Fn(&SpooledDocument) -> bool) {
        let documents = &store.documents;
        let stays = |index: &u32| !is_out(&documents[*index as usize]);
        for list in self.shards.iter_mut().chain(self.held_out.values_mut()) {
            list.retain(stays);
        }
        self.held_out.retain(|_, list| !list.is_empty());
        let trained = self.shards.iter().flatten();
        self.largest_document_tokens = trained
            .map(|index| u64::from(documents[*index as usize].tokens))
            .max()
            .unwrap_or(0);
    }
}
