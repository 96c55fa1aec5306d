//! Checks of `[model]`, `[data]` and `[masking]`.

use std::{collections::BTreeMap, path::Path};

use loader::SkippedSteps;

use crate::{config::RunConfig, run::plan::facts::Facts};

/// The model by itself, and against tokenizer and sequences.
pub(super) fn check_model(config: &RunConfig, facts: &Facts<'_>, problems: &mut Vec<String>) {
    let model = &config.model.config;
    problems.extend(
        model
            .problems()
            .into_iter()
            .map(|problem| format!("model.{problem}")),
    );
    if let Err(error) = model.validate_sequence_length(config.data.longest_sequence()) {
        problems.push(format!(
            "data.sequence_length (or that of a phase) and model.max_position_embeddings do not fit together: {error}"
        ));
    }
    if let Some(entries) = facts
        .tokenizer_vocab_size
        .filter(|&entries| model.vocab_size < entries)
    {
        problems.push(format!(
            "model.vocab_size = {}: the tokenizer has {entries} entries; set it to at least that",
            model.vocab_size
        ));
    }
    let ids = [
        ("bos", model.bos_token_id, 0),
        ("pad", model.pad_token_id, 1),
        ("eos", model.eos_token_id, 2),
    ];
    for (name, given, expected) in ids.into_iter().filter(|(_, given, expected)| given != expected) {
        problems.push(format!(
            "model.{name}_token_id = {given}: RoBERTa's tokenizers have {expected}"
        ));
    }
}

/// What is trained on, in which order and with which masks.
pub(super) fn check_data(config: &RunConfig, facts: &Facts<'_>, problems: &mut Vec<String>) {
    let data = &config.data;
    let lengths = data.phases.iter().map(|phase| phase.sequence_length);
    let lengths = (0..).map(|index| format!("data.phases[{index}]")).zip(lengths);
    let own = ("data".to_owned(), Some(data.sequence_length));
    for (section, length) in lengths.chain([own]) {
        if let Some(length) = length.filter(|&length| length < 3) {
            problems.push(format!(
                "{section}.sequence_length = {length}: `<s>`, `</s>` and one token need 3"
            ));
        }
    }
    if let Some(folder) = &data.stage_to {
        check_stage_to(folder, &data.corpus, problems);
    }
    check_masking(config, problems);
    check_phases(config, problems);
    check_skip_steps(config, problems);
    let weights = data.phases.iter().map(|phase| phase.weights.as_ref());
    let weights = (0..).map(|index| format!("data.phases[{index}]")).zip(weights);
    for (section, weights) in weights.chain([("data".to_owned(), data.weights.as_ref())]) {
        if let Some(weights) = weights {
            check_weights(&section, weights, facts, problems);
        }
    }
}

/// A copy is made outside of what it is a copy of.
fn check_stage_to(folder: &Path, corpus: &Path, problems: &mut Vec<String>) {
    if folder.as_os_str().is_empty() || folder.starts_with(corpus) {
        problems.push(format!(
            "data.stage_to = {:?}: it has to be a folder outside of data.corpus = {:?}, on a disk of each node",
            folder.display().to_string(),
            corpus.display().to_string(),
        ));
    }
}

fn check_masking(config: &RunConfig, problems: &mut Vec<String>) {
    let masking = &config.masking;
    let probability = masking.mlm_probability;
    if !(probability > 0.0 && probability < 1.0) {
        problems.push(format!(
            "masking.mlm_probability = {probability}: it has to be above 0 and below 1"
        ));
    } else if let Err(error) = masking.config() {
        problems.push(error.to_string());
    }
}

fn check_weights(
    section: &str,
    weights: &BTreeMap<String, u64>,
    facts: &Facts<'_>,
    problems: &mut Vec<String>,
) {
    if weights.values().all(|&weight| weight == 0) {
        problems.push(format!("{section}.weights: no source has a weight above 0"));
    }
    let Some(sources) = facts.sources else { return };
    for name in weights.keys().filter(|name| !sources.contains(name)) {
        problems.push(format!(
            "{section}.weights.\"{name}\": the corpus has no such source; it has {}",
            sources.join(", ")
        ));
    }
}

/// Phases follow each other and end before the run does.
fn check_phases(config: &RunConfig, problems: &mut Vec<String>) {
    let mut before = 0;
    for (index, phase) in config.data.phases.iter().enumerate() {
        let (key, step) = (format!("data.phases[{index}].until_step"), phase.until_step);
        if step <= before {
            problems.push(format!(
                "{key} = {step}: it has to be above {before}, where the phase begins"
            ));
        }
        if step >= config.training.max_steps {
            problems.push(format!(
                "{key} = {step}: the run ends at training.max_steps = {}; its last phase is that of \
                 [data] itself",
                config.training.max_steps
            ));
        }
        before = before.max(step);
    }
}

fn check_skip_steps(config: &RunConfig, problems: &mut Vec<String>) {
    let last = config.training.max_steps;
    match SkippedSteps::parse(&config.data.skip_steps) {
        Err(error) => problems.push(error.to_string()),
        Ok(skipped) if skipped.contains(last) => problems.push(format!(
            "data.skip_steps: step {last} is the last one of training.max_steps and has to be taken"
        )),
        Ok(_) => {}
    }
}
