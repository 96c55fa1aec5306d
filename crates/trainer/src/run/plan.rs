//! From a configuration to a plan: everything checked, every derived number computed once.
//!
//! All problems are reported together, each with its full key. Only a [`TrainPlan`] goes
//! further into training.

pub(crate) mod error;

use std::{collections::BTreeMap, path::Path};

use loader::{SkippedSteps, nearest_divisors};
use masking::mask_capacity;

use self::error::PlanError;
use crate::config::{BackendChoice, DeviceChoice, PrecisionChoice, RunConfig};
use crate::config::{ReduceDtype, Reduction};
use crate::step::schedule::Schedule;

/// Longest deadline of a collective call: a year, which every clock can add.
pub(crate) const LONGEST_TIMEOUT_S: u64 = 366 * 24 * 60 * 60;

/// What a configuration is checked against.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts<'a> {
    /// Ranks of the launch.
    pub world_size: u32,
    /// Entries of the tokenizer, once it is open.
    pub tokenizer_vocab_size: Option<usize>,
    /// Sources of the corpus, once it is open.
    pub sources: Option<&'a [String]>,
}

/// A checked configuration with its derived numbers.
#[derive(Debug, Clone)]
pub(crate) struct TrainPlan {
    /// The configuration.
    pub config: RunConfig,
    /// Ranks of the launch.
    pub world_size: u32,
    /// Micro-batches of a step over all ranks.
    pub num_micro_batches: u64,
    /// Micro-batches of a step on one rank, the largest share: its gradient accumulation steps.
    pub micro_batches_per_rank: u64,
    /// Token positions of a step over all ranks, padding included.
    pub positions_per_step: u64,
    /// Rows a sequence that go through the vocabulary projection.
    pub mask_capacity: usize,
    /// The learning rate.
    pub schedule: Schedule,
}

impl TrainPlan {
    /// Checks `config` against `facts`.
    ///
    /// # Errors
    /// [`PlanError`] with every problem.
    pub(crate) fn new(config: RunConfig, facts: &Facts<'_>) -> Result<Self, PlanError> {
        let mut problems = Vec::new();
        check_model(&config, facts, &mut problems);
        check_data(&config, facts, &mut problems);
        check_optimizer(&config, &mut problems);
        check_training(&config, facts, &mut problems);
        check_run(&config, &mut problems);
        let positions_per_step = check_counts(&config, &mut problems);
        if let Some(positions_per_step) = positions_per_step.filter(|_| problems.is_empty()) {
            return Ok(Self::derive(config, facts.world_size, positions_per_step));
        }
        let problems = problems.into_iter().map(|problem| with_place(&config, problem));
        Err(PlanError {
            problems: problems.collect(),
        })
    }

    fn derive(config: RunConfig, world_size: u32, positions_per_step: u64) -> Self {
        let num_micro_batches = config.training.global_batch_size / config.training.micro_batch_size;
        Self {
            world_size,
            num_micro_batches,
            micro_batches_per_rank: num_micro_batches.div_ceil(u64::from(world_size.max(1))),
            positions_per_step,
            mask_capacity: mask_capacity(config.data.sequence_length, config.masking.mlm_probability),
            schedule: Schedule::new(&config.optimizer, &config.schedule, config.training.max_steps),
            config,
        }
    }
}

/// A problem behind the place of the key that it begins with.
fn with_place(config: &RunConfig, problem: String) -> String {
    let key = problem
        .split([' ', ':'])
        .next()
        .unwrap_or_default()
        .replace('"', "");
    match config.places.of(&key) {
        Some(place) => format!("{place}: {problem}"),
        None => problem,
    }
}

