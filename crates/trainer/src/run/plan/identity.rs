//! What makes two launches the same run: hashes of everything that decides the result.

use std::{path::Path, sync::OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    config::{RunConfig, masking_section},
    error::TrainError,
};

/// Hashes that a checkpoint carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hashes {
    /// Of [`essential`] configuration.
    pub config: String,
    /// Of the corpus's manifest.
    pub corpus: String,
    /// Of the packing index.
    pub packing: String,
    /// Of the tokenizer.
    pub tokenizer: String,
}

/// What a resumed run may change and still be the same run: places, rhythm, ranks, and what is
/// left out of the data, which every checkpoint records. Places are known by their hashes, and a
/// resumed run takes no weights from `init_from`; activations that are computed twice have the same
/// bits; precision has a rule of its own
/// ([`crate::step::precision::fits`]); ranks, threads and micro-batch are the [`ReproducibilityKey`](super::reproducibility_key::ReproducibilityKey).
const FREE_KEYS: [(&str, Option<&str>); 16] = [
    ("run", Some("dir")),
    ("run", Some("stop_after")),
    ("data", Some("corpus")),
    ("data", Some("tokenizer")),
    ("data", Some("stage_to")),
    ("data", Some("read")),
    ("model", Some("init_from")),
    ("model", Some("checkpoint_activations")),
    ("data", Some("exclude")),
    ("data", Some("skip_steps")),
    ("training", Some("precision")),
    ("training", Some("micro_batch_size")),
    ("parallel", None),
    ("checkpoint", None),
    ("evaluation", None),
    ("logging", None),
];

/// Keys that name places.
const PLACES: [(&str, Option<&str>); 4] = [
    ("run", Some("dir")),
    ("data", Some("corpus")),
    ("data", Some("tokenizer")),
    ("parallel", Some("nccl_library")),
];

/// The part of a configuration that decides what is learned.
///
/// # Errors
/// When the configuration has a number that JSON cannot hold.
pub(crate) fn essential(config: &RunConfig) -> Result<Value, TrainError> {
    // A default that is written out is no other run.
    let schedule = config.schedule.resolved();
    let mut value = in_json(&RunConfig {
        schedule,
        ..config.clone()
    })?;
    remove(&mut value, &FREE_KEYS);
    masking_section::name_as_checkpoints_do(&mut value["masking"]);
    Ok(value)
}

/// What of `saved`, the essential part of the configuration of a checkpoint, is not that of `config`, in
/// words; empty where the run may go on with `config`: its schedule may allow to lengthen it.
///
/// # Errors
/// As [`essential`].
pub(crate) fn differing_from(saved: &Value, config: &RunConfig) -> Result<String, TrainError> {
    let (mut saved, mut own) = (saved.clone(), essential(config)?);
    for section in [&mut saved, &mut own]
        .into_iter()
        .filter_map(|side| side.get_mut("masking"))
    {
        masking_section::name_as_files_do(section);
    }
    let kind = config.schedule.kind;
    let (before, now) = (saved["training"]["max_steps"].as_u64(), config.training.max_steps);
    if before.is_some_and(|before| before < now) && kind.may_be_lengthened() {
        own["training"]["max_steps"] = saved["training"]["max_steps"].clone();
        return Ok(differing(&saved, &own));
    }
    let mut fields = differing(&saved, &own);
    if before.is_some_and(|before| before != now) {
        fields.push_str(if kind.may_be_lengthened() {
            " (training.max_steps may be raised, not lowered: the run has been planned up to there)"
        } else {
            " (training.max_steps is part of every rate of this schedule.kind; only runs on \"constant\" and \"wsd\" may be lengthened)"
        });
    }
    Ok(fields)
}

/// The part of a configuration that has to be the same on all ranks: everything but places,
/// which differ where every host has its own copy, and what they hold is known by its hash.
///
/// # Errors
/// When the configuration has a number that JSON cannot hold.
pub(crate) fn shared_by_ranks(config: &RunConfig) -> Result<Value, TrainError> {
    let mut value = in_json(config)?;
    remove(&mut value, &PLACES);
    Ok(value)
}

fn in_json(config: &RunConfig) -> Result<Value, TrainError> {
    serde_json::to_value(config).map_err(|source| TrainError::Json {
        what: "a configuration".to_owned(),
        source,
    })
}

