//! What can end a command of `tenk-pretrain`.

use std::{
    error::Error,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use collectives::{CollectiveError, NcclError};

use crate::{
    commands::replay::error::ReplayError,
    config::KeyPlace,
    estimate::error::EstimateError,
    run::{
        folder::saved_run_error::SavedRunError,
        plan::{error::PlanError, smaller_micro_batch::SmallerMicroBatch},
    },
    step::device_error::DeviceError,
};

/// An error of the trainer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrainError {
    /// The configuration file is not what it should be.
    #[error(transparent)]
    Config(#[from] config_file::ConfigError),
    /// The configuration's values do not fit together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Ranks cannot reach each other.
    #[error(transparent)]
    Collective(#[from] CollectiveError),
    /// Training data cannot be read.
    #[error(transparent)]
    Loader(#[from] loader::LoaderError),
    /// The corpus cannot be read.
    #[error(transparent)]
    Shards(#[from] shards::ShardError),
    /// The tokenizer cannot be read.
    #[error(transparent)]
    Tokenizer(#[from] tokenizer::TokenizerError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] model::ModelError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] torch_native::TorchError),
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::CheckpointError),
    /// A file or folder cannot be written whole, or is locked by another process.
    #[error(transparent)]
    Durable(#[from] durable::DurableError),
    /// The exported folder cannot be written.
    #[error(transparent)]
    HfFolder(#[from] hf_folder::HfFolderError),
    /// There is no such device, or it is slow in the precision.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A saved run cannot be used.
    #[error(transparent)]
    SavedRun(#[from] SavedRunError),
    /// A run cannot be planned.
    #[error(transparent)]
    Estimate(#[from] EstimateError),
    /// There is no such step or slot.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The system refuses something that is no file of the user's.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// JSON that this program wrote cannot be read or made.
    #[error("{what} was not written by this program")]
    Json {
        /// What was read or made.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// One or more ranks failed, and all of them know.
    #[error("{message}")]
    Agreed {
        /// The failures, with their ranks where these differ.
        message: String,
    },
    /// The tokenizer's folder is not known.
    #[error(
        "the tokenizer of the corpus {} was not found (tried {}); set data.tokenizer to its folder",
        corpus.display(),
        tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoTokenizer {
        /// The corpus.
        corpus: PathBuf,
        /// Where a tokenizer was looked for.
        tried: Vec<PathBuf>,
    },
    /// The tokenizer is not the one that the corpus was built with.
    #[error(
        "the tokenizer {} has the hash {found}, but the corpus {} was built with {expected}; set data.tokenizer to that one",
        tokenizer.display(),
        corpus.display()
    )]
    OtherTokenizer {
        /// The tokenizer folder.
        tokenizer: PathBuf,
        /// Its hash.
        found: String,
        /// The corpus.
        corpus: PathBuf,
        /// The hash in its manifest.
        expected: String,
    },
    /// The model that a run is to begin with has another shape.
    #[error(
        "model.init_from = {}: its config.json and [model] differ in {fields} (run against folder); \
         `--init-from` takes the shape from the folder",
        folder.display()
    )]
    OtherShape {
        /// The folder.
        folder: PathBuf,
        /// Each differing field with both values.
        fields: String,
    },
    /// Ranks were started with something that differs.
    #[error(
        "rank {rank} differs from rank 0: {fields}; start all ranks with the same configuration and files"
    )]
    RanksDiffer {
        /// The first rank that differs.
        rank: u32,
        /// The fields, with both values.
        fields: String,
    },
    /// More computing threads than cores.
    #[error(
        "parallel.threads = {threads} with {ranks} rank(s) on them needs {} cores, but this process may use {cores} of the machine's {machine_cores}; start mpirun with `--bind-to none` or `--map-by slot:PE={threads}`, or lower parallel.threads",
        threads * ranks
    )]
    TooFewCores {
        /// Wanted threads of a rank.
        threads: usize,
        /// Ranks that share the cores.
        ranks: usize,
        /// Cores of the affinity mask.
        cores: usize,
        /// Cores of the machine.
        machine_cores: usize,
    },
    /// The training of a rank does not fit into its memory.
    #[error(
        "{place}training.micro_batch_size = {micro_batch_size}: a rank needs at least {} and has {}; {way_out}",
        in_gb(*needed_bytes),
        in_gb(*available_bytes)
    )]
    DoesNotFit {
        /// Where the key stands.
        place: KeyPlace,
        /// Sequences of a forward and backward pass.
        micro_batch_size: u64,
        /// What a rank is certain to need.
        needed_bytes: u64,
        /// What is there.
        available_bytes: u64,
        /// What would fit.
        way_out: SmallerMicroBatch,
    },
    /// The memory was used up in mid-run.
    #[error(
        "memory ran out; lower training.micro_batch_size (now {micro_batch_size}) or set model.checkpoint_activations = true"
    )]
    OutOfMemory {
        /// Sequences of a forward and backward pass.
        micro_batch_size: u64,
        /// What failed.
        #[source]
        source: Box<TrainError>,
    },
    /// The NCCL that the configuration names cannot be used.
    #[error("{place}parallel.nccl_library cannot be used")]
    NcclLibrary {
        /// Where the key stands.
        place: KeyPlace,
        /// Why not.
        #[source]
        source: Box<NcclError>,
    },
    /// Loss or gradient is NaN or infinite.
    #[error(
        "step {step}: the {what} is not finite{}; {}",
        parameter.as_ref().map(|name| format!(", first in {name}")).unwrap_or_default(),
        after_bad_step(*step, checkpoint.as_deref())
    )]
    NotFinite {
        /// The step that could not be finished.
        step: u64,
        /// `loss` or `gradient`.
        what: &'static str,
        /// The first parameter with such a gradient, in the order of the flat buffer: from the head
        /// down to the embeddings.
        parameter: Option<String>,
        /// The newest checkpoint, written before it.
        checkpoint: Option<PathBuf>,
    },
    /// The parameters of a rank are not those of the others.
    #[error(
        "step {step}: the parameters of rank {rank} differ from those of the other ranks, first in {parameter}; a memory or processor of its host may be at fault: take that host out, and go on with `--resume auto` from a checkpoint before it"
    )]
    Drift {
        /// The steps that are finished.
        step: u64,
        /// The first rank that differs from most others.
        rank: u32,
        /// Its first parameter that differs, in the order of the flat buffer.
        parameter: String,
    },
    /// The thread that sums gradients during the backward pass is gone.
    #[error(
        "the thread that sums gradients over ranks panicked; this is a bug in tenk. With parallel.overlap = false the thread is not needed"
    )]
    ReducerPanicked,
    /// The thread that copies the corpus is gone.
    #[error(
        "the thread that copies the corpus panicked; this is a bug in tenk. Without data.stage_to the thread is not needed"
    )]
    StagingPanicked,
    /// Ranks have run folders of their own under one name.
    #[error(
        "run.dir = {}: rank 0 (host {first}) wrote a file there that {others} not see, so it is not the same folder everywhere; choose a folder on a file system that all hosts share (NFS, Lustre, FSx), under the same path",
        dir.display()
    )]
    RunFolderNotShared {
        /// The run folder.
        dir: PathBuf,
        /// The host of rank 0.
        first: String,
        /// Who does not see the file, as a subject with `does` or `do`.
        others: String,
    },
    /// No token of a step is masked.
    #[error(
        "step {step}: no token of the whole batch is masked; raise masking.mlm_probability or training.global_batch_size"
    )]
    NothingMasked {
        /// The step.
        step: u64,
    },
    /// There is nothing to evaluate.
    #[error(
        "the corpus has no held-out text to evaluate. Whole companies are held out, so it needs filings of at least two companies; build it with more, or set evaluation.every_steps = 0"
    )]
    NothingHeldOut,
    /// A run without evaluations.
    #[error("{} has no evaluation; train with evaluation.every_steps above 0", path.display())]
    NotEvaluated {
        /// Its metrics file.
        path: PathBuf,
    },
    /// The loader ended before the run.
    #[error(
        "the loader ended before step {step}; this is a bug in tenk. `--resume auto` goes on from the last checkpoint"
    )]
    LoaderEnded {
        /// The step that it did not deliver.
        step: u64,
    },
}