fn check_model(config: &RunConfig, facts: &Facts<'_>, problems: &mut Vec<String>) {
    let model = &config.model.config;
    problems.extend(
        model
            .problems()
            .into_iter()
            .map(|problem| format!("model.{problem}")),
    );
    if let Err(error) = model.validate_sequence_length(config.data.longest_sequence()) {
        problems.push(format!(
            "data.sequence_length (or that of a phase) and model.max_position_embeddings do not fit together: {error}"
        ));
    }
    if let Some(entries) = facts
        .tokenizer_vocab_size
        .filter(|&entries| model.vocab_size < entries)
    {
        problems.push(format!(
            "model.vocab_size = {}: the tokenizer has {entries} entries; set it to at least that",
            model.vocab_size
        ));
    }
    let ids = [
        ("bos", model.bos_token_id, 0),
        ("pad", model.pad_token_id, 1),
        ("eos", model.eos_token_id, 2),
    ];
    for (name, given, expected) in ids.into_iter().filter(|(_, given, expected)| given != expected) {
        problems.push(format!(
            "model.{name}_token_id = {given}: RoBERTa's tokenizers have {expected}"
        ));
    }
}

fn check_data(config: &RunConfig, facts: &Facts<'_>, problems: &mut Vec<String>) {
    let data = &config.data;
    let lengths = data.phases.iter().map(|phase| phase.sequence_length);
    let lengths = (0..).map(|index| format!("data.phases[{index}]")).zip(lengths);
    let own = ("data".to_owned(), Some(data.sequence_length));
    for (section, length) in lengths.chain([own]) {
        if let Some(length) = length.filter(|&length| length < 3) {
            problems.push(format!(
                "{section}.sequence_length = {length}: `<s>`, `</s>` and one token need 3"
            ));
        }
    }
    if let Some(folder) = &data.stage_to {
        check_stage_to(folder, &data.corpus, problems);
    }
    check_masking(config, problems);
    check_phases(config, problems);
    check_skip_steps(config, problems);
    let weights = data.phases.iter().map(|phase| phase.weights.as_ref());
    let weights = (0..).map(|index| format!("data.phases[{index}]")).zip(weights);
    for (section, weights) in weights.chain([("data".to_owned(), data.weights.as_ref())]) {
        if let Some(weights) = weights {
            check_weights(&section, weights, facts, problems);
        }
    }
}

/// A copy is made outside of what it is a copy of.
fn check_stage_to(folder: &Path, corpus: &Path, problems: &mut Vec<String>) {
    if folder.as_os_str().is_empty() || folder.starts_with(corpus) {
        problems.push(format!(
            "data.stage_to = {:?}: it has to be a folder outside of data.corpus = {:?}, on a disk of each node",
            folder.display().to_string(),
            corpus.display().to_string(),
        ));
    }
}

fn check_masking(config: &RunConfig, problems: &mut Vec<String>) {
    let masking = &config.masking;
    let probability = masking.mlm_probability;
    if !(probability > 0.0 && probability < 1.0) {
        problems.push(format!(
            "masking.mlm_probability = {probability}: it has to be above 0 and below 1"
        ));
    } else if let Err(error) = masking.config() {
        problems.push(error.to_string());
    }
}

fn check_weights(
    section: &str,
    weights: &BTreeMap<String, u64>,
    facts: &Facts<'_>,
    problems: &mut Vec<String>,
) {
    if weights.values().all(|&weight| weight == 0) {
        problems.push(format!("{section}.weights: no source has a weight above 0"));
    }
    let Some(sources) = facts.sources else { return };
    for name in weights.keys().filter(|name| !sources.contains(name)) {
        problems.push(format!(
            "{section}.weights.\"{name}\": the corpus has no such source; it has {}",
            sources.join(", ")
        ));
    }
}

/// Phases follow each other and end before the run does.
fn check_phases(config: &RunConfig, problems: &mut Vec<String>) {
    let mut before = 0;
    for (index, phase) in config.data.phases.iter().enumerate() {
        let (key, step) = (format!("data.phases[{index}].until_step"), phase.until_step);
        if step <= before {
            problems.push(format!(
                "{key} = {step}: it has to be above {before}, where the phase begins"
            ));
        }
        if step >= config.training.max_steps {
            problems.push(format!(
                "{key} = {step}: the run ends at training.max_steps = {}; its last phase is that of \
                 [data] itself",
                config.training.max_steps
            ));
        }
        before = before.max(step);
    }
}

