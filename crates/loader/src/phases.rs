//! The phases of a run: weights and sequence length as a function of the step.

use std::sync::Arc;

use shards::{Corpus, Packing};
use tokenizer::Tokenizer;

use crate::assembly::RowFormat;
use crate::config::LoaderConfig;
use crate::error::LoaderError;
use crate::ids::Step;
use crate::sample_order::{PhaseRows, SourceRows};

/// One phase with what its sequences are read by.
#[derive(Debug)]
pub(crate) struct OpenPhase {
    pub(crate) packing: Arc<Packing>,
    pub(crate) format: RowFormat,
}

/// The phases of `config`, each with the packing of its length.
///
/// # Errors
/// [`LoaderError::Phases`] unless `until_step` rises from phase to phase;
/// [`LoaderError::NoPacking`] for a length without one of `packings`.
pub(crate) fn open_phases(
    config: &LoaderConfig,
    packings: &[Arc<Packing>],
    tokenizer: &Tokenizer,
) -> Result<Vec<OpenPhase>, LoaderError> {
    let ends: Vec<Step> = config.phases.iter().map(|phase| phase.until_step).collect();
    if ends.first() == Some(&Step(0)) || !ends.is_sorted_by(|a, b| a < b) {
        return Err(LoaderError::Phases {
            ends: ends.iter().map(|step| step.0).collect(),
        });
    }
    let open = |length: usize| {
        let fits = |packing: &&Arc<Packing>| packing.max_length() as usize == length;
        let packing = packings.iter().find(fits).ok_or_else(|| LoaderError::NoPacking {
            sequence_length: length,
            found: packings.iter().map(|packing| packing.max_length()).collect(),
        })?;
        Ok(OpenPhase {
            packing: Arc::clone(packing),
            format: RowFormat::new(config, length, tokenizer)?,
        })
    };
    config.sequence_lengths().map(open).collect()
}

/// What the order of sequences needs of each phase.
pub(crate) fn phase_rows<'a>(
    config: &'a LoaderConfig,
    corpus: &Corpus,
    phases: &[OpenPhase],
) -> Vec<PhaseRows<'a>> {
    let ends = config.phases.iter().map(|phase| Some(phase.until_step));
    ends.chain([None])
        .zip(config.weights_of_phases())
        .zip(phases)
        .map(|((end, weights), phase)| PhaseRows {
            end: end.map(|step| step.0.saturating_mul(config.global_batch_size)),
            weights,
            sources: source_rows(corpus, &phase.packing),
            sequence_length: phase.format.sequence_length,
        })
        .collect()
}

fn source_rows(corpus: &Corpus, packing: &Packing) -> Vec<SourceRows> {
    let rows = |name: &str| {
        let rows = packing.for_source(name).unwrap_or_default();
        SourceRows {
            name: name.to_owned(),
            first_row: rows.start as u64,
            num_rows: rows.len() as u64,
        }
    };
    corpus.sources().map(rows).collect()
}
