//! What a run begins with, and what is left out of its data.

use durable::{DISK, commit_bytes};
use shards::Corpus;

use super::*;
use crate::run::folder::lineage::as_taken;

/// A run of three steps, exported: the folder that the others begin from.
fn exported(place: &Place) -> PathBuf {
    let first = place.config("first", &["training.max_steps=3", "evaluation.every_steps=3"]);
    run(1, &first);
    let out = place.path("export");
    export_run(&first.run.dir, None, Some(&place.path("tokenizer")), &out).unwrap();
    out
}

fn init_from(folder: &Path) -> String {
    format!("model.init_from={:?}", folder.to_str().unwrap())
}

fn lineage(config: &RunConfig) -> Value {
    let newest = find_checkpoint(&config.run.dir, None).unwrap();
    Restored::read(newest).unwrap().checkpoint.trainer["lineage"].clone()
}

#[test]
fn a_run_begins_with_the_weights_of_a_hugging_face_folder_and_records_it() {
    let place = Place::new();
    let folder = exported(&place);
    let last = place.metrics("first").pop().unwrap();
    for world_size in [1, 2] {
        let name = format!("second-{world_size}");
        let overrides = [init_from(&folder), "evaluation.every_steps=10".to_owned()];
        let config = place.config(&name, &overrides.each_ref().map(String::as_str));
        run(world_size, &config);
        let begun = place.metrics(&name)[0]["eval"]["loss"].as_f64().unwrap();
        let expected = last["eval"]["loss"].as_f64().unwrap();
        assert!(
            (begun - expected).abs() < 1e-6 * expected,
            "{begun} against {expected}"
        );
        let recorded = lineage(&config);
        let sha256 = durable::sha256_file(&folder.join("model.safetensors")).unwrap();
        assert_eq!(recorded["init_from"]["sha256"], sha256);
    }
    let card = place.path("card");
    export_run(
        &place.path("second-1"),
        None,
        Some(&place.path("tokenizer")),
        &card,
    )
    .unwrap();
    let card = std::fs::read_to_string(card.join("README.md")).unwrap();
    assert!(card.contains("pre-trained further from"), "{card}");
}

#[test]
fn the_shape_of_a_folder_can_be_taken_over_as_settings() {
    let place = Place::new();
    let folder = exported(&place);
    let mut overrides = crate::run::folder::lineage::overrides(&folder).unwrap();
    overrides.insert(0, "model.num_attention_heads=2".to_owned());
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let config = place.config("run", &overrides);
    assert_eq!(config.model.config.num_attention_heads, 4);
    assert_eq!(config.model.init_from.as_deref(), Some(folder.as_path()));
}

#[test]
fn a_model_of_another_shape_or_tokenizer_is_refused_with_both() {
    let place = Place::new();
    let folder = exported(&place);
    let refused = |overrides: &[&str]| {
        let init_from = init_from(&folder);
        let overrides: Vec<&str> = [init_from.as_str()].iter().chain(overrides).copied().collect();
        let config = place.config("refused", &overrides);
        let error = launch(2, &config, Resume::Never, &StopRequest::new()).unwrap_err();
        chain(&error)
    };
    let text = refused(&["model.num_attention_heads=2"]);
    assert!(text.contains("`num_attention_heads`: 2 against 4"), "{text}");

    let texts = (0..200).map(|number| format!("Quite another text of {number} words, it is."));
    let other = tokenizer::train(texts, 300).unwrap();
    for (name, bytes) in other.files(32).unwrap() {
        commit_bytes(&DISK, &folder.join(name), &bytes).unwrap();
    }
    let text = refused(&[]);
    let corpus = Corpus::open(&place.path("corpus")).unwrap();
    let own = &corpus.manifest().tokenizer_hash;
    assert!(
        text.contains(other.hash()) && text.contains(own.as_str()),
        "{text}"
    );
}