fn check_skip_steps(config: &RunConfig, problems: &mut Vec<String>) {
    let last = config.training.max_steps;
    match SkippedSteps::parse(&config.data.skip_steps) {
        Err(error) => problems.push(error.to_string()),
        Ok(skipped) if skipped.contains(last) => problems.push(format!(
            "data.skip_steps: step {last} is the last one of training.max_steps and has to be taken"
        )),
        Ok(_) => {}
    }
}

fn check_optimizer(config: &RunConfig, problems: &mut Vec<String>) {
    let optimizer = &config.optimizer;
    let mut require = |holds: bool, key: &str, value: f64, expected: &str| {
        if !holds {
            problems.push(format!("optimizer.{key} = {value}: it has to be {expected}"));
        }
    };
    let (rate, epsilon) = (optimizer.learning_rate, optimizer.adam_epsilon);
    require(rate.is_finite() && rate > 0.0, "learning_rate", rate, "above 0");
    require(
        epsilon.is_finite() && epsilon > 0.0,
        "adam_epsilon",
        epsilon,
        "above 0",
    );
    for (key, beta) in [
        ("adam_beta1", optimizer.adam_beta1),
        ("adam_beta2", optimizer.adam_beta2),
    ] {
        require((0.0..1.0).contains(&beta), key, beta, "at least 0 and below 1");
    }
    for (key, value) in [
        ("weight_decay", optimizer.weight_decay),
        ("max_grad_norm", optimizer.max_grad_norm),
    ] {
        require(value.is_finite() && value >= 0.0, key, value, "at least 0");
    }
}

fn check_training(config: &RunConfig, facts: &Facts<'_>, problems: &mut Vec<String>) {
    let training = &config.training;
    if training.max_steps == 0 {
        problems.push("training.max_steps = 0: a run has at least one step".to_owned());
    } else {
        let peak = config.optimizer.learning_rate;
        problems.extend(config.schedule.problems(peak, training.max_steps));
    }
    check_division(config, u64::from(facts.world_size), problems);
}

/// The batch is cut into micro-batches, of which every rank takes the same number, or with
/// `parallel.allow_uneven` at least one.
fn check_division(config: &RunConfig, world: u64, problems: &mut Vec<String>) {
    let training = &config.training;
    let (batch, micro_batch) = (training.global_batch_size, training.micro_batch_size);
    if batch == 0 || micro_batch == 0 {
        problems.push(
            "training.global_batch_size and training.micro_batch_size have to be at least 1".to_owned(),
        );
        return;
    }
    if !batch.is_multiple_of(micro_batch) {
        problems.push(format!(
            "training.global_batch_size = {batch} is no multiple of training.micro_batch_size = {micro_batch}; the nearest micro-batches that divide it are {}, the nearest batches {}",
            nearest_divisors(batch, micro_batch),
            nearest_multiples(batch, micro_batch),
        ));
        return;
    }
    let num_micro_batches = batch / micro_batch;
    if world > 0 && !can_share(num_micro_batches, world, config.parallel.allow_uneven) {
        problems.push(format!(
            "training.global_batch_size = {batch} has {num_micro_batches} micro-batches of training.micro_batch_size = {micro_batch}, which {world} ranks cannot share evenly; the nearest batches that do are {}, the nearest numbers of ranks {}{}",
            nearest_multiples(batch, micro_batch.saturating_mul(world)),
            nearest_divisors(num_micro_batches, world),
            if num_micro_batches < world {
                "; a rank without a micro-batch is refused in any case"
            } else {
                "; parallel.allow_uneven = true takes shares that differ by one"
            },
        ));
    }
}

/// Whether so many ranks can have a share of the micro-batches of a step.
pub(crate) fn can_share(num_micro_batches: u64, world_size: u64, allow_uneven: bool) -> bool {
    num_micro_batches.is_multiple_of(world_size) || (allow_uneven && num_micro_batches >= world_size)
}

