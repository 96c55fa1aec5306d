//! `model.checkpoint_activations`: less memory, the same run.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{program, run_ok, whole_machine};

use crate::bad_input::train;
use crate::demo::demo;

/// Layers of the smaller and of the deeper model. How much more the deeper one needs is what its
/// layers need: what both hold besides (the embeddings, the one layer that is being computed
/// again, most of what the allocator keeps) differs from machine to machine, and falls out.
const LAYERS: [u64; 2] = [4, 16];

/// What two steps of a model of `layers` say at their end.
fn last_line(run_folder: &Path, layers: u64, checkpoint_activations: bool) -> Result<Value> {
    let settings = [
        "model.hidden_size=256",
        &format!("model.num_hidden_layers={layers}"),
        "model.num_attention_heads=4",
        "model.intermediate_size=1024",
        "training.global_batch_size=16",
        "training.micro_batch_size=16",
        "training.max_steps=2",
        "training.precision='f32'",
        "schedule.warmup_steps=1",
        "evaluation.every_steps=0",
        &format!("model.checkpoint_activations={checkpoint_activations}"),
    ];
    let mut command = train(Command::new(program("tenk-pretrain")?), run_folder, &settings)?;
    run_ok(&mut command, Duration::from_mins(3))?;
    let metrics = std::fs::read_to_string(run_folder.join("metrics.jsonl"))?;
    Ok(serde_json::from_str(metrics.lines().last().context("no line")?)?)
}

#[test]
fn activations_that_are_computed_twice_need_less_memory_and_give_the_same_loss() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let peak = |line: &Value| line["peak_memory_bytes"][0].as_u64().context("no peak");
    let (mut peaks_kept, mut peaks_twice) = (Vec::new(), Vec::new());
    for layers in LAYERS {
        let run = |name: &str| folder.path().join(format!("{name}-{layers}"));
        let kept = last_line(&run("kept"), layers, false)?;
        let twice = last_line(&run("twice"), layers, true)?;
        for key in ["loss", "grad_norm", "digest", "model_flops"] {
            ensure!(kept[key] == twice[key], "{key}: {} and {}", kept[key], twice[key]);
        }
        peaks_kept.push(peak(&kept)?);
        peaks_twice.push(peak(&twice)?);
    }
    let more = |peaks: &[u64]| peaks[1].saturating_sub(peaks[0]);
    // A layer keeps 14 numbers a token and column of width for its backward pass; one is left.
    let saved = (LAYERS[1] - LAYERS[0]) * 13 * 16 * 128 * 256 * 4;
    ensure!(
        more(&peaks_twice) + saved / 2 < more(&peaks_kept),
        "bytes at {LAYERS:?} layers: {peaks_kept:?}, computed twice {peaks_twice:?}"
    );
    Ok(())
}
