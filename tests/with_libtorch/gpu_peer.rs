//! The peer that `gpu-check` runs beside itself, tried on the CPU.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use model::RobertaConfig;
use tests::{peers_python, repository, run_ok};

const LIMIT: Duration = Duration::from_mins(2);

#[test]
fn the_peer_of_the_gpu_check_trains_and_counts_operations_as_we_do() -> Result<()> {
    let (layers, width, vocabulary, sequences, length) = (2, 64, 507, 2, 32);
    let mut command = Command::new(peers_python()?);
    command.arg(repository().join("benches/peers/gpu_throughput.py"));
    for (name, value) in [
        ("layers", layers),
        ("width", width),
        ("vocabulary", vocabulary),
        ("sequences", sequences),
        ("length", length),
        ("product", 64),
        ("warm-up", 1),
        ("steps", 2),
    ] {
        command.arg(format!("--{name}={value}"));
    }
    let said = run_ok(command.arg("--device=cpu"), LIMIT)?;
    let config = serde_json::json!({
        "model_type": "roberta", "vocab_size": vocabulary, "hidden_size": width,
        "num_hidden_layers": layers, "num_attention_heads": 1, "intermediate_size": 4 * width,
        "max_position_embeddings": length + 2, "type_vocab_size": 1,
    });
    let config = RobertaConfig::from_json(&config.to_string())?;
    let (length, masked) = (
        u64::try_from(length)?,
        masking::mask_capacity(usize::try_from(length)?, 0.15),
    );
    let of_sequence =
        config.training_flops(length, masked as u64) - config.skipped_flops(length, masked as u64);
    let expected = u64::try_from(sequences)? * of_sequence;
    let counted = said
        .lines()
        .find_map(|line| line.strip_prefix("operations of a step: "));
    ensure!(
        counted.context("no count")?.parse::<u64>()? == expected,
        "{expected}: {said}"
    );
    for name in ["tuned", "run_mlm"] {
        let line = said
            .lines()
            .find(|line| line.starts_with(name))
            .context("no line")?;
        ensure!(
            line.contains(" tokens/s, ") && line.contains(" % of the "),
            "{line}"
        );
    }
    Ok(())
}