fn in_gb(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// The way out after a loss or gradient that is not finite.
fn after_bad_step(step: u64, checkpoint: Option<&Path>) -> String {
    let anew = "with a lower optimizer.learning_rate or with optimizer.max_grad_norm = 1";
    match checkpoint {
        Some(checkpoint) => format!(
            "the last good checkpoint is {}: `--resume auto` goes on from it, without the batch of this \
             step with data.skip_steps = [\"{step}\"]; else begin a new run {anew}",
            checkpoint.display()
        ),
        None => format!("no checkpoint was written before it: begin again {anew}"),
    }
}

impl TrainError {
    /// Whether every rank ends with this same error, so that one of them reports it and all
    /// leave in order.
    pub(crate) fn is_on_all_ranks(&self) -> bool {
        matches!(
            self,
            Self::Agreed { .. }
                | Self::NotFinite { .. }
                | Self::NothingMasked { .. }
                | Self::Drift { .. }
                | Self::RunFolderNotShared { .. }
                | Self::RanksDiffer { .. }
                | Self::Device(DeviceError::SharedGpu { .. })
        )
    }

    /// Whether the error is that other ranks did not come in time.
    pub(crate) fn is_deadline(&self) -> bool {
        matches!(self, Self::Collective(error) if error.is_deadline())
    }

    /// Whether `rank` tells people about an error that all ranks have: rank 0 does, and the
    /// rank that it names does too, so that it is found in that rank's own output.
    pub(crate) fn is_reported_by(&self, rank: u32) -> bool {
        rank == 0
            || match self {
                Self::RanksDiffer { rank: named, .. } | Self::Drift { rank: named, .. } => *named == rank,
                Self::Device(DeviceError::SharedGpu { ranks, .. }) => {
                    ranks.iter().any(|(named, _)| *named == rank)
                }
                _ => false,
            }
    }
}

impl From<tch::TchError> for TrainError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error.into())
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        // A transparent wrapper says the same twice.
        if !text.ends_with(&inner.to_string()) {
            let _ = write!(text, ": {inner}");
        }
        cause = inner.source();
    }
    text
}
