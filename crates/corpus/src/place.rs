//! Where each document goes: held out, or which shard, and in which order inside. It decides
//! only; nothing is read or written here.

use std::collections::BTreeMap;

use crate::assign::{DocumentSize, assign_shards};
use crate::error::CorpusError;
use crate::split::Filers;
use crate::spool::SpooledDocument;

/// Where documents go, as indices into the list that was placed.
#[derive(Debug)]
pub(crate) struct Placement {
    /// The documents of each shard, in the order in which they stand there.
    pub(crate) shards: Vec<Vec<u32>>,
    /// The held-out documents by source, in order.
    pub(crate) held_out: BTreeMap<u32, Vec<u32>>,
    /// Tokens of the largest document that is trained on.
    pub(crate) largest_document_tokens: u64,
    pub(crate) num_held_out_filers: usize,
}

/// Places documents that are sorted by source and hash of id; so every list comes out sorted.
pub(crate) fn place_documents(
    documents: &[SpooledDocument],
    filers: Filers,
    held_out_fraction: f64,
    num_shards: u32,
) -> Result<Placement, CorpusError> {
    let held_out_filers = filers.hold_out(held_out_fraction)?;
    let mut held_out = BTreeMap::<u32, Vec<u32>>::new();
    let (mut training, mut sizes) = (Vec::new(), Vec::new());
    for (index, document) in (0..).zip(documents) {
        if held_out_filers.contains(document.filer) {
            held_out.entry(document.source).or_default().push(index);
        } else {
            training.push(index);
            sizes.push(DocumentSize {
                id_hash: document.id_hash,
                tokens: u64::from(document.tokens),
            });
        }
    }
    let assigned = assign_shards(&sizes, num_shards);
    let mut shards = vec![Vec::new(); num_shards as usize];
    for (index, shard) in training.iter().zip(&assigned) {
        shards[*shard as usize].push(*index);
    }
    Ok(Placement {
        shards,
        held_out,
        largest_document_tokens: sizes.iter().map(|size| size.tokens).max().unwrap_or(0),
        num_held_out_filers: held_out_filers.num_filers(),
    })
}
