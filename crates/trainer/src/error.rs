//! What can end a command of `tenk-pretrain`.

use std::{
    error::Error,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use collectives::{CollectiveError, GpuUuid, NcclError};

use crate::run::plan::error::PlanError;

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
    #[error("{what} is not what this program writes")]
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
    /// A resumed run is to skip a step that it has taken.
    #[error(
        "{}data.skip_steps: step {step} was taken already, as the run goes on after step {finished}; a run skips steps that are to come. To train without that batch, remove the checkpoints from step {step} on and resume from the one before",
        place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default()
    )]
    SkipsTakenStep {
        /// Where the file has the key.
        place: Option<Box<config_file::Place>>,
        /// The first such step.
        step: u64,
        /// Steps that are finished.
        finished: u64,
    },
    /// Accelerators that are to be planned for on the network of a host's CPU ranks.
    #[error(
        "--network host joins ranks of a CPU (--device cpu), and --device is {device}; name the network of its nodes"
    )]
    NetworkOfCpus {
        /// The device.
        device: String,
    },
    /// A precision of which no rate is known on accelerators.
    #[error(
        "training.precision = \"{precision}\" is for proofs, and no rate of {device} in it is published; plan for another precision, or for --device cpu, which is measured"
    )]
    NoPublishedRate {
        /// The device.
        device: &'static str,
        /// The precision.
        precision: &'static str,
    },
    /// The folder of `plan --from` is none of a run.
    #[error(
        "--from {}: there is no config.toml in it, so it is no run folder; name the run.dir of a run that has begun",
        run.display()
    )]
    NoRun {
        /// The folder.
        run: PathBuf,
    },
    /// A run has not measured its rate yet.
    #[error(
        "--from {}: it has measured {steps} steps{}, and a rate takes 50 of them in at least 5 lines of metrics.jsonl; ask again when it has taken more{}, or plan by --config and --device",
        run.display(),
        if *world_size > 0 { format!(" on its {world_size} ranks") } else { String::new() },
        if *logging > 10 { format!(" (a line has {logging} steps, logging.every_steps)") } else { String::new() }
    )]
    NotMeasured {
        /// The run folder.
        run: PathBuf,
        /// Measured steps.
        steps: u64,
        /// Ranks that the run has now; 0 where it has taken no step.
        world_size: usize,
        /// `logging.every_steps`
        logging: u64,
    },
    /// A planned micro-batch needs more memory than the device has.
    #[error(
        "training.micro_batch_size = {micro_batch_size} does not fit on {device}: {}",
        way_out(*fits, *fits_checkpointed)
    )]
    PlanDoesNotFit {
        /// The device.
        device: &'static str,
        /// Sequences of the micro-batch.
        micro_batch_size: u64,
        /// The largest micro-batch that fits and that the devices can share.
        fits: Option<u64>,
        /// Whether it would fit with `model.checkpoint_activations`.
        fits_checkpointed: bool,
    },
    /// The processor has no fast instructions for the precision.
    #[error(
        "{}training.precision = \"{precision}\": rank {rank} ({processor}) has no instructions for it and would be a hundred times slower than in f32; bf16 needs AVX512-BF16, AMX or a GPU of compute capability 8.0, fp16 a GPU of 7.0; use \"f32\" or \"auto\"",
        place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default()
    )]
    SlowPrecision {
        /// Where the key stands.
        place: Option<Box<config_file::Place>>,
        /// What was asked for.
        precision: &'static str,
        /// The first rank with such a processor.
        rank: usize,
        /// The processor's name.
        processor: String,
    },
    /// A rank has no GPU of its own.
    #[error(
        "{}{asked}: {}, or use \"cpu\" as parallel.device with parallel.backend = \"auto\"",
        place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default(),
        lack_of_gpus(host, *local_size, *num_gpus)
    )]
    NoGpu {
        /// Where the key stands.
        place: Option<Box<config_file::Place>>,
        /// The key that asks for a GPU, with its value.
        asked: String,
        /// The host.
        host: String,
        /// Ranks of the host.
        local_size: usize,
        /// GPUs that the rank sees.
        num_gpus: usize,
    },
    /// Several ranks compute on one GPU.
    #[error(
        "{} compute on one GPU ({uuid}), and each rank needs one of its own; start at most one rank a GPU, or show each rank another one (`srun --gpus-per-task=1 --gpu-bind=single:1`, or CUDA_VISIBLE_DEVICES set for each rank), or use \"cpu\" as parallel.device with parallel.backend = \"auto\"",
        with_hosts(ranks)
    )]
    SharedGpu {
        /// The ranks with their hosts, in rank order.
        ranks: Vec<(u32, String)>,
        /// The GPU.
        uuid: GpuUuid,
    },
    /// The training of a rank does not fit into its memory.
    #[error(
        "{}training.micro_batch_size = {micro_batch_size}: a rank needs at least {} and there are {} for it; {}",
        place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default(),
        in_gb(*needed_bytes),
        in_gb(*available_bytes),
        way_out(*fits, *fits_checkpointed)
    )]
    DoesNotFit {
        /// Where the key stands.
        place: Option<Box<config_file::Place>>,
        /// Sequences of a forward and backward pass.
        micro_batch_size: u64,
        /// What a rank is certain to need.
        needed_bytes: u64,
        /// What is there.
        available_bytes: u64,
        /// The largest micro-batch that divides the global batch and would fit.
        fits: Option<u64>,
        /// Whether this micro-batch would fit if activations were computed twice.
        fits_checkpointed: bool,
    },
    /// The memory was used up in mid-run.
    #[error(
        "the memory is used up; lower training.micro_batch_size (now {micro_batch_size}) or set model.checkpoint_activations = true"
    )]
    OutOfMemory {
        /// Sequences of a forward and backward pass.
        micro_batch_size: u64,
        /// What failed.
        #[source]
        source: Box<TrainError>,
    },
    /// The NCCL that the configuration names cannot be used.
    #[error(
        "{}parallel.nccl_library cannot be used",
        place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default()
    )]
    NcclLibrary {
        /// Where the key stands.
        place: Option<Box<config_file::Place>>,
        /// Why not.
        #[source]
        source: Box<NcclError>,
    },
    /// The run folder already has checkpoints.
    #[error(
        "{} already has checkpoints; go on with `--resume auto`, or choose another run.dir",
        dir.display()
    )]
    HasCheckpoints {
        /// The run folder.
        dir: PathBuf,
    },
    /// A run without a step that is left.
    #[error(
        "{}: the run is finished, all {step} steps of training.max_steps are taken; choose another run.dir, or export it",
        dir.display()
    )]
    Finished {
        /// The run folder.
        dir: PathBuf,
        /// Its last step.
        step: u64,
    },
    /// There are checkpoints, and none of them can be used.
    #[error(
        "no checkpoint of the run can be used, {} among them; put a whole one back, or choose another run.dir to start over",
        path.display()
    )]
    NoUsableCheckpoint {
        /// One that was passed over.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: checkpoint::CheckpointError,
    },
    /// There is no checkpoint to use.
    #[error("{} has no {}; train first, or name a checkpoint that is there with --checkpoint", dir.display(), wanted.as_deref().map_or_else(|| "complete checkpoint".to_owned(), |wanted| format!("checkpoint {wanted:?}")))]
    NoCheckpoint {
        /// The folder that was searched.
        dir: PathBuf,
        /// The checkpoint that was asked for by name.
        wanted: Option<String>,
    },
    /// The checkpoint belongs to another run.
    #[error(
        "the checkpoint {} was written by another run: {fields}; set these back, or choose another run.dir",
        path.display()
    )]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// What differs, with both values.
        fields: String,
    },
    /// The checkpoint lacks a field or tensor.
    #[error(
        "the checkpoint {} lacks {what}, so it was not written by this program; use another one",
        path.display()
    )]
    IncompleteCheckpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What it lacks.
        what: String,
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
        "the thread that sums gradients over ranks panicked, which is a fault of this program; parallel.overlap = false does without it"
    )]
    ReducerPanicked,
    /// The thread that copies the corpus is gone.
    #[error(
        "the thread that copies the corpus panicked, which is a fault of this program; without data.stage_to it is not needed"
    )]
    StagingPanicked,
    /// Ranks have run folders of their own under one name.
    #[error(
        "run.dir = {}: rank 0 (host {first}) put a file into it that {others} not see, so it is not one folder for all; give one on a file system that all hosts share (NFS, Lustre, FSx), by the same path",
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
        "the corpus has no held-out text to evaluate: whole companies are held out, so it needs filings of at least two; build it with more, or set evaluation.every_steps = 0"
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
        "the loader ended before step {step}, which is a fault of this program; `--resume auto` goes on from the last checkpoint"
    )]
    LoaderEnded {
        /// The step that it did not deliver.
        step: u64,
    },
    /// A step that the run does not have.
    #[error(
        "--step {step}: the run has the steps 1 to {max_steps} (training.max_steps), as metrics.jsonl names them"
    )]
    NoSuchStep {
        /// The step.
        step: u64,
        /// The last one.
        max_steps: u64,
    },
    /// A slot that a batch does not have.
    #[error(
        "--slot {slot}: a batch has the slots 0 to {} (training.global_batch_size = {num_slots})",
        num_slots.saturating_sub(1)
    )]
    NoSuchSlot {
        /// The slot.
        slot: u64,
        /// How many there are.
        num_slots: u64,
    },
    /// The tokenizer that a checkpoint was trained with is not where it was.
    #[error(
        "the tokenizer of the checkpoint {} (hash {hash}) was not found ({tried}); name its folder with --tokenizer DIR",
        checkpoint.display()
    )]
    NoTokenizerOfCheckpoint {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The hash of its tokenizer.
        hash: String,
        /// Where it was looked for, and why it is not there.
        tried: String,
    },
}

