//! A run's configuration as it stands in its TOML file: sections, keys and defaults.
//!
//! Whether the values fit together is checked by [`crate::run::plan::TrainPlan`]. A key that does nothing
//! yet is unknown here, so it is refused instead of ignored.

#[cfg(test)]
mod documentation;
mod key_place;
pub(crate) mod masking_section;
mod model_section;
mod parallel;
mod stop_after;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use config_file::{ConfigError, Places};
use model::Precision;
use serde::{Deserialize, Serialize};
use shards::{PackingMode, ReadMode};

pub(crate) use self::{
    key_place::KeyPlace,
    masking_section::MaskingSection,
    model_section::ModelSection,
    parallel::{BackendChoice, DeviceChoice, ParallelSection, ReduceDtype, Reduction},
    stop_after::StopAfter,
};

/// A run, whole. Unknown keys are refused in every section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunConfig {
    /// Where the run lives and which seed it has.
    pub run: RunSection,
    /// What it is trained on.
    pub data: DataSection,
    /// What is masked.
    #[serde(default)]
    pub masking: MaskingSection,
    /// What is trained.
    pub model: ModelSection,
    /// `AdamW`.
    pub optimizer: OptimizerSection,
    /// The learning rate over the steps.
    pub schedule: ScheduleSection,
    /// Steps, batch, precision.
    pub training: TrainingSection,
    /// Ranks and threads.
    #[serde(default)]
    pub parallel: ParallelSection,
    /// When checkpoints are written and kept.
    #[serde(default)]
    pub checkpoint: CheckpointSection,
    /// When held-out text is evaluated.
    #[serde(default)]
    pub evaluation: EvaluationSection,
    /// When metrics are written.
    #[serde(default)]
    pub logging: LoggingSection,
    /// Where the keys stand, for messages; nothing is known of a configuration from memory.
    #[serde(skip)]
    pub places: Places,
}

impl RunConfig {
    /// Reads a file with overrides laid over it, and where its keys stand.
    ///
    /// # Errors
    /// Those of [`config_file::load_with_places`].
    pub(crate) fn load(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let (mut config, places): (Self, _) = config_file::load_with_places(path, overrides)?;
        config.places = places;
        Ok(config)
    }
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunSection {
    /// The run folder.
    pub dir: PathBuf,
    /// Seed of order, masks, initial weights and dropout.
    pub seed: u64,
    /// Time after the start at which this launch stops with a checkpoint, as `11h50m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_after: Option<StopAfter>,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataSection {
    /// The corpus folder that `tenk-corpus build` wrote.
    pub corpus: PathBuf,
    /// The tokenizer folder that the corpus was built with. Without it `CORPUS/tokenizer`, the
    /// folder that the corpus's manifest names and `tokenizer` beside the corpus are tried; its
    /// hash has to be the corpus's in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<PathBuf>,
    /// Integer weight of each source; without it every source by its number of sequences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, u64>>,
    /// How blocks become sequences.
    #[serde(default)]
    pub packing: PackingMode,
    /// Tokens of a sequence, `<s>` and `</s>` included.
    pub sequence_length: usize,
    /// Ids of documents whose tokens are left out; all other slots stay what they are. Usually
    /// added to a run that has begun, so it is no part of what makes two launches the same run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Steps that are passed over, as `"41200..41250"`; as free as `exclude`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_steps: Vec<String>,
    /// A folder on a disk of each node, to which its first rank copies the corpus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_to: Option<PathBuf>,
    /// How the corpus's files are read.
    #[serde(default)]
    pub read: ReadMode,
    /// Weights and sequence length of the first steps; after the last phase those above hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseSection>,
}

/// `[[data.phases]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhaseSection {
    /// The last step of the phase: the batch that finishes it is still drawn by the phase.
    pub until_step: u64,
    /// Integer weight of each source; without it `data.weights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, u64>>,
    /// Tokens of a sequence; without it `data.sequence_length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_length: Option<usize>,
}

impl DataSection {
    /// The sequence lengths of all phases, each once, in rising order.
    pub(crate) fn sequence_lengths(&self) -> BTreeSet<usize> {
        let lengths = self.phases.iter().filter_map(|phase| phase.sequence_length);
        lengths.chain([self.sequence_length]).collect()
    }

    /// The longest sequence of any phase.
    pub(crate) fn longest_sequence(&self) -> usize {
        self.sequence_lengths()
            .last()
            .copied()
            .unwrap_or(self.sequence_length)
    }
}

