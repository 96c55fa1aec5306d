//! `parallel.reduction = "canonical"`: the number of ranks changes no bit.

use super::*;

const STEPS: &str = "training.max_steps=50";

/// Eight micro-batches a step, dropout 0.1.
fn train_at(place: &Place, name: &str, world_size: u32, overrides: &[&str]) -> Vec<Value> {
    let fixed = [
        STEPS,
        "training.micro_batch_size=2",
        "checkpoint.every_steps=0",
        "parallel.reduction='canonical'",
        "parallel.allow_uneven=true",
    ];
    let config = place.config(name, &[&fixed[..], overrides].concat());
    assert!((config.model.config.hidden_dropout_prob - 0.1).abs() < 1e-9);
    run(world_size, &config);
    place.steps(name)
}

/// SHA-256 of a file of the last checkpoint.
fn sha256(place: &Place, name: &str, file: &str) -> String {
    let checkpoint = place.path(name).join("checkpoints/step-00000050");
    durable::sha256_file(&checkpoint.join(file)).unwrap()
}

fn assert_equal_weights(place: &Place, one: &str, other: &str) {
    for file in ["model.safetensors", "optimizer.safetensors"] {
        assert_eq!(
            sha256(place, one, file),
            sha256(place, other, file),
            "{other}: {file}"
        );
    }
}

#[test]
fn weights_are_the_same_to_the_bit_at_any_world_size() {
    let place = Place::new();
    let alone = train_at(&place, "world-1", 1, &[]);
    for world_size in [2, 3, 4, 8] {
        let name = format!("world-{world_size}");
        let steps = train_at(&place, &name, world_size, &[]);
        assert_equal_weights(&place, "world-1", &name);
        for key in ["loss", "grad_norm", "digest"] {
            let values = |steps: &[Value]| steps.iter().map(|step| step[key].clone()).collect::<Vec<_>>();
            assert_eq!(values(&alone), values(&steps), "world {world_size}: {key}");
        }
    }
    let fast = ["parallel.reduction='fast'"];
    train_at(&place, "fast", 1, &fast);
    assert_ne!(
        sha256(&place, "world-1", "model.safetensors"),
        sha256(&place, "fast", "model.safetensors"),
        "another order of additions has other bits, so the test would notice one"
    );
}

#[test]
fn a_canonical_run_may_go_on_at_another_world_size_without_a_changed_bit() {
    let place = Place::new();
    // A number of micro-batches that is no power of two, and clipping.
    let settings = [
        "training.global_batch_size=14",
        "optimizer.max_grad_norm=0.5",
        "training.precision='f64'",
    ];
    train_at(&place, "whole", 1, &settings);
    let fixed = [STEPS, "training.micro_batch_size=2", "checkpoint.every_steps=20"];
    let canonical = ["parallel.reduction='canonical'", "parallel.allow_uneven=true"];
    let parts = place.config("parts", &[&fixed[..], &canonical, &settings].concat());
    for (step, world_size) in [(1, 2), (2, 4), (50, 5)] {
        let stop = StopRequest::new();
        if step < 50 {
            stop.ask(StopReason::StopAfter);
        }
        launch(world_size, &parts, Resume::Auto, &stop).unwrap();
        let name = format!("checkpoints/step-{step:08}");
        assert!(place.path("parts").join(name).is_dir());
    }
    assert_equal_weights(&place, "whole", "parts");
}

#[test]
fn overlap_changes_no_bit() {
    let place = Place::new();
    for world_size in [2, 3] {
        let name = |overlap: bool| format!("world-{world_size}-{overlap}");
        for overlap in [true, false] {
            let setting = format!("parallel.overlap={overlap}");
            let settings = [
                "parallel.reduction='fast'",
                "parallel.check_every=5",
                setting.as_str(),
            ];
            train_at(&place, &name(overlap), world_size, &settings);
        }
        assert_equal_weights(&place, &name(true), &name(false));
    }
}
