//! The loader by itself: how fast one thread makes micro-batches, and how long a model that
//! takes tokens at a given rate waits for them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use loader::{Loader, LoaderConfig, SkippedSteps, Step};
use masking::{MaskingConfig, MaskingScheme};
use rustix::fs::{Advice, fadvise};
use shards::{Corpus, Packing, PackingMode};
use tokenizer::Tokenizer;

use crate::measure::print_rate;

const SEQUENCE_LENGTH: u32 = 512;
const MICRO_BATCH_SIZE: u64 = 8;
/// Counted time of one run; before it everything is made once to warm caches.
const RUN_TIME: Duration = Duration::from_secs(3);
const NUM_RANKS: u32 = 8;
const TOKENS_PER_SECOND: f64 = 200_000.0;
const WAIT_RUN_TIME: Duration = Duration::from_secs(20);

fn open(corpus: &Path, tokenizer: &Path, global_batch_size: u64) -> Result<Loader> {
    let corpus = Corpus::open(corpus)?;
    let packing = Packing::build(&corpus, PackingMode::FullSentences, SEQUENCE_LENGTH)?;
    let config = LoaderConfig {
        seed: 1,
        weights: None,
        sequence_length: SEQUENCE_LENGTH as usize,
        phases: Vec::new(),
        global_batch_size,
        micro_batch_size: MICRO_BATCH_SIZE,
        masking: MaskingConfig::new(0.15, MaskingScheme::Token)?,
        exclude: Vec::new(),
        skip_steps: SkippedSteps::default(),
    };
    let tokenizer = Arc::new(Tokenizer::open(tokenizer)?);
    Ok(Loader::new(
        config,
        Arc::new(corpus),
        &[Arc::new(packing)],
        tokenizer,
    )?)
}

/// Masks, digests and micro-batches of 8 x 512 tokens on one thread; tokens a second.
pub(crate) fn rate(corpus: &Path, tokenizer: &Path) -> Result<()> {
    let loader = open(corpus, tokenizer, MICRO_BATCH_SIZE)?;
    let mut step = 0;
    let mut run = |limit: Duration| -> Result<(u64, f64)> {
        let (begun, mut tokens) = (Instant::now(), 0);
        while begun.elapsed() < limit {
            tokens += std::hint::black_box(loader.micro_batch(Step(step), 0)?).tokens;
            step += 1;
        }
        Ok((tokens, begun.elapsed().as_secs_f64()))
    };
    run(RUN_TIME / 3)?;
    let (tokens, seconds) = run(RUN_TIME)?;
    print_rate(tokens as f64 / seconds, usize::try_from(tokens)?);
    Ok(())
}

/// Percent of its time that a null model waits that takes 200,000 tokens a second on each of 8
/// ranks, from shards that are not in the page cache.
pub(crate) fn data_wait(corpus: &Path, tokenizer: &Path) -> Result<()> {
    let loader = Arc::new(open(corpus, tokenizer, MICRO_BATCH_SIZE * u64::from(NUM_RANKS))?);
    drop_from_page_cache(corpus)?;
    let ranks: Vec<_> = (0..NUM_RANKS)
        .map(|rank| {
            let loader = Arc::clone(&loader);
            std::thread::spawn(move || null_model(loader, rank))
        })
        .collect();
    let (mut waited, mut tokens) = (0.0, 0);
    for rank in ranks {
        let (share, own) = rank.join().map_err(|_| anyhow::anyhow!("a rank panicked"))??;
        waited += share / f64::from(NUM_RANKS);
        tokens += own;
    }
    print_rate(waited * 100.0, usize::try_from(tokens)?);
    Ok(())
}

/// Share of the time that one rank waits, and the tokens that it took.
fn null_model(loader: Arc<Loader>, rank: u32) -> Result<(f64, u64)> {
    let mut steps = loader.steps((rank, NUM_RANKS), (Step(0), Step(u64::from(u32::MAX))), 2)?;
    let (begun, mut waited, mut tokens) = (Instant::now(), Duration::ZERO, 0);
    while begun.elapsed() < WAIT_RUN_TIME {
        let asked = Instant::now();
        let batches = steps.next().context("the loader ended")??;
        waited += asked.elapsed();
        let own: u64 = batches.micro_batches.iter().map(|batch| batch.tokens).sum();
        tokens += own;
        std::thread::sleep(Duration::from_secs_f64(own as f64 / TOKENS_PER_SECOND));
    }
    Ok((waited.as_secs_f64() / begun.elapsed().as_secs_f64(), tokens))
}

fn drop_from_page_cache(folder: &Path) -> Result<()> {
    let mut num_files = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "bin" || extension == "idx")
        {
            let file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
            num_files += 1;
        }
    }
    ensure!(num_files > 0, "no shards in {}", folder.display());
    Ok(())
}
