//! A corpus of 256 shards opens at once, however many files it has.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use loader::{Loader, LoaderConfig, SkippedSteps, Step};
use masking::{MaskingConfig, MaskingScheme};
use shards::{Corpus, Packing, PackingMode, TOKENIZER_FOLDER, packing_name};
use tests::{program, run_ok};
use tokenizer::Tokenizer;

/// Ten times what `make bench` allows: this machine may be busy, and the code is not built for
/// speed.
const LIMIT: Duration = Duration::from_secs(1);

#[test]
fn a_corpus_of_256_shards_opens_and_gives_its_first_batch_at_once() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    for words in [
        "sample --filings 40 --pages 40 --out sample",
        "ingest --filings sample/filings --wiki sample/wiki --out docs",
        "tokenizer --docs docs --vocab-size 600 --out tokenizer",
        "build --docs docs --tokenizer tokenizer --shards 256 --pack full-sentences:128 --out corpus",
    ] {
        let mut command = Command::new(program("tenk-corpus")?);
        command.args(words.split(' ')).current_dir(scratch.path());
        run_ok(&mut command, Duration::from_mins(2))?;
    }
    let start = Instant::now();
    let tokens = first_batch(&scratch.path().join("corpus"))?;
    let elapsed = start.elapsed();
    ensure!(tokens > 0, "an empty batch");
    ensure!(elapsed < LIMIT, "it took {elapsed:?}");
    Ok(())
}

fn first_batch(folder: &Path) -> Result<u64> {
    let corpus = Corpus::open(folder)?;
    ensure!(corpus.manifest().num_shards == 256);
    let packing = Packing::open(&folder.join(packing_name(PackingMode::FullSentences, 128)))?;
    let tokenizer = Tokenizer::open(&folder.join(TOKENIZER_FOLDER))?;
    let config = LoaderConfig {
        seed: 1,
        weights: None,
        sequence_length: 128,
        phases: Vec::new(),
        global_batch_size: 8,
        micro_batch_size: 8,
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
    Ok(loader.micro_batch(Step(0), 0)?.tokens)
}
