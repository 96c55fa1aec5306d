//! `tenk-pretrain replay`: what a step was trained on, found again from its number alone.

pub(crate) mod error;
mod not_taken;

use clap::Args;
use collectives::Single;
use loader::{DocumentPart, MicroBatch, SequenceDescription, Step};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    commands::{config_arguments::RunArguments, output::pretty, replay::error::ReplayError},
    config::RunConfig,
    error::TrainError,
    run::{
        data::{DataFiles, Text, open_loader, open_packings},
        folder::lineage,
        plan::{TrainPlan, facts::Facts},
    },
};

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    run: RunArguments,
    /// The step, as numbered in metrics.jsonl.
    #[arg(long)]
    step: u64,
    /// One slot of the batch [default: all].
    #[arg(long)]
    slot: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed.
///
/// # Errors
/// When the corpus cannot be opened, or there is no such step or slot.
pub(crate) fn run(arguments: &ReplayArguments) -> Result<String, TrainError> {
    let config = arguments.run.load()?;
    let run_dir = arguments
        .run
        .run
        .clone()
        .unwrap_or_else(|| config.run.dir.clone());
    // What is given on the command line is tried instead of what was.
    let config = match &arguments.run.run {
        Some(run) if arguments.run.overrides.is_empty() => lineage::as_taken(config, run, arguments.step)?,
        _ => config,
    };
    let replay = replay(config, arguments.step, arguments.slot)?;
    if let Some(remark) = not_taken::remark(&run_dir, replay.step, &replay.digest)? {
        tracing::warn!("{remark}");
    }
    if arguments.json {
        return Ok(pretty(&serde_json::to_value(&replay).unwrap_or_default()));
    }
    let sequences: Vec<String> = replay.sequences.iter().map(sequence_text).collect();
    Ok(format!(
        "step {}  digest {}{}\n\n{}",
        replay.step,
        replay.digest,
        if replay.skipped {
            "  (skipped: data.skip_steps)"
        } else {
            ""
        },
        sequences.join("\n\n")
    ))
}

/// A replayed step.
#[derive(Debug, Serialize)]
pub(crate) struct Replay {
    /// The step, as `metrics.jsonl` names it: the batch that finished it.
    pub step: u64,
    /// Whether `data.skip_steps` passes it over.
    pub skipped: bool,
    /// Its digest, as `metrics.jsonl` has it.
    pub digest: String,
    /// The asked slots.
    pub sequences: Vec<Value>,
}

/// Finds the batch that finished `step` (from 1), all slots or one.
///
/// # Errors
/// When the corpus cannot be opened, or there is no such step or slot.
pub(crate) fn replay(config: RunConfig, step: u64, slot: Option<u64>) -> Result<Replay, TrainError> {
    let (max_steps, num_slots) = (config.training.max_steps, config.training.global_batch_size);
    let before = step.checked_sub(1).filter(|_| step <= max_steps);
    let before = Step(before.ok_or(ReplayError::NoSuchStep { step, max_steps })?);
    if let Some(slot) = slot.filter(|slot| *slot >= num_slots) {
        return Err(ReplayError::NoSuchSlot { slot, num_slots }.into());
    }
    let text = Text::open(&config)?;
    let sources = text.sources();
    let facts = Facts {
        world_size: 1,
        tokenizer_vocab_size: Some(text.tokenizer.vocab_size()),
        sources: Some(&sources),
    };
    let plan = TrainPlan::new(config, &facts)?;
    let packings = open_packings(
        &mut Single::new(),
        &text.corpus,
        &plan.config,
        DataFiles::OnlyRead,
    )?;
    let loader = open_loader(&plan, &text, &packings)?;
    let batches = loader.step_batches(before, 0, 1)?;
    let slots = match slot {
        Some(slot) => slot..slot + 1,
        None => 0..num_slots,
    };
    let described = loader.describe_slots(before, slots)?;
    let rows: Vec<InputRow> = batches.micro_batches.iter().flat_map(rows).collect();
    Ok(Replay {
        step,
        skipped: loader.config().skip_steps.contains(step),
        digest: loader::format_digest(batches.digest),
        sequences: described.iter().map(|slot| with_row(slot, &rows)).collect(),
    })
}