/// `[optimizer]`: the defaults are RoBERTa's (Liu et al. 2019, table 9 and section 3.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptimizerSection {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    #[serde(default = "adam_beta1")]
    pub adam_beta1: f64,
    /// Decay of the second moment; 0.98 is more stable than 0.999 with large batches.
    #[serde(default = "adam_beta2")]
    pub adam_beta2: f64,
    /// Added to the root of the second moment.
    #[serde(default = "adam_epsilon")]
    pub adam_epsilon: f64,
    /// Decoupled weight decay, not on biases and `LayerNorm`.
    #[serde(default = "weight_decay")]
    pub weight_decay: f64,
    /// Gradients of a larger norm are scaled down to it; 0 is off, as RoBERTa trains.
    #[serde(default)]
    pub max_grad_norm: f64,
}

fn adam_beta1() -> f64 {
    0.9
}
fn adam_beta2() -> f64 {
    0.98
}
fn adam_epsilon() -> f64 {
    1e-6
}
fn weight_decay() -> f64 {
    0.01
}

/// `[schedule]`: a key that the kind does not use is refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleSection {
    /// Shape after the warm-up.
    #[serde(default)]
    pub kind: ScheduleKind,
    /// Steps in which the rate rises linearly from 0 to the peak.
    pub warmup_steps: u64,
    /// `wsd`: share of all steps, the last ones, over which the rate falls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay_share: Option<f64>,
    /// `polynomial`: to which power the share of the steps that is left is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    /// `polynomial`: the rate after the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr_end: Option<f64>,
}

/// Shape of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ScheduleKind {
    /// Linear to 0 at the last step.
    #[default]
    Linear,
    /// Half a cosine to 0.
    Cosine,
    /// At the peak to the end.
    Constant,
    /// A power of the share of the steps that is left, to `lr_end`.
    Polynomial,
    /// At the peak, then half a cosine to 0 over `decay_share` of all steps (warm-up, stable, decay).
    Wsd,
}

/// `[training]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainingSection {
    /// Optimizer steps of the whole run.
    pub max_steps: u64,
    /// Sequences of a step, over all ranks.
    pub global_batch_size: u64,
    /// Sequences of one forward and backward pass.
    pub micro_batch_size: u64,
    /// Arithmetic.
    #[serde(default)]
    pub precision: PrecisionChoice,
}

/// `training.precision`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PrecisionChoice {
    /// bf16 where this machine is faster with it, else f32; decided once a run.
    #[default]
    Auto,
    /// f64 throughout, for proofs.
    F64,
    /// f32 throughout.
    F32,
    /// bf16 matrix products, f32 everywhere else.
    Bf16,
    /// fp16 matrix products with a scaled loss, f32 everywhere else; needs a GPU.
    Fp16,
}

impl From<Precision> for PrecisionChoice {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F64 => Self::F64,
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
            Precision::Fp16 => Self::Fp16,
        }
    }
}

/// `[checkpoint]`: one is always written after the last step and on a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CheckpointSection {
    /// Also after every so many steps; 0: only at the end.
    pub every_steps: u64,
    /// How many of the newest are kept.
    pub keep_last: usize,
    /// Checkpoints at multiples of this step are kept for ever; 0: none.
    pub keep_every: u64,
}

impl Default for CheckpointSection {
    fn default() -> Self {
        Self {
            every_steps: 1000,
            keep_last: 3,
            keep_every: 0,
        }
    }
}

/// `[evaluation]`: of the held-out text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EvaluationSection {
    /// Before the first step, after every so many and after the last; 0: never.
    pub every_steps: u64,
    /// At most so many sequences a source, the same at every evaluation. 1,024 of 512 tokens
    /// predict some 80,000: an error of 0.01 nats in the mean, at a few percent of a run.
    pub max_sequences: usize,
}

impl Default for EvaluationSection {
    fn default() -> Self {
        Self {
            every_steps: 0,
            max_sequences: 1024,
        }
    }
}

/// `[logging]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LoggingSection {
    /// A line in `metrics.jsonl` after every so many steps. Every step by default: 250,000
    /// lines are 60 MB, and each has the digest that makes the step reproducible.
    pub every_steps: u64,
}