fn remove(value: &mut Value, keys: &[(&str, Option<&str>)]) {
    for (section, key) in keys {
        let gone = match key {
            None => value
                .as_object_mut()
                .and_then(|sections| sections.remove(*section)),
            Some(key) => value[section].as_object_mut().and_then(|keys| keys.remove(*key)),
        };
        drop(gone);
    }
}

/// What this process runs: two builds may compute and communicate differently.
///
/// # Errors
/// When the program's file cannot be read.
pub(crate) fn program() -> Result<Value, TrainError> {
    // The kernel's own link: it leads to the file even where that was replaced meanwhile.
    const PROGRAM: &str = "/proc/self/exe";
    static HASH: OnceLock<String> = OnceLock::new();
    if HASH.get().is_none() {
        // Another thread of a test may have been faster, with the same hash.
        let _ = HASH.set(durable::sha256_file(Path::new(PROGRAM))?);
    }
    Ok(
        json!({ "version": env!("CARGO_PKG_VERSION"), "sha256": HASH.get(), "libtorch": torch_native::libtorch_version() }),
    )
}

/// The differing fields of two values in words; empty when there are none.
pub(crate) fn differing(left: &Value, right: &Value) -> String {
    let differences = config_file::differences(left, right);
    differences
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;

    #[test]
    fn the_documentation_lists_what_a_resumed_run_may_change() {
        let documentation = include_str!("../../../../../docs/training.md");
        let (_, section) = documentation
            .split_once("## What a resumed run may change")
            .unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let mut listed: Vec<&str> = section.split('`').skip(1).step_by(2).collect();
        listed.retain(|key| *key != "--resume auto");
        let free = FREE_KEYS.iter().map(|(section, key)| match key {
            Some(key) => format!("{section}.{key}"),
            None => format!("[{section}]"),
        });
        // Of some schedules, and only upwards.
        let mut free: Vec<String> = free.chain(["training.max_steps".to_owned()]).collect();
        listed.sort_unstable();
        free.sort_unstable();
        assert_eq!(listed, free);
    }

    fn fingerprint(overrides: &[&str]) -> String {
        config_file::fingerprint(&essential(&tiny(overrides)).unwrap()).unwrap()
    }

    #[test]
    fn places_rhythm_and_ranks_do_not_change_what_is_learned() {
        for free in [
            "run.dir='x'",
            "run.stop_after='1h'",
            "data.corpus='y'",
            "data.stage_to='z'",
            "data.read='pread'",
            "logging.every_steps=9",
            "parallel.threads=3",
            "training.precision='f32'",
            "checkpoint.keep_last=9",
            "data.exclude=['a']",
            "data.skip_steps=['3']",
            "model.checkpoint_activations=true",
        ] {
            assert_eq!(fingerprint(&[free]), fingerprint(&[]), "{free}");
        }
    }

    #[test]
    fn ranks_share_every_key_but_places() {
        let shared = |overrides: &[&str]| shared_by_ranks(&tiny(overrides)).unwrap();
        for place in [
            "run.dir='x'",
            "data.corpus='y'",
            "data.tokenizer='z'",
            "parallel.nccl_library='l'",
        ] {
            assert_eq!(shared(&[place]), shared(&[]), "{place}");
        }
        for own in [
            "logging.every_steps=9",
            "evaluation.every_steps=9",
            "checkpoint.every_steps=9",
            "training.micro_batch_size=4",
            "training.precision='f32'",
            "parallel.timeout_s=9",
        ] {
            assert_ne!(shared(&[own]), shared(&[]), "{own}");
        }
    }

    #[test]
    fn a_program_is_known_by_the_hash_of_its_file() {
        let program = program().unwrap();
        assert_eq!(program["sha256"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn everything_else_does_and_is_named() {
        for essential in [
            "run.seed=2",
            "optimizer.learning_rate=1e-2",
            "training.max_steps=11",
            "training.global_batch_size=16",
            "model.attention_permutation=1",
            "masking.whole_word=true",
            "masking.scheme='whole-word'",
            "masking.mask_replace_prob=0.7",
            "data.phases=[{until_step=3, sequence_length=16}]",
            "data.packing='contiguous'",
        ] {
            assert_ne!(fingerprint(&[essential]), fingerprint(&[]), "{essential}");
        }
        let (left, right) = (
            essential(&tiny(&[])).unwrap(),
            essential(&tiny(&["run.seed=2"])).unwrap(),
        );
        assert_eq!(differing(&left, &right), "`run.seed`: 1 against 2");
    }

    /// Written by the program before `schedule.kind` had more than one value.
    #[test]
    fn the_fingerprint_of_a_run_from_before_schedules_had_kinds_is_still_its_own() {
        let old = json!({
            "data": { "packing": "full-sentences", "sequence_length": 32 },
            "masking": {
                "mask_replace_prob": 0.8, "mlm_probability": 0.15, "random_replace_prob": 0.1,
                "whole_word": false,
            },
            "model": essential(&tiny(&[])).unwrap()["model"],
            "optimizer": {
                "adam_beta1": 0.9, "adam_beta2": 0.98, "adam_epsilon": 1e-6, "learning_rate": 1e-3,
                "max_grad_norm": 0.0, "weight_decay": 0.01,
            },
            "run": { "seed": 1 },
            "schedule": { "kind": "linear", "warmup_steps": 2 },
            "training": { "global_batch_size": 8, "max_steps": 10 },
        });
        assert_eq!(differing(&old, &essential(&tiny(&[])).unwrap()), "");
        assert_eq!(fingerprint(&[]), config_file::fingerprint(&old).unwrap());
    }

    /// The key of the masking scheme was `whole_word` in files, and is so in checkpoints.
    #[test]
    fn a_run_goes_on_under_either_key_of_its_masking_scheme() {
        for (older, newer) in [
            ("masking.whole_word=false", "masking.scheme='token'"),
            ("masking.whole_word=true", "masking.scheme='whole-word'"),
        ] {
            assert_eq!(fingerprint(&[older]), fingerprint(&[newer]));
            let saved = essential(&tiny(&[older])).unwrap();
            assert!(saved["masking"]["whole_word"].is_boolean());
            assert_eq!(differing_from(&saved, &tiny(&[newer])).unwrap(), "");
        }
        let saved = essential(&tiny(&["masking.whole_word=true"])).unwrap();
        assert_eq!(
            differing_from(&saved, &tiny(&[])).unwrap(),
            r#"`masking.scheme`: "whole-word" against "token""#
        );
    }

    #[test]
    fn a_default_of_a_schedule_that_is_written_out_is_no_other_run() {
        for (kind, default) in [
            ("schedule.kind='wsd'", "schedule.decay_share=0.1"),
            ("schedule.kind='polynomial'", "schedule.power=1.0"),
            ("schedule.kind='polynomial'", "schedule.lr_end=1e-7"),
        ] {
            assert_eq!(fingerprint(&[kind]), fingerprint(&[kind, default]));
        }
        assert_ne!(
            fingerprint(&["schedule.kind='wsd'"]),
            fingerprint(&["schedule.kind='wsd'", "schedule.decay_share=0.2"])
        );
    }

    #[test]
    fn a_run_may_be_lengthened_where_its_schedule_allows_it_and_is_told_where_not() {
        let against = |kind: &str, before: u64, now: u64, other: &[&str]| {
            let kind = format!("schedule.kind='{kind}'");
            let steps = |steps: u64| format!("training.max_steps={steps}");
            let saved = essential(&tiny(&[&kind, &steps(before)])).unwrap();
            let steps = steps(now);
            let overrides: Vec<&str> = [kind.as_str(), &steps]
                .into_iter()
                .chain(other.iter().copied())
                .collect();
            differing_from(&saved, &tiny(&overrides)).unwrap()
        };
        for kind in ["constant", "wsd"] {
            assert_eq!(against(kind, 10, 20, &[]), "");
            assert_eq!(against(kind, 10, 20, &["run.seed=2"]), "`run.seed`: 1 against 2");
            let said = against(kind, 20, 10, &[]);
            assert!(
                said.contains("`training.max_steps`: 20 against 10") && said.contains("not lowered"),
                "{said}"
            );
        }
        for kind in ["linear", "cosine", "polynomial"] {
            assert_eq!(against(kind, 10, 10, &[]), "");
            for now in [9, 20] {
                let said = against(kind, 10, now, &[]);
                assert!(
                    said.contains(&format!("`training.max_steps`: 10 against {now}"))
                        && said.contains("only runs on \"constant\" and \"wsd\" may be lengthened"),
                    "{said}"
                );
            }
        }
    }
}
