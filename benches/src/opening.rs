//! How long a process takes from its start to its first batch, of a corpus of 256 shards.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use loader::{Loader, LoaderConfig, SkippedSteps, Step};
use masking::{MaskingConfig, MaskingScheme};
use shards::{Corpus, Packing, PackingMode, TOKENIZER_FOLDER, packing_name};
use tokenizer::Tokenizer;

use crate::contest::{Outcome, succeed};

const SEQUENCE_LENGTH: u32 = 512;
const BATCH_SIZE: u64 = 8;
/// What it may take.
const LIMIT_MS: f64 = 100.0;

/// The figure: milliseconds from the start of a process to its end behind the first batch.
pub(crate) fn outcome(corpus: &Path, runs: usize) -> Outcome {
    let measured = (0..=runs)
        .map(|_| {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("first-batch").arg(corpus);
            let start = Instant::now();
            succeed(&mut command)?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        })
        .collect::<Result<Vec<f64>>>();
    let (ours, failed) = match measured {
        Ok(times) => (times.into_iter().skip(1).collect(), None),
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    Outcome {
        group: "corpus",
        name: "opening 256 shards (2 GB of text) and the first batch, a new process (less is better)"
            .to_owned(),
        unit: "ms",
        peer_name: "the limit that was set",
        peer: vec![LIMIT_MS; ours.len()],
        ours,
        failed,
    }
}

/// Opens a corpus with its packing index and tokenizer and makes one batch.
pub(crate) fn first_batch(folder: &Path) -> Result<()> {
    let corpus = Corpus::open(folder)?;
    let packing = Packing::open(&folder.join(packing_name(PackingMode::FullSentences, SEQUENCE_LENGTH)))?;
    let tokenizer = Tokenizer::open(&folder.join(TOKENIZER_FOLDER))?;
    let config = LoaderConfig {
        seed: 1,
        weights: None,
        sequence_length: SEQUENCE_LENGTH as usize,
        phases: Vec::new(),
        global_batch_size: BATCH_SIZE,
        micro_batch_size: BATCH_SIZE,
        masking: MaskingConfig::new(0.15, MaskingScheme::Token)?,
        exclude: Vec::new(),
        skip_steps: SkippedSteps::default(),
    };
    let loader = Loader::new(
        config,
        Arc::new(corpus),
        &[Arc::new(packing)],
        Arc::new(tokenizer),
    )?;
    let batch = loader.micro_batch(Step(0), 0)?;
    crate::measure::print_rate(0.0, usize::try_from(batch.tokens)?);
    Ok(())
}
