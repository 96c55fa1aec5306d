//! Whole runs of a tiny model, ranks as threads.

mod beginnings;
mod canonical;
mod data_files;
mod faults;
mod gpu_that_hangs;
mod half_precision;
mod lengthening;
mod masks;
mod nccl_stand_in;
mod stopping;
mod unlike_processors;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use collectives::{Collective, Threads};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::nccl_stand_in::stand_in_reduce;
use crate::{
    commands::{
        eval::{EvaluationOverrides, Weights, evaluate_run},
        export::export_run,
        replay::{error::ReplayError, replay},
    },
    config::RunConfig,
    error::{TrainError, chain},
    ranks::{
        logs::LogFile,
        stop::StopRequest,
        stop_reason::{Stop, StopReason},
    },
    run::{
        folder::{find_checkpoint::find_checkpoint, saved_state::Restored},
        launch::{beginning::Resume, dry_run::dry_run, train_run},
        test_corpus,
        train::Finish,
    },
};

const RUN: &str = r#"
[run]
dir = "to be set"
seed = 5
[data]
corpus = "to be set"
sequence_length = 32
[model]
vocab_size = 324
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 4
intermediate_size = 64
max_position_embeddings = 34
[optimizer]
learning_rate = 1e-2
[schedule]
warmup_steps = 3
[training]
max_steps = 10
global_batch_size = 16
micro_batch_size = 4
precision = "f32"
[parallel]
threads = 1
timeout_s = 60
[checkpoint]
every_steps = 4
keep_last = 2
"#;

/// A folder with a corpus, a tokenizer and room for runs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        test_corpus::write(folder.path());
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self, name: &str, overrides: &[&str]) -> RunConfig {
        config_in(self.0.path(), name, overrides)
    }

    fn metrics(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(name).join("metrics.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn steps(&self, name: &str) -> Vec<Value> {
        self.metrics(name)
            .into_iter()
            .filter(|line| line.get("loss").is_some())
            .collect()
    }
}

/// The configuration of the run `name` in the folder of a [`Place`].
fn config_in(folder: &Path, name: &str, overrides: &[&str]) -> RunConfig {
    let places = [
        ("run.dir", folder.join(name)),
        ("data.corpus", folder.join("corpus")),
    ];
    let places = places.map(|(key, path)| format!("{key}={:?}", path.to_str().unwrap()));
    let overrides: Vec<String> = places
        .into_iter()
        .chain(overrides.iter().map(|&text| text.to_owned()))
        .collect();
    config_file::load_str(RUN, Path::new("run.toml"), &overrides).unwrap()
}