/// A sequence as the model gets it, without padding.
struct InputRow {
    /// Token ids, masks in place.
    input_ids: Vec<i64>,
    /// The original token where one is predicted, [`NOT_PREDICTED`] elsewhere.
    labels: Vec<i64>,
}

/// What `transformers` puts where nothing is predicted.
const NOT_PREDICTED: i64 = -100;

fn rows(batch: &MicroBatch) -> Vec<InputRow> {
    let row = |(ids, &length): (&[i64], &u32)| InputRow {
        input_ids: ids[..length as usize].to_vec(),
        labels: vec![NOT_PREDICTED; length as usize],
    };
    let length = batch.sequence_length.max(1);
    let ids = batch.input_ids.chunks(length);
    let mut rows: Vec<InputRow> = ids.zip(&batch.lengths).map(row).collect();
    let masked = batch.masked_positions.iter().zip(&batch.labels);
    for ((&position, &label), _) in masked.zip(&batch.weights).filter(|(_, weight)| **weight > 0.0) {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let row = rows.get_mut(position / length);
        if let Some(target) = row.and_then(|row| row.labels.get_mut(position % length)) {
            *target = label;
        }
    }
    rows
}

/// A slot in words, with its row.
fn with_row(slot: &SequenceDescription, rows: &[InputRow]) -> Value {
    let mut words = in_words(slot);
    if let Some(row) = usize::try_from(slot.slot).ok().and_then(|slot| rows.get(slot)) {
        words["input_ids"] = json!(row.input_ids);
        words["labels"] = json!(row.labels);
    }
    words
}

/// A slot's provenance and text.
pub(crate) fn in_words(sequence: &SequenceDescription) -> Value {
    json!({
        "slot": sequence.slot,
        "global_index": sequence.global_index.0,
        "source": sequence.source,
        "epoch": sequence.epoch,
        "row": sequence.row.0,
        "shard": sequence.shard,
        "block": sequence.packed.block,
        "token_offset": sequence.packed.token_offset,
        "length": sequence.packed.length,
        "documents": sequence.documents.iter().map(document).collect::<Vec<_>>(),
        "digest": loader::format_digest(sequence.digest),
        "text": sequence.text,
    })
}

/// A document's row, and which of its tokens the sequence takes.
fn document(part: &DocumentPart) -> Value {
    let mut value = json!(part.row);
    value["sequence_first_token"] = json!(part.first_token);
    value["sequence_tokens"] = json!(part.num_tokens);
    value["excluded"] = json!(part.excluded);
    value
}

/// A slot as people read it; `sequence` is of [`in_words`].
pub(crate) fn sequence_text(sequence: &Value) -> String {
    let documents = sequence["documents"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let documents: Vec<String> = documents.iter().map(document_text).collect();
    format!(
        "slot {}  digest {}  {} epoch {} row {}  {} block {} offset {} ({} tokens)\n  {}\n{}",
        sequence["slot"],
        bare(&sequence["digest"]),
        bare(&sequence["source"]),
        sequence["epoch"],
        sequence["row"],
        bare(&sequence["shard"]),
        sequence["block"],
        sequence["token_offset"],
        sequence["length"],
        documents.join("\n  "),
        bare(&sequence["text"]),
    )
}

/// What is known about a document: company, title, form, accession number, filing date, id, and
/// which of its tokens are in the sequence.
fn document_text(document: &Value) -> String {
    let known = ["company", "title", "source", "accession", "filed", "id"].map(|key| bare(&document[key]));
    let mut known: Vec<String> = known.into_iter().filter(|text| *text != "null").collect();
    let (first, tokens) = (&document["sequence_first_token"], &document["sequence_tokens"]);
    known.push(format!("{tokens} tokens from token {first} on"));
    if document["excluded"] == true {
        known.push("left out by data.exclude".to_owned());
    }
    known.join(", ")
}

/// A string without its quotes, anything else as JSON.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
