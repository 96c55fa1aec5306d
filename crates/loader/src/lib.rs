//! Which sequences, with which masks, are in slot k of step s.
//!
//! The order of training data is a function of (seed, corpus, packing, global index): global
//! index g = step x batch + slot. Nothing is stored and nothing drawn in turn, so a run resumes
//! from its step number, and the number of ranks changes only who computes what. The crate
//! knows nothing of tensors: a [`MicroBatch`] is plain vectors.
//!
//! - phases make weights and sequence length a function of the step,
//! - a mixture by integer weights says whose turn g is and which turn of the source that is,
//! - a permutation an epoch and a source says which of its sequences that turn takes,
//! - `masking` says which of the sequence's tokens are masked, and by what,
//! - a micro-batch is a run of consecutive slots, the same at any number of ranks,
//! - a digest a slot, summed over slots, proves all of this before a tensor exists.

mod assembly;
mod config;
mod digest;
mod error;
mod evaluation;
mod excluded;
mod ids;
mod load;
mod micro_batch;
mod mixture;
mod order;
mod phases;
mod prefetch;
mod replay;
mod sample_order;
mod shares;
mod skipped_steps;

pub use config::{LoaderConfig, Phase};
pub use digest::format_digest;
pub use error::LoaderError;
pub use evaluation::{EVALUATION_MASK_SEED, Evaluation};
pub use ids::{GlobalIndex, SampleIndex, Step};
pub use load::Loader;
pub use micro_batch::MicroBatch;
pub use prefetch::{PrefetchedSteps, StepBatches};
pub use replay::{DocumentPart, SequenceDescription};
pub use sample_order::SampleRef;
pub use shares::{micro_batches_of_rank, nearest_divisors};
pub use skipped_steps::SkippedSteps;

#[cfg(test)]
mod test_corpus;
#[cfg(test)]
mod tests;
