//! `tenk-pretrain replay` on a corpus of 256 shards: fast enough to ask about any step.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tests::{program, run_ok, whole_machine};

use crate::demo::demo;

/// The bound of the promise; a quiet machine needs a tenth of it.
const LIMIT: Duration = Duration::from_secs(2);

#[test]
fn a_step_of_2048_sequences_over_256_shards_is_replayed_in_two_seconds() -> Result<()> {
    let demo = demo()?;
    let _machine = whole_machine();
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let mut command = Command::new(program("tenk-pretrain")?);
        command.args(["replay", "--step", "40", "--json", "--config"]);
        command.arg(demo.run().join("config.toml"));
        for setting in [
            format!("data.corpus={:?}", demo.corpus().to_string_lossy()),
            "training.global_batch_size=2048".to_owned(),
        ] {
            command.arg("--set").arg(setting);
        }
        let begun = Instant::now();
        let printed = run_ok(&mut command, Duration::from_mins(1))?;
        best = best.min(begun.elapsed());
        let step: serde_json::Value = serde_json::from_str(&printed)?;
        ensure!(step["sequences"].as_array().map(Vec::len) == Some(2048));
        let document = &step["sequences"][0]["documents"][0];
        for known in ["id", "source", "sequence_first_token", "sequence_tokens"] {
            ensure!(!document[known].is_null(), "{known} in {document}");
        }
    }
    ensure!(best < LIMIT, "the fastest of three took {best:?}");
    Ok(())
}
