//! Masks of evaluation over runs of other seeds, and in runs that an older program began.

use super::*;

fn evaluations(place: &Place, name: &str, key: &str) -> Vec<Value> {
    let lines = place.metrics(name).into_iter();
    let evaluations = lines.filter(|line| line.get("eval").is_some());
    evaluations.map(|line| line["eval"][key].clone()).collect()
}

/// Takes out of a checkpoint what older programs did not write.
fn make_older(checkpoint: &Path) {
    let path = checkpoint.join("trainer.json");
    let mut trainer: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let lineage = trainer["lineage"].as_object_mut().unwrap();
    assert!(lineage.remove("evaluation_mask_seed").is_some());
    let bytes = serde_json::to_vec_pretty(&trainer).unwrap();
    durable::commit_bytes(&durable::DISK, &path, &bytes).unwrap();
    let manifest = checkpoint.join("MANIFEST.json");
    let mut value: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    let file = &mut value["files"]["trainer.json"];
    file["sha256"] = durable::sha256_file(&path).unwrap().into();
    file["size_bytes"] = bytes.len().into();
    let bytes = serde_json::to_vec_pretty(&value).unwrap();
    durable::commit_bytes(&durable::DISK, &manifest, &bytes).unwrap();
}

#[test]
fn runs_of_other_seeds_are_evaluated_on_the_same_masked_tokens() {
    let place = Place::new();
    for seed in [5, 6] {
        let seed_key = format!("run.seed={seed}");
        let name = format!("seed-{seed}");
        run(1, &place.config(&name, &[&seed_key, "evaluation.every_steps=10"]));
        assert_eq!(evaluations(&place, &name, "mask_seed"), [0, 0]);
    }
    for key in ["unigram_loss", "masked_tokens"] {
        let of = |name: &str| evaluations(&place, name, key);
        assert_eq!(of("seed-5"), of("seed-6"), "{key}");
    }
    let runs = ["seed-5", "seed-6"].map(|name| place.path(name));
    let compared = crate::commands::compare::compare_runs(&runs).unwrap();
    assert_eq!(compared[1].not_comparable, None);
}

#[test]
fn a_run_that_an_older_program_began_keeps_its_masks_and_says_which() {
    let place = Place::new();
    let config = place.config("run", &["evaluation.every_steps=1", "checkpoint.every_steps=1"]);
    let stop = StopRequest::new();
    stop.ask(StopReason::StopAfter);
    assert_eq!(launch(1, &config, Resume::Auto, &stop).unwrap(), stopped_at(1));
    make_older(&config.run.dir.join("checkpoints/step-00000001"));
    launch(1, &config, Resume::Auto, &StopRequest::new()).unwrap();
    let seeds = evaluations(&place, "run", "mask_seed");
    assert_eq!(seeds.len(), 11);
    // The first one was made before the checkpoint was made to look older.
    assert!(
        seeds[0] == 0 && seeds[1..].iter().all(|seed| *seed == 5),
        "{seeds:?}"
    );
    let evaluate = |mask_seed| {
        let selection = EvaluationOverrides {
            max_sequences: None,
            mask_seed,
        };
        let done = on_ranks(1, |collective| {
            evaluate_run(config.clone(), collective, &Weights::Latest, selection)
        });
        done.unwrap().1
    };
    let (own, fixed) = (evaluate(None), evaluate(Some(0)));
    assert_eq!((own.mask_seed, fixed.mask_seed), (5, 0));
    assert_eq!(
        evaluations(&place, "run", "loss").last().unwrap().as_f64(),
        Some(own.total.loss)
    );
    assert_eq!(
        evaluations(&place, "run", "unigram_loss")[0].as_f64(),
        Some(fixed.total.unigram_loss)
    );
    assert!((own.total.unigram_loss - fixed.total.unigram_loss).abs() > 1e-9);
}