/// Why a rank has no GPU of its own, and what to start instead.
fn lack_of_gpus(host: &str, local_size: usize, num_gpus: usize) -> String {
    if num_gpus == 0 {
        return format!(
            "this rank of host {host} sees no GPU that libtorch can use; put a CUDA build of libtorch 2.11 \
             first on LD_LIBRARY_PATH, see whether `nvidia-smi` lists one and CUDA_VISIBLE_DEVICES hides none"
        );
    }
    format!(
        "host {host} has {local_size} ranks, and one of them sees {num_gpus} GPUs; start at most {num_gpus} \
         ranks on it, or show each rank one GPU of its own (`srun --gpus-per-task=1 --gpu-bind=single:1`, or \
         CUDA_VISIBLE_DEVICES set for each rank)"
    )
}

/// Ranks in words, as a subject.
fn with_hosts(ranks: &[(u32, String)]) -> String {
    let named: Vec<String> = ranks
        .iter()
        .map(|(rank, host)| format!("rank {rank} (host {host})"))
        .collect();
    match &named[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => named.concat(),
    }
}

fn in_gb(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

fn way_out(fits: Option<u64>, fits_checkpointed: bool) -> String {
    match (fits, fits_checkpointed) {
        (Some(fits), true) => format!(
            "{fits}, a divisor of the batch, would fit, or this one with model.checkpoint_activations = true"
        ),
        (Some(fits), false) => format!("{fits}, a divisor of the batch, would fit"),
        (None, true) => "it would fit with model.checkpoint_activations = true".to_owned(),
        (None, false) => {
            "not even one sequence fits: take fewer ranks a host, larger devices or a smaller model"
                .to_owned()
        }
    }
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
                | Self::SharedGpu { .. }
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
                Self::SharedGpu { ranks, .. } => ranks.iter().any(|(named, _)| *named == rank),
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
