//! What a training run writes to standard error is its log and nothing else: no library prints beside it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::{program, run};

use crate::bad_input::train;

const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn a_training_step_writes_nothing_to_standard_error_beside_the_log() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = [
        "training.max_steps=2",
        "schedule.warmup_steps=1",
        "evaluation.every_steps=2",
    ];
    for name in ["f32", "f64"] {
        let precision = format!("training.precision='{name}'");
        let mut command = train(
            Command::new(program("tenk-pretrain")?),
            &folder.path().join(name),
            &[&settings[..], &[precision.as_str()]].concat(),
        )?;
        let output = run(command.env("RUST_LOG", "off"), LIMIT)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success() && stderr.is_empty(),
            "{}: {stderr}",
            output.status
        );
    }
    Ok(())
}