impl Default for LoggingSection {
    fn default() -> Self {
        Self { every_steps: 1 }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::run::plan::{TrainPlan, facts::Facts};

    pub(crate) const TINY: &str = r#"
[run]
dir = "runs/tiny"
seed = 1
[data]
corpus = "corpus"
sequence_length = 32
[model]
vocab_size = 300
hidden_size = 16
num_hidden_layers = 1
num_attention_heads = 2
intermediate_size = 32
max_position_embeddings = 34
[optimizer]
learning_rate = 1e-3
[schedule]
warmup_steps = 2
[training]
max_steps = 10
global_batch_size = 8
micro_batch_size = 2
"#;

    pub(crate) fn tiny(overrides: &[&str]) -> RunConfig {
        load(TINY, overrides).unwrap()
    }

    fn load(text: &str, overrides: &[&str]) -> Result<RunConfig, config_file::ConfigError> {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        config_file::load_str(text, Path::new("run.toml"), &overrides)
    }

    #[test]
    fn defaults_are_the_recipe() {
        let config = tiny(&[]);
        assert!((config.optimizer.adam_beta2 - 0.98).abs() < 1e-12);
        assert!((config.masking.mlm_probability - 0.15).abs() < 1e-12);
        assert_eq!(config.training.precision, PrecisionChoice::Auto);
        assert_eq!(config.model.attention_permutation, None);
    }

    #[test]
    fn a_choice_that_no_model_has_is_refused_with_its_line_and_the_list() {
        for (key, listed) in [("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
            let text = TINY.replace("[model]\n", &format!("[model]\n{key} = \"swish\"\n"));
            let error = load(&text, &[]).unwrap_err().to_string();
            for part in [&format!("model.{key}"), "line 9", "swish", listed] {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }

    #[test]
    fn a_misspelled_key_is_refused_with_its_line_in_every_section() {
        for (section, line) in [("run", 5), ("model", 9), ("training", 20)] {
            let text = TINY.replace(
                &format!("[{section}]\n"),
                &format!("[{section}]\nwarmup_step = 3\n"),
            );
            let error = load(&text, &[]).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{section}.warmup_step")) && error.contains("line"),
                "{line} {error}"
            );
        }
        let error = load(TINY, &["model.hiden_size=8"]).unwrap_err().to_string();
        assert!(error.contains("hidden_size"), "{error}");
    }

    #[test]
    fn every_configuration_of_the_repository_can_run_on_one_rank_and_on_two() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs"));
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert!(names.len() >= 7, "{names:?}");
        for name in names {
            let config: RunConfig = config_file::load(&folder.join(&name), &[]).unwrap();
            for world_size in [1, 2] {
                let facts = Facts {
                    world_size,
                    ..Facts::default()
                };
                TrainPlan::new(config.clone(), &facts).unwrap();
            }
        }
    }

    #[test]
    fn the_recipes_are_those_of_the_design() {
        for (size, rate, warmup_steps) in [("base", 5e-4, 10_000), ("large", 4e-4, 30_000)] {
            for data in ["sec", "sec-wiki"] {
                let name = format!(
                    concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/roberta-{}-{}.toml"),
                    data, size
                );
                let config: RunConfig = config_file::load(Path::new(&name), &[]).unwrap();
                let training = &config.training;
                assert_eq!(
                    (
                        training.max_steps,
                        training.global_batch_size,
                        config.data.sequence_length
                    ),
                    (250_000, 2048, 512)
                );
                assert!(
                    (config.optimizer.learning_rate - rate).abs() < 1e-12
                        && config.optimizer.max_grad_norm.abs() < 1e-12
                );
                assert_eq!(config.schedule.warmup_steps, warmup_steps);
                let facts = Facts {
                    world_size: 64,
                    ..Facts::default()
                };
                TrainPlan::new(config, &facts).unwrap();
            }
        }
    }

    #[test]
    fn keys_that_do_nothing_yet_are_refused() {
        assert!(load(TINY, &["logging.prometheus=true"]).is_err());
    }

    #[test]
    fn what_is_saved_reads_back_as_the_same_configuration() {
        let config = tiny(&[
            "model.attention_permutation=7",
            "model.init_from='models/roberta-base'",
            "model.checkpoint_activations=true",
            "data.weights={wiki = 2}",
            "parallel.threads=2",
            "run.stop_after='11h50m'",
            "data.stage_to='/local/tenk'",
            "data.read='pread'",
            "parallel.backend='nccl'",
            "parallel.nccl_library='/opt/libnccl.so.2'",
        ]);
        assert_eq!(config.model.attention_permutation, Some(7));
        assert!(config.model.checkpoint_activations && !tiny(&[]).model.checkpoint_activations);
        let text = config_file::to_toml(&config).unwrap();
        assert_eq!(load(&text, &[]).unwrap(), config);
    }
}