fn nearest_multiples(number: u64, unit: u64) -> String {
    let below = number / unit * unit;
    match below {
        0 => unit.to_string(),
        _ => match below.checked_add(unit) {
            Some(above) => format!("{below} and {above}"),
            None => below.to_string(),
        },
    }
}

/// The positions of a step, where every count of the run can be held in 64 bits.
fn check_counts(config: &RunConfig, problems: &mut Vec<String>) -> Option<u64> {
    let (training, length) = (&config.training, config.data.sequence_length);
    let sequences = training.max_steps.checked_mul(training.global_batch_size);
    let positions = sequences.and_then(|sequences| sequences.checked_mul(length as u64));
    if positions.is_none() {
        problems.push(format!(
            "training.max_steps = {} of training.global_batch_size = {} of data.sequence_length = {length}: more positions than 64 bits can count; lower one of them",
            training.max_steps, training.global_batch_size
        ));
        return None;
    }
    training.global_batch_size.checked_mul(length as u64)
}

/// Where the run is written, and what happens every so many steps or seconds.
fn check_run(config: &RunConfig, problems: &mut Vec<String>) {
    if config.run.dir.as_os_str().is_empty() {
        problems.push("run.dir is empty: name the folder of the run".to_owned());
    }
    let zeros = [
        ("parallel.timeout_s", config.parallel.timeout_s == 0),
        ("parallel.silence_s", config.parallel.silence_s == 0),
        ("parallel.abort_s", config.parallel.abort_s == 0),
        ("parallel.threads", config.parallel.threads == Some(0)),
        ("checkpoint.keep_last", config.checkpoint.keep_last == 0),
        ("logging.every_steps", config.logging.every_steps == 0),
        ("evaluation.max_sequences", config.evaluation.max_sequences == 0),
    ];
    problems.extend(
        zeros
            .into_iter()
            .filter(|(_, zero)| *zero)
            .map(|(key, _)| format!("{key} = 0: it has to be at least 1")),
    );
    let parallel = &config.parallel;
    let times = [
        ("timeout_s", parallel.timeout_s),
        ("silence_s", parallel.silence_s),
        ("abort_s", parallel.abort_s),
    ];
    if parallel.backend == BackendChoice::Nccl && parallel.device == DeviceChoice::Cpu {
        problems.push(
            "parallel.backend = \"nccl\": it sums on GPUs, and parallel.device is \"cpu\"; set one of them to \"auto\""
                .to_owned(),
        );
    }
    if parallel.backend == BackendChoice::Nccl && parallel.reduction == Reduction::Canonical {
        problems.push(
            "parallel.backend = \"nccl\": NCCL adds in an order of its own, and parallel.reduction is \"canonical\", which MPI carries; set the backend to \"auto\" or the reduction to \"fast\""
                .to_owned(),
        );
    }
    if parallel.reduce_dtype == ReduceDtype::Bf16 {
        if parallel.reduction == Reduction::Canonical {
            problems.push(
                "parallel.reduce_dtype = \"bf16\": parallel.reduction is \"canonical\", whose sums are exact to the bit at any number of ranks; set one of them to its default"
                    .to_owned(),
            );
        }
        if config.training.precision == PrecisionChoice::F64 {
            problems.push(
                "parallel.reduce_dtype = \"bf16\": training.precision is \"f64\", of which 8 bits would be left; set parallel.reduce_dtype = \"f32\", which sends f64 as it is"
                    .to_owned(),
            );
        }
    }
    for (key, seconds) in times {
        if seconds > LONGEST_TIMEOUT_S {
            problems.push(format!(
                "parallel.{key} = {seconds}: it has to be at most {LONGEST_TIMEOUT_S} (a year)"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;

    fn problems(overrides: &[&str], world_size: u32) -> Vec<String> {
        let facts = Facts {
            world_size,
            tokenizer_vocab_size: Some(300),
            sources: Some(&["10-K".to_owned(), "wiki".to_owned()]),
        };
        match TrainPlan::new(tiny(overrides), &facts) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems,
        }
    }

    #[test]
    fn derived_numbers_follow_from_batch_and_world() {
        let facts = Facts {
            world_size: 2,
            ..Facts::default()
        };
        let plan = TrainPlan::new(tiny(&[]), &facts).unwrap();
        assert_eq!((plan.num_micro_batches, plan.micro_batches_per_rank), (4, 2));
        assert_eq!((plan.positions_per_step, plan.mask_capacity), (256, 5));
    }

    #[test]
    fn every_problem_is_reported_at_once_with_its_key() {
        let found = problems(
            &[
                "model.vocab_size=299",
                "model.num_attention_heads=3",
                "data.sequence_length=40",
                "data.weights={news = 1}",
                "data.stage_to='corpus/copy'",
                "masking.mlm_probability=0.0",
                "optimizer.learning_rate=-1",
                "schedule.warmup_steps=11",
                "training.micro_batch_size=3",
                "checkpoint.keep_last=0",
                "parallel.timeout_s=9223372036854775807",
                "run.dir=''",
            ],
            1,
        );
        let keys = [
            "model.num_attention_heads",
            "data.sequence_length",
            "model.vocab_size",
            "data.stage_to",
            "masking.mlm_probability",
            "data.weights.\"news\"",
            "optimizer.learning_rate",
            "schedule.warmup_steps",
            "training.global_batch_size",
            "run.dir",
            "checkpoint.keep_last",
            "parallel.timeout_s",
        ];
        assert_eq!(found.len(), keys.len(), "{found:#?}");
        assert!(
            found
                .iter()
                .zip(keys)
                .all(|(problem, key)| problem.starts_with(key)),
            "{found:#?}"
        );
    }

    #[test]
    fn a_batch_that_does_not_divide_is_refused_with_the_nearest_that_do() {
        let micro_batch = problems(&["training.micro_batch_size=3"], 1);
        assert!(
            micro_batch[0]
                .contains("nearest micro-batches that divide it are 2 and 4, the nearest batches 6 and 9"),
            "{micro_batch:?}"
        );
        let world = problems(&[], 3);
        assert!(
            world[0].contains("nearest batches that do are 6 and 12, the nearest numbers of ranks 2 and 4"),
            "{world:?}"
        );
    }

    #[test]
    fn uneven_shares_have_to_be_allowed_and_every_rank_needs_one() {
        let uneven = |world_size| problems(&["parallel.allow_uneven=true"], world_size);
        assert!(problems(&[], 3)[0].contains("parallel.allow_uneven = true"));
        assert!(uneven(3).is_empty());
        assert!(uneven(5)[0].contains("a rank without a micro-batch is refused"));
    }

    #[test]
    fn numbers_that_no_run_can_have_are_refused_at_once() {
        for overrides in [
            &[
                "training.global_batch_size=9223372036854775807",
                "training.micro_batch_size=2",
            ][..],
            &[
                "training.global_batch_size=9223372036854775806",
                "training.micro_batch_size=9223372036854775807",
            ],
            &["training.max_steps=9223372036854775807"],
            &["training.global_batch_size=9223372036854775806"],
        ] {
            for world_size in [1, 3] {
                let found = problems(overrides, world_size);
                assert!(
                    !found.is_empty() && found.iter().all(|problem| problem.starts_with("training.")),
                    "{found:?}"
                );
            }
        }
    }

    #[test]
    fn a_larger_vocabulary_than_the_tokenizers_and_a_warm_up_as_long_as_the_run_are_fine() {
        assert!(problems(&["model.vocab_size=304", "schedule.warmup_steps=10"], 1).is_empty());
    }

    #[test]
    fn phases_and_skipped_steps_that_make_no_sense_are_refused() {
        let phases = |text: &str| problems(&[&format!("data.phases={text}")], 1);
        for (text, key) in [
            ("[{until_step=0}]", "data.phases[0].until_step"),
            ("[{until_step=4}, {until_step=4}]", "data.phases[1].until_step"),
            ("[{until_step=10}]", "data.phases[0].until_step"),
            (
                "[{until_step=3, sequence_length=2}]",
                "data.phases[0].sequence_length",
            ),
            ("[{until_step=3, sequence_length=33}]", "data.sequence_length"),
            ("[{until_step=3, weights={wiki = 0}}]", "data.phases[0].weights"),
            (
                "[{until_step=3, weights={news = 1}}]",
                "data.phases[0].weights.\"news\"",
            ),
        ] {
            let found = phases(text);
            assert!(found.len() == 1 && found[0].starts_with(key), "{text}: {found:?}");
        }
        assert!(
            phases("[{until_step=4, sequence_length=16}, {until_step=9, weights={wiki = 1}}]").is_empty()
        );
        for wrong in ["['3-4']", "['9..=10']", "['10']"] {
            let found = problems(&[&format!("data.skip_steps={wrong}")], 1);
            assert!(
                found.len() == 1 && found[0].contains("data.skip_steps"),
                "{found:?}"
            );
        }
        assert!(problems(&["data.skip_steps=['3..5', '9..10']"], 1).is_empty());
        for contrary in ["parallel.device='cpu'", "parallel.reduction='canonical'"] {
            let found = problems(&["parallel.backend='nccl'", contrary], 2);
            assert!(
                found.len() == 1 && found[0].starts_with("parallel.backend = \"nccl\""),
                "{found:?}"
            );
        }
        for contrary in ["parallel.reduction='canonical'", "training.precision='f64'"] {
            let found = problems(&["parallel.reduce_dtype='bf16'", contrary], 2);
            assert!(
                found.len() == 1 && found[0].starts_with("parallel.reduce_dtype = \"bf16\""),
                "{found:?}"
            );
        }
        assert!(problems(&["parallel.reduce_dtype='bf16'"], 2).is_empty());
        let found = problems(&["masking.mask_replace_prob=0.95"], 1);
        assert!(
            found.len() == 1 && found[0].starts_with("masking.mask_replace_prob"),
            "{found:?}"
        );
    }

    #[test]
    fn what_cannot_run_is_refused_with_the_line_of_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        let bad = [
            (
                "num_attention_heads = 2",
                "num_attention_heads = 3\ntie_word_embeddings = false",
            ),
            ("sequence_length = 32", "sequence_length = 64"),
            ("micro_batch_size = 2", "micro_batch_size = 3"),
        ];
        let text = bad
            .into_iter()
            .fold(crate::config::tests::TINY.to_owned(), |text, (good, bad)| {
                text.replace(good, bad)
            });
        durable::commit_bytes(&durable::DISK, &path, text.as_bytes()).unwrap();
        let (mut config, places): (RunConfig, _) =
            config_file::load_with_places(&path, &["schedule.warmup_steps=11".to_owned()]).unwrap();
        config.places = places;
        let line_of = |key: &str| text.lines().position(|line| line.starts_with(key)).unwrap() + 1;
        let problems = TrainPlan::new(config, &Facts::default()).unwrap_err().problems;
        for key in [
            "model.num_attention_heads",
            "model.tie_word_embeddings",
            "data.sequence_length",
            "training.global_batch_size",
        ] {
            let (_, name) = key.split_once('.').unwrap();
            let start = format!("{}, line {}, column 1: {key}", path.display(), line_of(name));
            assert!(
                problems.iter().any(|problem| problem.starts_with(&start)),
                "{start}: {problems:#?}"
            );
        }
        let start = "the override `schedule.warmup_steps=11`: schedule.warmup_steps";
        assert!(
            problems.iter().any(|problem| problem.starts_with(start)),
            "{problems:#?}"
        );
    }

    #[test]
    fn one_problem_stands_in_one_line() {
        let error = TrainPlan::new(
            tiny(&["training.max_steps=0"]),
            &Facts {
                world_size: 1,
                ..Facts::default()
            },
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the configuration cannot run: training.max_steps = 0: a run has at least one step"
        );
    }
}
