//! Promise 1 and 2 through the real programs: the world size changes neither the order of the
//! data, nor the masks, nor (beyond rounding) the loss.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::{mpirun, program, run_ok, whole_machine};

use crate::bad_input;
use crate::demo::demo;
use crate::run_folder::{LoggedStep, logged_steps};

const STEPS: u64 = 50;
const GLOBAL_BATCH: u64 = 16;

/// Trains a small model with dropout 0.1 at one world size and returns its logged steps.
fn train(world: u32, precision: &str, folder: &Path) -> Result<Vec<LoggedStep>> {
    train_with(world, precision, folder, &["training.micro_batch_size=4"])
}

fn run_folder(world: u32, precision: &str, folder: &Path) -> PathBuf {
    folder.join(format!("{precision}-{world}"))
}

fn train_with(world: u32, precision: &str, folder: &Path, settings: &[&str]) -> Result<Vec<LoggedStep>> {
    let run = run_folder(world, precision, folder);
    let mut command = mpirun(world, &program("tenk-pretrain")?);
    command
        .args(["train", "--config"])
        .arg(tests::repository().join("configs/demo.toml"));
    for setting in [
        format!("run.dir='{}'", run.display()),
        format!("data.corpus='{}'", demo()?.corpus().display()),
        format!("training.max_steps={STEPS}"),
        format!("training.global_batch_size={GLOBAL_BATCH}"),
        format!("training.precision='{precision}'"),
        "schedule.warmup_steps=10".into(),
        "model.hidden_size=64".into(),
        "model.num_hidden_layers=2".into(),
        "model.num_attention_heads=4".into(),
        "model.intermediate_size=128".into(),
        "model.hidden_dropout_prob=0.1".into(),
        "model.attention_probs_dropout_prob=0.1".into(),
        "parallel.threads=1".into(),
        "logging.every_steps=1".into(),
        format!("evaluation.every_steps={}", STEPS * 10),
    ] {
        command.arg("--set").arg(setting);
    }
    for setting in settings {
        command.arg("--set").arg(setting);
    }
    run_ok(&mut command, Duration::from_mins(4))?;
    let steps = logged_steps(&run)?;
    ensure!(
        steps.len() as u64 == STEPS,
        "world {world} logged {} steps of {STEPS}",
        steps.len()
    );
    Ok(steps)
}

/// The largest relative difference of the losses over the first `count` steps.
fn loss_difference(one: &[LoggedStep], other: &[LoggedStep], count: usize) -> f64 {
    one.iter()
        .zip(other)
        .take(count)
        .map(|(a, b)| ((a.loss - b.loss) / a.loss).abs())
        .fold(0.0, f64::max)
}

fn hash_of_weights(world: u32, precision: &str, folder: &Path) -> Result<String> {
    let checkpoint = format!("checkpoints/step-{STEPS:08}/model.safetensors");
    let weights = run_folder(world, precision, folder).join(checkpoint);
    Ok(durable::sha256_file(&weights)?)
}

fn check_worlds(precision: &str, tolerances: &[(usize, f64)]) -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let reference = train(1, precision, folder.path())?;
    for world in [2, 4] {
        let other = train(world, precision, folder.path())?;
        for (one, step) in reference.iter().zip(&other) {
            ensure!(
                one.step == step.step && one.digest == step.digest,
                "step {}: digests differ at world {world}",
                one.step
            );
            ensure!(
                step.local_sequences.len() == world as usize,
                "step {}: {:?}",
                step.step,
                step.local_sequences
            );
            let total: u64 = step.local_sequences.iter().sum();
            ensure!(
                total == GLOBAL_BATCH,
                "step {}: the ranks took {total} sequences",
                step.step
            );
        }
        for &(count, tolerance) in tolerances {
            let difference = loss_difference(&reference, &other, count);
            ensure!(
                difference <= tolerance,
                "{precision}, world {world}: losses differ by {difference:.2e} over {count} steps, allowed {tolerance:.0e}"
            );
        }
    }
    Ok(())
}

