//! From a configuration to a plan: everything checked, every derived number computed once.
//!
//! All problems are reported together, each with its full key. Only a [`TrainPlan`] goes
//! further into training.

pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod identity;
pub(crate) mod memory;
mod model_and_data;
pub(crate) mod parallel;
pub(crate) mod reproducibility_key;
pub(crate) mod smaller_micro_batch;
pub(crate) mod training;
pub(crate) mod work;

use masking::mask_capacity;

use self::{
    error::PlanError,
    facts::Facts,
    model_and_data::{check_data, check_model},
    parallel::check_run,
    training::{check_counts, check_optimizer, check_training},
};
use crate::{config::RunConfig, step::schedule::Schedule};

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