/// Runs `work` on every rank of a world, each on its own thread; the answers in rank order.
pub(crate) fn on_every_rank<T: Send>(
    world: Vec<Threads>,
    work: impl Fn(&mut dyn Collective) -> T + Sync,
) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = world
            .into_iter()
            .map(|mut rank| scope.spawn(move || work(&mut rank)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Runs `work` on every rank of a world; rank 0's answer.
fn on_ranks<T: Send>(world_size: u32, work: impl Fn(&mut dyn Collective) -> T + Sync) -> T {
    on_every_rank(Threads::world(world_size, Duration::from_mins(1)), work).remove(0)
}

fn launch(
    world_size: u32,
    config: &RunConfig,
    resume: Resume,
    stop: &StopRequest,
) -> Result<Finish, TrainError> {
    on_ranks(world_size, |collective| {
        train_run(config.clone(), collective, resume, stop, &LogFile::none())
    })
}

fn run(world_size: u32, config: &RunConfig) {
    assert_eq!(
        launch(world_size, config, Resume::Never, &StopRequest::new()).unwrap(),
        Finish::Done {
            step: config.training.max_steps
        }
    );
}

fn numbers(steps: &[Value], key: &str) -> Vec<f64> {
    steps.iter().map(|step| step[key].as_f64().unwrap()).collect()
}

fn assert_worlds_agree(precision: &str, tolerance: f64) {
    let place = Place::new();
    let name = |world: u32| format!("world-{world}");
    for world in [1, 2, 4] {
        run(
            world,
            &place.config(&name(world), &[&format!("training.precision='{precision}'")]),
        );
    }
    let alone = place.steps(&name(1));
    assert_eq!(alone.len(), 10);
    for world in [2, 4] {
        let steps = place.steps(&name(world));
        for (left, right) in alone.iter().zip(&steps) {
            assert_eq!(left["digest"], right["digest"]);
            let shares: Vec<u64> = right["local_sequences"]
                .as_array()
                .unwrap()
                .iter()
                .map(|share| share.as_u64().unwrap())
                .collect();
            assert_eq!((shares.len(), shares.iter().sum::<u64>()), (world as usize, 16));
            let (left, right) = (left["loss"].as_f64().unwrap(), right["loss"].as_f64().unwrap());
            assert!(
                (left - right).abs() <= tolerance * left,
                "world {world}: {left} against {right}"
            );
        }
    }
}

#[test]
fn digests_are_equal_and_losses_agree_at_any_world_size_in_f32() {
    assert_worlds_agree("f32", 1e-5);
}

#[test]
fn digests_are_equal_and_losses_agree_at_any_world_size_in_f64() {
    assert_worlds_agree("f64", 1e-10);
}

/// How a run ends all of whose ranks were asked by [`StopReason::StopAfter`].
fn stopped_at(step: u64) -> Finish {
    let stop = Stop {
        reason: StopReason::StopAfter,
        rank: None,
    };
    Finish::Stopped { stop, step }
}

#[test]
fn a_resumed_run_is_bit_for_bit_the_uninterrupted_one() {
    let place = Place::new();
    let whole = place.config("whole", &["evaluation.every_steps=1"]);
    run(2, &whole);
    let parts = place.config("parts", &["evaluation.every_steps=1"]);
    let stop = StopRequest::new();
    stop.ask(StopReason::StopAfter);
    assert_eq!(launch(2, &parts, Resume::Auto, &stop).unwrap(), stopped_at(1));
    assert_eq!(launch(2, &parts, Resume::Auto, &stop).unwrap(), stopped_at(2));
    let lines = place.metrics("parts");
    assert!(
        lines[lines.len() - 1].get("digest").is_some(),
        "a stop saves and leaves the evaluation of its step to the resumed run"
    );
    assert_eq!(
        launch(2, &parts, Resume::Auto, &StopRequest::new()).unwrap(),
        Finish::Done { step: 10 }
    );

    let (expected, found) = (place.metrics("whole"), place.metrics("parts"));
    assert_eq!(expected.len(), 21, "ten steps and eleven evaluations");
    for key in [
        "step",
        "loss",
        "digest",
        "learning_rate",
        "grad_norm",
        "tokens_seen",
        "eval",
    ] {
        let values = |lines: &[Value]| {
            lines
                .iter()
                .map(|line| line.get(key).cloned())
                .collect::<Vec<_>>()
        };
        assert_eq!(values(&expected), values(&found), "{key}");
    }
    for file in ["model.safetensors", "optimizer.safetensors", "trainer.json"] {
        let bytes = |name: &str| {
            std::fs::read(place.path(name).join("checkpoints/step-00000010").join(file)).unwrap()
        };
        assert!(bytes("whole") == bytes("parts"), "{file}");
    }
}

#[test]
fn the_last_step_always_has_a_checkpoint_and_old_ones_go() {
    let place = Place::new();
    run(1, &place.config("run", &[]));
    let mut names: Vec<String> = std::fs::read_dir(place.path("run").join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["step-00000008", "step-00000010"]);
    let exit: Value =
        serde_json::from_slice(&std::fs::read(place.path("run").join("last_exit.json")).unwrap()).unwrap();
    assert_eq!(
        (exit["status"].as_str(), exit["step"].as_u64()),
        (Some("done"), Some(10))
    );
    for wanted in ["10", "step-00000010"] {
        assert!(
            find_checkpoint(&place.path("run"), Some(wanted))
                .unwrap()
                .ends_with("step-00000010")
        );
    }
    let trainer: Value = serde_json::from_slice(
        &std::fs::read(place.path("run").join("checkpoints/step-00000010/trainer.json")).unwrap(),
    )
    .unwrap();
    assert_eq!(
        (trainer["step"].as_u64(), trainer["text_dates"]["latest"].as_str()),
        (Some(10), Some("2019-11-30"))
    );
    assert_eq!(trainer["model_config"]["model_type"].as_str(), Some("roberta"));
}

#[test]
fn a_second_launch_into_a_run_folder_is_refused() {
    let place = Place::new();
    let config = place.config("run", &[]);
    std::fs::create_dir(&config.run.dir).unwrap();
    let _held = durable::FolderLock::acquire(&config.run.dir, "a first launch").unwrap();
    for world_size in [1, 2] {
        let error = launch(world_size, &config, Resume::Auto, &StopRequest::new()).unwrap_err();
        assert!(error.to_string().contains("a first launch"), "{error}");
    }
    assert!(
        !config.run.dir.join("last_exit.json").exists(),
        "the first launch's files are not touched"
    );
}

#[test]
fn a_run_folder_with_checkpoints_is_only_entered_to_resume_the_same_run() {
    let place = Place::new();
    let config = place.config("run", &["training.max_steps=4"]);
    run(1, &config);
    let error = launch(1, &config, Resume::Never, &StopRequest::new()).unwrap_err();
    assert!(error.to_string().contains("--resume auto"), "{error}");
    let other = place.config(
        "run",
        &[
            "training.max_steps=4",
            "optimizer.weight_decay=0.5",
            "logging.every_steps=2",
        ],
    );
    let error = launch(1, &other, Resume::Auto, &StopRequest::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`optimizer.weight_decay`: 0.01 against 0.5") && !error.contains("logging"),
        "{error}"
    );
    let free = place.config(
        "run",
        &[
            "training.max_steps=4",
            "logging.every_steps=2",
            "training.precision='auto'",
        ],
    );
    assert_eq!(
        launch(1, &free, Resume::Auto, &StopRequest::new()).unwrap(),
        Finish::Done { step: 4 }
    );
}

#[test]
fn a_run_whose_checkpoints_are_all_damaged_is_not_started_over() {
    let place = Place::new();
    let config = place.config("run", &["training.max_steps=4"]);
    run(1, &config);
    let metrics = std::fs::read(config.run.dir.join("metrics.jsonl")).unwrap();
    for (_, checkpoint) in checkpoint::list(&config.run.dir.join("checkpoints")).unwrap() {
        std::fs::remove_file(checkpoint.join("MANIFEST.json")).unwrap();
    }
    let error = launch(2, &config, Resume::Auto, &StopRequest::new()).unwrap_err();
    assert!(error.to_string().contains("start over"), "{error}");
    assert_eq!(
        std::fs::read(config.run.dir.join("metrics.jsonl")).unwrap(),
        metrics
    );
}

#[test]
fn a_checkpoint_of_another_format_version_is_not_passed_over_when_resuming() {
    let place = Place::new();
    let config = place.config("run", &[]);
    run(1, &config);
    let checkpoints = config.run.dir.join("checkpoints");
    let manifest = checkpoints.join("step-00000010/MANIFEST.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let text = text.replace("\"format_version\": 1", "\"format_version\": 2");
    durable::commit_bytes(&durable::DISK, &manifest, text.as_bytes()).unwrap();
    let error = chain(&launch(1, &config, Resume::Auto, &StopRequest::new()).unwrap_err());
    for part in [
        "step-00000010",
        "move it out of",
        "format_version 2",
        "the program that wrote it",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(find_checkpoint(&config.run.dir, None).is_err());
    assert!(checkpoints.join("step-00000008").exists());
}

/// Launches two ranks, the second with a setting and a way to begin of its own.
fn launch_differing(config: &RunConfig, other: &RunConfig, resume: Resume) -> String {
    let error = on_ranks(2, |collective| {
        let (config, resume) = match collective.rank().0 {
            0 => (config, Resume::Never),
            _ => (other, resume),
        };
        train_run(
            config.clone(),
            collective,
            resume,
            &StopRequest::new(),
            &LogFile::none(),
        )
    });
    error.unwrap_err().to_string()
}

#[test]
fn ranks_with_any_other_setting_or_argument_are_named_at_the_start() {
    let place = Place::new();
    let config = place.config("run", &[]);
    for setting in [
        "evaluation.every_steps=3",
        "checkpoint.every_steps=5",
        "logging.every_steps=7",
        "training.max_steps=9",
        "training.micro_batch_size=2",
    ] {
        let error = launch_differing(&config, &place.config("run", &[setting]), Resume::Never);
        let key = setting.split('=').next().unwrap();
        assert!(
            error.contains("rank 1 differs from rank 0") && error.contains(key),
            "{error}"
        );
    }
    let error = launch_differing(&config, &config, Resume::Auto);
    assert!(error.contains("asked.resume"), "{error}");
    assert!(!config.run.dir.exists());
}

#[test]
fn ranks_that_find_other_checkpoints_under_one_name_are_refused() {
    let place = Place::new();
    let (one, other) = (place.config("one", &[]), place.config("other", &["run.seed=6"]));
    run(1, &one);
    run(1, &other);
    let error = on_ranks(2, |collective| {
        let folder = if collective.rank().0 == 0 { &one } else { &other };
        Restored::latest(collective, &folder.run.dir.join("checkpoints")).map(drop)
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("rank 1 differs") && error.contains("model.safetensors"),
        "{error}"
    );
}

#[test]
fn an_export_states_the_training_data_only_from_the_corpus_of_the_checkpoint() {
    let place = Place::new();
    let config = place.config("run", &["training.max_steps=1", "schedule.warmup_steps=0"]);
    run(1, &config);
    let export = |name: &str| {
        export_run(&config.run.dir, None, None, &place.path(name)).unwrap();
        std::fs::read_to_string(place.path(name).join("README.md")).unwrap()
    };
    let card = export("with");
    assert!(card.contains("| wiki |") && card.contains("2019-11-30"), "{card}");
    assert!(card.contains("48 documents have no date."), "{card}");
    let mut manifest = shards::Corpus::open(&config.data.corpus)
        .unwrap()
        .manifest()
        .clone();
    manifest.held_out.rule = "another".to_owned();
    manifest.write(&durable::DISK, &config.data.corpus).unwrap();
    let card = export("without");
    assert!(
        card.contains("not recorded with this export") && !card.contains("| wiki |"),
        "{card}"
    );
    assert!(!card.contains("another"), "{card}");
    assert!(
        card.contains("48 documents have no date."),
        "the checkpoint knows it: {card}"
    );

    std::fs::rename(place.path("tokenizer"), place.path("elsewhere")).unwrap();
    let error = export_run(&config.run.dir, None, None, &place.path("lost")).unwrap_err();
    assert!(error.to_string().contains("--tokenizer DIR"), "{error}");
    let elsewhere = place.path("elsewhere");
    export_run(&config.run.dir, None, Some(&elsewhere), &place.path("found")).unwrap();
}

#[test]
fn the_last_day_of_the_text_travels_from_the_manifest_to_the_checkpoint_and_the_exported_model() {
    let place = Place::new();
    let config = place.config("run", &["training.max_steps=1", "schedule.warmup_steps=0"]);
    let mut manifest = shards::Corpus::open(&config.data.corpus)
        .unwrap()
        .manifest()
        .clone();
    manifest.undated = Some(0);
    manifest.window = Some(shards::Window {
        to: Some("2019-11-30".to_owned()),
        held_out_from: Some("2019-07-01".to_owned()),
        ..shards::Window::default()
    });
    manifest.made_from = serde_json::json!({
        "tokenizer_made_from": {"filed_latest": "2019-06-28", "undated_documents": 0},
    });
    manifest.write(&durable::DISK, &config.data.corpus).unwrap();
    run(1, &config);
    let newest = find_checkpoint(&config.run.dir, None).unwrap();
    let trainer = Restored::read(newest).unwrap().checkpoint.trainer;
    assert_eq!(trainer["text_dates"]["latest"], "2019-11-30");
    let out = place.path("export");
    export_run(&config.run.dir, None, None, &out).unwrap();
    let dates = hf_folder::TextDates::read(&out).unwrap().unwrap();
    assert_eq!(dates, crate::run::folder::text_dates::text_dates(&manifest));
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    let horizon = "Model and tokenizer have seen no document of 2019-07-01 or later.";
    assert!(dates.horizon() == horizon && card.contains(horizon), "{card}");
}

#[test]
fn a_dry_run_takes_a_step_and_writes_nothing() {
    let place = Place::new();
    let config = place.config("run", &[]);
    let before = tree(place.0.path());
    let report = on_ranks(2, |collective| dry_run(config.clone(), collective, Resume::Never)).unwrap();
    assert_eq!(tree(place.0.path()), before);
    assert_eq!(report.plan["shapes"]["input_ids"], serde_json::json!([4, 32]));
    assert!(
        (report.record.loss - 324_f64.ln()).abs() < 0.5,
        "{}",
        report.record.loss
    );
    assert!(
        report.first_sequence.text.contains('⟦'),
        "{}",
        report.first_sequence.text
    );
}

/// Names and sizes of everything under a folder.
fn tree(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        found.insert(entry.path(), entry.metadata().unwrap().len());
        if entry.file_type().unwrap().is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found
}

#[test]
fn training_learns_and_replay_and_evaluation_find_what_the_run_saw() {
    let place = Place::new();
    let overrides = [
        "training.max_steps=60",
        "evaluation.every_steps=60",
        "checkpoint.every_steps=0",
    ];
    let config = place.config("run", &overrides);
    run(2, &config);
    let losses = numbers(&place.steps("run"), "loss");
    assert!(
        losses[59] < losses[0] - 1.5,
        "from {} to {}",
        losses[0],
        losses[59]
    );

    let replayed = replay(config.clone(), 7, Some(3)).unwrap();
    assert_eq!(replayed.digest, place.steps("run")[6]["digest"].as_str().unwrap());
    assert_eq!(replayed.sequences.len(), 1);
    let row = |key: &str| replayed.sequences[0][key].as_array().unwrap().clone();
    assert_eq!(row("input_ids").len(), row("labels").len());
    assert!(row("labels").iter().any(|label| label != -100) && row("labels")[0] == -100);
    assert!(matches!(
        replay(config.clone(), 0, None),
        Err(TrainError::Replay(ReplayError::NoSuchStep { .. }))
    ));
    for step in [61, u64::MAX] {
        let error = replay(config.clone(), step, None).unwrap_err().to_string();
        assert!(error.contains("the steps 1 to 60"), "{error}");
    }
    for slot in [16, u64::MAX] {
        let error = replay(config.clone(), 1, Some(slot)).unwrap_err().to_string();
        assert!(error.contains("the slots 0 to 15"), "{error}");
    }

    let lines = place.metrics("run");
    let (first, last) = (&lines[0]["eval"], &lines[lines.len() - 1]["eval"]);
    assert!(last["loss"].as_f64() < first["loss"].as_f64());
    assert_eq!(first["unigram_loss"], last["unigram_loss"]);
    for world_size in [1, 2, 4] {
        let (progress, record) = on_ranks(world_size, |collective| {
            evaluate_run(
                config.clone(),
                collective,
                &Weights::Latest,
                EvaluationOverrides::default(),
            )
        })
        .unwrap();
        assert_eq!(progress.step, 60);
        let (loss, expected) = (record.total.loss, last["loss"].as_f64().unwrap());
        assert!(
            (loss - expected).abs() < 1e-9 * expected,
            "world {world_size}: {loss} against {expected}"
        );
        assert_eq!(record.sources.keys().collect::<Vec<_>>(), ["10-K", "wiki"]);
    }
}

#[test]
fn micro_batches_only_cut_the_work() {
    let place = Place::new();
    let dropout = [
        "model.hidden_dropout_prob=0.0",
        "model.attention_probs_dropout_prob=0.0",
        "training.precision='f64'",
    ];
    let mut losses = Vec::new();
    for size in [2, 16] {
        let size_key = format!("training.micro_batch_size={size}");
        let overrides: Vec<&str> = dropout.iter().copied().chain([size_key.as_str()]).collect();
        let name = format!("micro-{size}");
        run(1, &place.config(&name, &overrides));
        losses.push(numbers(&place.steps(&name), "loss"));
    }
    let agree = |(left, right): (&f64, &f64)| (left - right).abs() <= 1e-10 * left;
    assert!(losses[0].iter().zip(&losses[1]).all(agree), "{losses:?}");
}

#[test]
fn a_loss_that_is_not_finite_stops_every_rank_and_names_the_step() {
    let place = Place::new();
    let config = place.config(
        "run",
        &["optimizer.learning_rate=1e38", "schedule.warmup_steps=0"],
    );
    let error = launch(2, &config, Resume::Never, &StopRequest::new()).unwrap_err();
    assert!(
        matches!(error, TrainError::NotFinite { step: 2..=3, .. }),
        "{error}"
    );
    let exit = std::fs::read_to_string(place.path("run").join("last_exit.json")).unwrap();
    assert!(exit.contains("not finite") && exit.contains("failed"), "{exit}");
}

#[test]
fn a_gradient_that_is_not_finite_names_its_parameter_and_the_last_good_checkpoint() {
    let place = Place::new();
    let overrides = [
        "optimizer.learning_rate=1e38",
        "schedule.warmup_steps=0",
        "checkpoint.every_steps=1",
    ];
    for world_size in [1, 2] {
        let config = place.config(&format!("run-{world_size}"), &overrides);
        let error = launch(world_size, &config, Resume::Never, &StopRequest::new()).unwrap_err();
        let TrainError::NotFinite { step, parameter, .. } = &error else {
            panic!("{error}");
        };
        let checkpoint = config.run.dir.join(format!("checkpoints/step-{:08}", step - 1));
        let message = error.to_string();
        assert!(
            message.contains(parameter.as_deref().unwrap_or("none"))
                && message.contains(checkpoint.to_str().unwrap())
                && message.contains(&format!("skip_steps = [\"{step}\"]")),
            "{message}"
        );
        assert!(checkpoint.is_dir());
    }
}

#[test]
fn a_dry_run_of_a_run_to_resume_takes_the_step_after_its_checkpoint() {
    let place = Place::new();
    let config = place.config("run", &[]);
    let stop = StopRequest::new();
    stop.ask(StopReason::StopAfter);
    launch(1, &config, Resume::Auto, &stop).unwrap();
    let before = tree(place.0.path());
    let dry_as =
        |resume, config: &RunConfig| on_ranks(1, |collective| dry_run(config.clone(), collective, resume));
    let dry = |config: &RunConfig| dry_as(Resume::Auto, config);
    let report = dry(&config).unwrap();
    assert_eq!(tree(place.0.path()), before);
    assert!(report.checkpoint.unwrap().ends_with("step-00000001"));
    launch(1, &config, Resume::Auto, &StopRequest::new()).unwrap();
    let second = &place.steps("run")[1];
    assert_eq!(second["loss"].as_f64(), Some(report.record.loss));

    // What the command that is not dry refuses, it refuses too.
    let refused = |config: &RunConfig, resume| {
        let dry = dry_as(resume, config).unwrap_err().to_string();
        let launched = launch(1, config, resume, &StopRequest::new()).unwrap_err();
        assert_eq!(dry, launched.to_string());
        dry
    };
    let text = refused(&config, Resume::Never);
    assert!(text.contains("already has checkpoints"), "{text}");
    let skipping = place.config("run", &["data.skip_steps=['2']"]);
    let text = refused(&skipping, Resume::Auto);
    assert!(text.contains("has already taken step 2"), "{text}");

    let other = place.config("run", &["optimizer.weight_decay=0.5"]);
    assert!(
        dry(&other)
            .unwrap_err()
            .to_string()
            .contains("optimizer.weight_decay")
    );
    let error = dry(&config).unwrap_err().to_string();
    assert!(error.contains("the run has finished all 10 steps"), "{error}");
}

#[test]
fn clipping_bounds_the_update_and_reports_the_norm_before() {
    let place = Place::new();
    run(1, &place.config("free", &["training.max_steps=3"]));
    run(
        1,
        &place.config(
            "clipped",
            &["training.max_steps=3", "optimizer.max_grad_norm=1e-3"],
        ),
    );
    let (free, clipped) = (place.steps("free"), place.steps("clipped"));
    assert_eq!(
        (&free[0]["grad_norm"], &free[0]["loss"]),
        (&clipped[0]["grad_norm"], &clipped[0]["loss"])
    );
}

#[test]
fn the_parts_of_a_step_add_up_to_it_and_the_utilization_follows_from_its_formula() {
    let place = Place::new();
    run(2, &place.config("run", &["logging.every_steps=2"]));
    let steps = place.steps("run");
    assert_eq!(steps.len(), 5);
    let total = |key: &str| numbers(&steps, key).iter().sum::<f64>();
    let parts = ["data_wait", "forward", "backward", "communication", "optimizer"];
    let parts: f64 = parts.iter().map(|part| total(&format!("{part}_ms"))).sum();
    let whole = total("step_ms");
    assert!(
        parts <= whole + 0.1 && parts > 0.9 * whole,
        "{parts} of {whole} ms are in a part"
    );
    let model = place.config("run", &[]).model.config;
    for step in &steps {
        let number = |key: &str| step[key].as_f64().unwrap();
        let seconds = number("step_ms") / 1e3;
        let expected = number("model_flops") / seconds / number("peak_flops_per_second");
        assert!(
            (number("model_flops_utilization") / expected - 1.0).abs() < 1e-3,
            "{step}"
        );
        // Two steps of 16 sequences of at most 32 tokens, 5 of them masked.
        let most = 32.0 * model.training_flops(32, 5) as f64;
        assert!((0.2 * most..=most).contains(&number("model_flops")), "{step}");
        let memory = step["peak_memory_bytes"].as_array().unwrap();
        assert!(memory.len() == 2 && memory[1].as_u64() > Some(1 << 20), "{step}");
        let computed = step["local_compute_ms"].as_array().unwrap();
        let own = number("forward_ms") + number("backward_ms");
        assert!((computed[0].as_f64().unwrap() - own).abs() < 0.01, "{step}");
        assert!(computed.len() == 2 && computed[1].as_f64() > Some(0.0), "{step}");
    }
}

#[test]
fn a_run_whose_activations_are_computed_twice_is_bit_for_bit_the_same() {
    let place = Place::new();
    run(2, &place.config("kept", &[]));
    // The key is free to change in a run that goes on.
    let stop = StopRequest::new();
    stop.ask(StopReason::StopAfter);
    let twice = place.config("twice", &["model.checkpoint_activations=true"]);
    launch(2, &twice, Resume::Auto, &stop).unwrap();
    launch(2, &twice, Resume::Auto, &stop).unwrap();
    launch(2, &place.config("twice", &[]), Resume::Auto, &stop).unwrap();
    launch(2, &twice, Resume::Auto, &StopRequest::new()).unwrap();
    let (kept, twice) = (place.steps("kept"), place.steps("twice"));
    for key in ["loss", "grad_norm", "digest", "model_flops"] {
        let values = |steps: &[Value]| steps.iter().map(|step| step[key].clone()).collect::<Vec<_>>();
        assert_eq!(values(&kept), values(&twice), "{key}");
    }
    for file in ["model.safetensors", "optimizer.safetensors"] {
        let bytes = |name: &str| {
            std::fs::read(place.path(name).join("checkpoints/step-00000010").join(file)).unwrap()
        };
        assert!(bytes("kept") == bytes("twice"), "{file}");
    }
}

#[test]
fn the_permuted_twin_sees_the_same_data_and_learns_another_model() {
    let place = Place::new();
    run(1, &place.config("model", &[]));
    run(1, &place.config("twin", &["model.attention_permutation=3"]));
    let (model, twin) = (place.steps("model"), place.steps("twin"));
    assert_eq!(model[9]["digest"], twin[9]["digest"]);
    assert_ne!(model[9]["loss"], twin[9]["loss"]);
}

#[test]
fn all_that_is_wrong_with_configuration_and_corpus_is_said_at_once() {
    let place = Place::new();
    let config = place.config(
        "run",
        &[
            "data.corpus='/no/such/corpus'",
            "training.max_steps=0",
            "schedule.warmup_steps=0",
        ],
    );
    let error = launch(1, &config, Resume::Never, &StopRequest::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("training.max_steps") && error.contains("/no/such/corpus"),
        "{error}"
    );
    assert!(!config.run.dir.exists());
}
