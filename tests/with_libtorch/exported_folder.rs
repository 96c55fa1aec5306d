//! The demo's exported folder in the real `transformers`: same ids, same logits, and its
//! `fill-mask` pipeline runs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hf_folder::HfModel;
use model::Precision;
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use tests::{peers_python, repository, run_ok, whole_machine};

use crate::demo::demo;

const NUM_LINES: usize = 200;
const NUM_ROWS: usize = 8;

/// `<s> text </s>` of every line, as the folder's own tokenizer encodes it here.
fn token_ids(folder: &HfModel, lines: &[&str]) -> Result<Vec<Vec<i64>>> {
    let (special, mut encoder) = (folder.tokenizer.special(), folder.tokenizer.text_encoder());
    let encode = |line: &&str| {
        let mut ids = vec![special.bos];
        encoder.encode_into(line, &mut ids)?;
        ids.truncate(folder.max_sequence_length - 1);
        ids.push(special.eos);
        Ok(ids.into_iter().map(i64::from).collect())
    };
    lines.iter().map(encode).collect()
}

/// The first rows, padded to one length: [B, T].
fn padded(rows: &[Vec<i64>], pad: i64) -> Tensor {
    let length = rows.iter().map(Vec::len).max().unwrap_or(0);
    let flat: Vec<i64> = rows
        .iter()
        .flat_map(|row| {
            row.iter()
                .copied()
                .chain(std::iter::repeat_n(pad, length - row.len()))
        })
        .collect();
    Tensor::from_slice(&flat).view([i64::try_from(rows.len()).expect("few rows"), -1])
}

/// Writes ids and logits of ours for the script that compares them.
fn write_ours(folder: &HfModel, lines: &[&str], out: &Path) -> Result<()> {
    let ids = token_ids(folder, lines)?;
    let pad = i64::from(folder.tokenizer.special().pad);
    let input_ids = padded(&ids[..NUM_ROWS.min(ids.len())], pad);
    let attention_mask = input_ids.ne(pad);
    let model = folder.build(Precision::F32, Device::Cpu)?;
    let logits = tch::no_grad(|| model.logits(&input_ids, Some(&attention_mask)))?;
    let mut tensors = vec![
        ("input_ids".to_owned(), input_ids),
        ("logits".to_owned(), logits.to_kind(Kind::Float)),
    ];
    tensors.extend(
        ids.iter()
            .enumerate()
            .map(|(number, row)| (format!("ids.{number}"), Tensor::from_slice(row))),
    );
    Tensor::write_safetensors(&tensors, out).context("writing our tensors")
}

#[test]
fn transformers_opens_the_exported_folder_and_agrees_in_ids_and_logits() -> Result<()> {
    let demo = demo()?;
    let _machine = whole_machine();
    let folder = HfModel::open(&demo.export())?;
    let text = std::fs::read_to_string(demo.held_out_text())?;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.is_empty())
        .take(NUM_LINES)
        .collect();
    ensure!(
        lines.len() > NUM_ROWS,
        "only {} lines of held-out text",
        lines.len()
    );

    let scratch = tempfile::tempdir()?;
    let (ours, text) = (
        scratch.path().join("ours.safetensors"),
        scratch.path().join("text.txt"),
    );
    write_ours(&folder, &lines, &ours)?;
    std::io::Write::write_all(
        &mut std::fs::File::create_new(&text)?,
        lines.join("\n").as_bytes(),
    )?;

    let mut command = Command::new(peers_python()?);
    command
        .arg(repository().join("tests/parity/exported_folder.py"))
        .arg(demo.export())
        .arg(&ours)
        .arg(&text);
    command
        .env("HF_HUB_OFFLINE", "1")
        .env("TOKENIZERS_PARALLELISM", "false");
    let printed = run_ok(&mut command, Duration::from_mins(4))?;
    let report: Value =
        serde_json::from_str(printed.lines().last().context("the comparison printed nothing")?)?;
    println!("{report}");

    let error = report["logits_error"].as_f64().context("logits_error")?;
    ensure!(error <= 1e-4, "logits differ by {error:.2e}");
    ensure!(
        report["texts"] == lines.len() && report["texts_with_different_ids"] == 0,
        "ids differ: {report}"
    );
    ensure!(
        report["fill_mask_answers"] == 5,
        "fill-mask gave {}",
        report["fill_mask_answers"]
    );
    for keys in ["missing_keys", "unexpected_keys"] {
        ensure!(
            report[keys].as_array().is_some_and(Vec::is_empty),
            "{keys}: {}",
            report[keys]
        );
    }
    ensure!(
        report["model_max_length"] == folder.max_sequence_length,
        "model_max_length: {report}"
    );
    Ok(())
}
