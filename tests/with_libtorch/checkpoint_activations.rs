//! `model.checkpoint_activations`: less memory, the same run.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{program, run_ok, whole_machine};

use crate::bad_input::train;
use crate::demo::demo;

/// What two steps of eight layers say at their end; `setting` is the one that is tried.
fn last_line(run_folder: &Path, setting: &str) -> Result<Value> {
    let settings = [
        "model.hidden_size=256",
        "model.num_hidden_layers=8",
        "model.num_attention_heads=4",
        "model.intermediate_size=1024",
        "training.global_batch_size=16",
        "training.micro_batch_size=16",
        "training.max_steps=2",
        "training.precision='f32'",
        "schedule.warmup_steps=1",
        "evaluation.every_steps=0",
        setting,
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
    let kept = last_line(&folder.path().join("kept"), "model.checkpoint_activations=false")?;
    let twice = last_line(&folder.path().join("twice"), "model.checkpoint_activations=true")?;
    for key in ["loss", "grad_norm", "digest", "model_flops"] {
        ensure!(kept[key] == twice[key], "{key}: {} and {}", kept[key], twice[key]);
    }
    let peak = |line: &Value| line["peak_memory_bytes"][0].as_u64().context("no peak");
    let (kept, twice) = (peak(&kept)?, peak(&twice)?);
    // A layer keeps 14 numbers a token and column of width for its backward pass; one is left.
    let saved = 8 * 13 * 16 * 128 * 256 * 4;
    ensure!(
        twice + saved / 2 < kept,
        "{kept} bytes, and {twice} computed twice"
    );
    Ok(())
}