#[test]
fn skipped_steps_and_left_out_documents_are_recorded_and_move_nothing_else() {
    let place = Place::new();
    run(1, &place.config("plain", &[]));
    let stop = StopRequest::new();
    stop.ask(StopReason::StopAfter);
    let begun = place.config("run", &[]);
    for step in [1, 2] {
        assert_eq!(launch(1, &begun, Resume::Auto, &stop).unwrap(), stopped_at(step));
    }
    let replayed = replay(begun, 6, Some(0)).unwrap();
    let id = replayed.sequences[0]["documents"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let exclude = format!("data.exclude=[{id:?}]");
    let config = place.config("run", &["data.skip_steps=['4..6', '8']", &exclude]);
    assert_eq!(
        launch(1, &config, Resume::Auto, &StopRequest::new()).unwrap(),
        Finish::Done { step: 10 }
    );
    // What is replayed of the run is what was trained, before and after.
    for line in place.steps("run") {
        let step = line["step"].as_u64().unwrap();
        let taken = as_taken(config.clone(), &config.run.dir, step).unwrap();
        let digest = replay(taken, step, Some(0)).unwrap().digest;
        assert_eq!(digest, line["digest"].as_str().unwrap(), "step {step}");
    }
    let (plain, steps) = (place.steps("plain"), place.steps("run"));
    let numbers: Vec<u64> = steps.iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 6, 7, 9, 10]);
    let touched = |step: u64| {
        let replay = replay(config.clone(), step, None).unwrap();
        let documents = replay
            .sequences
            .iter()
            .flat_map(|slot| slot["documents"].as_array().unwrap());
        documents.filter(|document| document["excluded"] == true).count() > 0
    };
    assert!(touched(6), "the document of step 6 is left out");
    for line in &steps {
        let step = line["step"].as_u64().unwrap();
        let expected = &plain[usize::try_from(step).unwrap() - 1]["digest"];
        let same = line["digest"] == *expected;
        assert_eq!(same, step < 3 || !touched(step), "step {step}");
        assert_eq!(
            line["digest"] == replay(config.clone(), step, None).unwrap().digest,
            step > 2 || !touched(step)
        );
    }
    assert!(replay(config.clone(), 8, None).unwrap().skipped);
    let recorded = &lineage(&config)["left_out"];
    let expected = serde_json::json!([
        { "after_step": 2, "exclude": [id], "skip_steps": ["4..6", "8"] }
    ]);
    assert_eq!(*recorded, expected);
}

#[test]
fn phases_train_at_their_own_length_and_every_packing_is_verified() {
    let place = Place::new();
    let phases = "data.phases=[{until_step=4, sequence_length=16, weights={'10-K'=0, wiki=1}}]";
    let overrides = [phases, "data.packing='contiguous'"];
    let config = place.config("run", &overrides);
    run(2, &config);
    for length in [16, 32] {
        assert!(
            place
                .path("corpus")
                .join(format!("packing-contiguous-{length}.idx"))
                .exists()
        );
    }
    for step in 1..=10 {
        let replayed = replay(config.clone(), step, None).unwrap();
        let line = &place.steps("run")[usize::try_from(step).unwrap() - 1];
        assert_eq!(replayed.digest, line["digest"].as_str().unwrap());
        let longest = replayed
            .sequences
            .iter()
            .map(|slot| slot["length"].as_u64().unwrap())
            .max();
        assert_eq!(longest, Some(if step <= 4 { 14 } else { 30 }), "step {step}");
        assert!(step > 4 || replayed.sequences.iter().all(|slot| slot["source"] == "wiki"));
    }
    let damaged = place.path("corpus").join("packing-contiguous-16.idx");
    let mut bytes = std::fs::read(&damaged).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    commit_bytes(&DISK, &damaged, &bytes).unwrap();
    let error = launch(2, &config, Resume::Auto, &StopRequest::new()).unwrap_err();
    assert!(
        chain(&error).contains("packing-contiguous-16.idx is damaged"),
        "{error}"
    );
}
