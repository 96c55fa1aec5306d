//! The corpus, its tokenizer and its packing indices, opened and checked against each other.

pub(crate) mod staging;
pub(crate) mod unigram;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use collectives::Collective;
use durable::DISK;
use loader::{Loader, LoaderConfig, LoaderError, Phase, SkippedSteps, Step};
use shards::{Corpus, Packing, PackingMode};
use tokenizer::Tokenizer;

use crate::{
    config::{PhaseSection, RunConfig},
    error::TrainError,
    ranks::agree::{agree, on_first_rank},
    run::plan::TrainPlan,
};

/// Corpus and tokenizer of a run.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// The corpus.
    pub corpus: Arc<Corpus>,
    /// The tokenizer that it was built with.
    pub tokenizer: Arc<Tokenizer>,
    /// Its folder.
    pub tokenizer_dir: PathBuf,
}

impl Text {
    /// Opens the corpus of a configuration and finds its tokenizer.
    ///
    /// # Errors
    /// When one of them cannot be opened, or the tokenizer is another one.
    pub(crate) fn open(config: &RunConfig) -> Result<Self, TrainError> {
        let corpus = Corpus::open_with(&config.data.corpus, config.data.read)?;
        let (tokenizer, tokenizer_dir) = match &config.data.tokenizer {
            Some(folder) => (open_tokenizer(folder, &corpus)?, folder.clone()),
            None => find_tokenizer(&corpus)?,
        };
        Ok(Self {
            corpus: Arc::new(corpus),
            tokenizer: Arc::new(tokenizer),
            tokenizer_dir,
        })
    }

    /// Names of the corpus's sources.
    pub(crate) fn sources(&self) -> Vec<String> {
        self.corpus.sources().map(str::to_owned).collect()
    }
}

fn open_tokenizer(folder: &Path, corpus: &Corpus) -> Result<Tokenizer, TrainError> {
    let tokenizer = Tokenizer::open(folder)?;
    let expected = &corpus.manifest().tokenizer_hash;
    if tokenizer.hash() == expected {
        return Ok(tokenizer);
    }
    Err(TrainError::OtherTokenizer {
        tokenizer: folder.to_owned(),
        found: tokenizer.hash().to_owned(),
        corpus: corpus.folder().to_owned(),
        expected: expected.clone(),
    })
}

/// The first folder of those where it may be that has the corpus's tokenizer.
fn find_tokenizer(corpus: &Corpus) -> Result<(Tokenizer, PathBuf), TrainError> {
    let folder = corpus.folder();
    let made_from = &corpus.manifest().made_from["tokenizer"];
    let named = made_from
        .as_str()
        .or_else(|| made_from["path"].as_str())
        .map(PathBuf::from);
    let beside = folder.parent().map(|parent| parent.join("tokenizer"));
    let tried: Vec<PathBuf> = [Some(folder.join("tokenizer")), named, beside]
        .into_iter()
        .flatten()
        .collect();
    let mut other = None;
    for candidate in tried.iter().filter(|candidate| candidate.is_dir()) {
        match open_tokenizer(candidate, corpus) {
            Ok(tokenizer) => return Ok((tokenizer, candidate.clone())),
            Err(error) => other = Some(error),
        }
    }
    Err(other.unwrap_or_else(|| TrainError::NoTokenizer {
        corpus: folder.to_owned(),
        tried,
    }))
}

/// What becomes of data files that are not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataFiles {
    /// Rank 0 builds a packing index and writes it into the corpus folder; the copy of
    /// `data.stage_to` is made.
    Prepare,
    /// Every rank builds a packing index in memory; nothing is written.
    OnlyRead,
}

/// Opens the packing index of every sequence length of the run, in rising order, and hashes
/// the rows on rank 0. All ranks must call it.
///
/// # Errors
/// When one can be neither opened nor built, or is damaged, on any rank.
pub(crate) fn open_packings(
    collective: &mut dyn Collective,
    corpus: &Corpus,
    config: &RunConfig,
    files: DataFiles,
) -> Result<Vec<Arc<Packing>>, TrainError> {
    let mut packings = Vec::new();
    for length in config.data.sequence_lengths() {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let packing = open_packing(collective, corpus, (config.data.packing, length), files)?;
        packings.push(Arc::new(packing));
    }
    Ok(packings)
}

fn open_packing(
    collective: &mut dyn Collective,
    corpus: &Corpus,
    (mode, length): (PackingMode, u32),
    files: DataFiles,
) -> Result<Packing, TrainError> {
    let path = corpus.folder().join(shards::packing_name(mode, length));
    on_first_rank(collective, || {
        if files == DataFiles::Prepare {
            Packing::open_or_build(&DISK, corpus, mode, length)?;
        }
        if path.exists() {
            Packing::open(&path)?.verify()?;
        }
        Ok(())
    })?;
    let opened = if path.exists() {
        Packing::open_with(&path, corpus.read_mode())
    } else {
        Packing::build(corpus, mode, length)
    };
    let packing = opened.and_then(|packing| packing.check_corpus(corpus).map(|()| packing));
    agree(collective, packing.map_err(TrainError::from))
}

/// One hash for the packing indices of a run: that of the only one, or all in a row.
pub(crate) fn packing_hash(packings: &[Arc<Packing>]) -> String {
    let hashes: Vec<&str> = packings.iter().map(|packing| packing.hash()).collect();
    hashes.join("+")
}

/// The loader of a checked configuration.
///
/// # Errors
/// When settings, corpus, packing indices and tokenizer do not fit each other.
pub(crate) fn open_loader(
    plan: &TrainPlan,
    text: &Text,
    packings: &[Arc<Packing>],
) -> Result<Arc<Loader>, TrainError> {
    let config = &plan.config;
    let data = &config.data;
    let settings = LoaderConfig {
        seed: config.run.seed,
        weights: data.weights.clone(),
        sequence_length: data.sequence_length,
        phases: data.phases.iter().map(phase).collect(),
        global_batch_size: config.training.global_batch_size,
        micro_batch_size: config.training.micro_batch_size,
        masking: config.masking.config().map_err(LoaderError::from)?,
        exclude: data.exclude.clone(),
        skip_steps: SkippedSteps::parse(&data.skip_steps)?,
    };
    let (corpus, tokenizer) = (Arc::clone(&text.corpus), Arc::clone(&text.tokenizer));
    Ok(Arc::new(Loader::new(settings, corpus, packings, tokenizer)?))
}

fn phase(section: &PhaseSection) -> Phase {
    Phase {
        until_step: Step(section.until_step),
        weights: section.weights.clone(),
        sequence_length: section.sequence_length,
    }
}