#[test]
fn worlds_1_2_4_draw_the_same_batches_and_lose_the_same_in_f32() -> Result<()> {
    check_worlds("f32", &[(10, 1e-5), (50, 1e-4)]).context("f32")
}

#[test]
fn worlds_1_2_4_draw_the_same_batches_and_lose_the_same_in_f64() -> Result<()> {
    check_worlds("f64", &[(50, 1e-10)]).context("f64")
}

#[test]
fn canonical_reduction_gives_the_same_weights_to_the_bit_at_worlds_1_2_4_and_8_under_mpirun() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let settings = ["training.micro_batch_size=2", "parallel.reduction='canonical'"];
    let mut hashes = Vec::new();
    for world in [1, 2, 4, 8] {
        let steps = train_with(world, "f32", folder.path(), &settings)?;
        let loss = steps.last().context("no step was logged")?.loss;
        hashes.push((
            world,
            hash_of_weights(world, "f32", folder.path())?,
            loss.to_bits(),
        ));
    }
    let (_, hash, loss) = &hashes[0];
    ensure!(
        hashes
            .iter()
            .all(|(_, other, other_loss)| other == hash && other_loss == loss),
        "weights or losses differ: {hashes:?}"
    );
    Ok(())
}

#[test]
fn gradients_that_travel_as_bf16_lose_nearly_the_same_and_overlap_changes_no_bit_of_them() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let whole = train(2, "f32", folder.path())?;
    let train_rounded = |overlap| -> Result<(Vec<LoggedStep>, String)> {
        let folder = tempfile::tempdir()?;
        let overlap = format!("parallel.overlap={overlap}");
        let settings = [
            "training.micro_batch_size=4",
            "parallel.reduce_dtype='bf16'",
            &overlap,
        ];
        let steps = train_with(2, "f32", folder.path(), &settings)?;
        Ok((steps, hash_of_weights(2, "f32", folder.path())?))
    };
    let ((rounded, hash), (_, afterwards)) = (train_rounded(true)?, train_rounded(false)?);
    ensure!(hash == afterwards, "overlap changes the weights");
    ensure!(
        hash != hash_of_weights(2, "f32", folder.path())?,
        "nothing was rounded"
    );
    // What a rank brings and what comes back are rounded by one part in 2^9 at most, as often up as
    // down, so that the norm changes by far less than twice that.
    let [norm, rounded_norm] = [&whole[0], &rounded[0]].map(|step| step.grad_norm);
    let difference = ((norm - rounded_norm) / norm).abs();
    ensure!(difference < 1.0 / 256.0, "norms differ by {difference:.2e}");
    let difference = loss_difference(&whole, &rounded, 1);
    ensure!(difference < 1e-6, "the first losses differ by {difference:.2e}");
    let [first, last] = [0, rounded.len() - 1].map(|index| rounded[index].loss);
    ensure!(last < first, "nothing was learned: {first} and {last}");
    Ok(())
}

/// glibc is told to compute the second rank's logarithms, cosines and powers as on a processor without
/// fused multiply-add, which gives other last bits. In f64 one such bit in a weight is a drift.
#[test]
fn ranks_whose_processors_compute_functions_otherwise_keep_the_same_parameters_to_the_bit() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let pretrain = program("tenk-pretrain")?;
    let settings = [
        "training.max_steps=12",
        "training.precision='f64'",
        "schedule.kind='cosine'",
        "schedule.warmup_steps=2",
        "model.hidden_size=64",
        "model.intermediate_size=128",
        "evaluation.every_steps=0",
        "parallel.threads=1",
        "parallel.check_every=1",
    ];
    let run_folder = folder.path().join("run");
    let mut command = bad_input::train(mpirun(1, &pretrain), &run_folder, &settings)?;
    command
        .args([
            ":",
            "-n",
            "1",
            "env",
            "GLIBC_TUNABLES=glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2",
        ])
        .arg(&pretrain);
    let mut command = bad_input::train(command, &run_folder, &settings)?;
    run_ok(&mut command, Duration::from_mins(4))?;
    let steps = logged_steps(&run_folder)?;
    ensure!(steps.len() == 12, "{} steps of 12", steps.len());
    Ok(())
}
