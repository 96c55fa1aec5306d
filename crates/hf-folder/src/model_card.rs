//! `README.md` of an exported model: what it was made from, as far as the run recorded it.
//!
//! Facts only. What was not measured is said to be so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::RobertaConfig;
use serde_json::Value;

use crate::text_dates::TextDates;

/// What the corpus adds to the facts of a checkpoint. All of it may be unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelCard {
    /// Name of the model: heading of the card.
    pub name: String,
    /// Training text by source.
    pub sources: BTreeMap<String, SourceFacts>,
    /// How held-out documents were chosen.
    pub held_out: Option<String>,
    /// Version of the program that exports.
    pub program_version: String,
}

/// Size of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
}

impl ModelCard {
    /// The text of the card; `trainer` is the state that the checkpoint holds.
    pub(crate) fn render(&self, config: &RobertaConfig, trainer: &Value) -> String {
        let mut text = front_matter();
        let _ = write!(
            text,
            "\n# {name}\n\n\
             A RoBERTa encoder of {layers} layers, width {width}, {heads} heads and a vocabulary of \
             {vocab_size} tokens, {origin} on masked tokens with tenk {version}.\n\n\
             ## Training data\n\n{sources}{dates}{held_out}{left_out}\n\
             ## Training\n\n{training}\n{lengthened}\
             ## Use\n\n{usage}\n\
             ## Limits\n\n{limits}",
            name = if self.name.is_empty() {
                "RoBERTa"
            } else {
                &self.name
            },
            layers = config.num_hidden_layers,
            width = config.hidden_size,
            heads = config.num_attention_heads,
            vocab_size = config.vocab_size,
            version = self.program_version,
            sources = self.sources_table(),
            dates = Self::dates(trainer),
            origin = origin(trainer),
            held_out = self.held_out_line(),
            left_out = left_out(trainer),
            training = training_table(trainer),
            lengthened = lengthened(trainer),
            usage = usage(config.max_sequence_length()),
            limits = limits(config.max_sequence_length()),
        );
        text
    }

    fn sources_table(&self) -> String {
        if self.sources.is_empty() {
            return "The sources were not recorded with this export.\n\n".to_owned();
        }
        let mut table = String::from("| source | documents | tokens |\n|---|---|---|\n");
        for (name, facts) in &self.sources {
            let _ = writeln!(table, "| {name} | {} | {} |", facts.documents, facts.tokens);
        }
        table + "\n"
    }

    fn dates(trainer: &Value) -> String {
        let dates = TextDates::of_trainer(trainer).unwrap_or_default();
        let span = match (dates.earliest.as_deref(), dates.latest.as_deref()) {
            (Some(earliest), Some(latest)) => {
                format!("The documents, held-out ones included, are of {earliest} to {latest}. ")
            }
            _ => String::new(),
        };
        format!("{span}{}\n\n", dates.horizon())
    }

    fn held_out_line(&self) -> String {
        let line = |rule: &String| format!("Held out from training: {rule}.\n\n");
        self.held_out.as_ref().map(line).unwrap_or_default()
    }
}

/// How the weights began.
fn origin(trainer: &Value) -> String {
    let from = &trainer["lineage"]["init_from"];
    match (from["folder"].as_str(), from["sha256"].as_str()) {
        (Some(folder), Some(sha256)) => {
            format!("pre-trained further from {folder} (model.safetensors with SHA-256 {sha256})")
        }
        _ => "pre-trained from scratch".to_owned(),
    }
}

/// What the run was told to leave out, and from which step on.
fn left_out(trainer: &Value) -> String {
    let mut lines = String::new();
    for entry in trainer["lineage"]["left_out"].as_array().into_iter().flatten() {
        let list = |key: &str| -> Vec<&str> {
            let values = entry[key].as_array().into_iter().flatten();
            values.filter_map(Value::as_str).collect()
        };
        let what = match (list("exclude").join(", "), list("skip_steps").join(", ")) {
            (documents, steps) if documents.is_empty() && steps.is_empty() => "nothing".to_owned(),
            (documents, steps) if steps.is_empty() => format!("documents {documents}"),
            (documents, steps) if documents.is_empty() => format!("steps {steps}"),
            (documents, steps) => format!("documents {documents}; steps {steps}"),
        };
        let _ = writeln!(lines, "- after step {}: {what}", entry["after_step"]);
    }
    if lines.is_empty() {
        return lines;
    }
    format!("Left out of the training data by the run's configuration:\n\n{lines}\n")
}

/// Where the run was given more steps than it had been planned for.
fn lengthened(trainer: &Value) -> String {
    let entries = trainer["lineage"]["lengthened"].as_array().into_iter().flatten();
    let times: Vec<String> = entries
        .filter_map(|entry| {
            let [after, from, to] = ["after_step", "from", "to"].map(|key| entry[key].as_u64());
            Some(format!("after step {} from {} to {} steps", after?, from?, to?))
        })
        .collect();
    if times.is_empty() {
        return String::new();
    }
    format!("The run was lengthened {}.\n\n", times.join(" and "))
}

fn front_matter() -> String {
    "---\nlibrary_name: transformers\npipeline_tag: fill-mask\ntags:\n- roberta\n- masked-lm\n\
     - sentence-transformers\n- feature-extraction\n---\n"
        .to_owned()
}

/// A row a fact of the trainer's state that is there.
fn training_table(trainer: &Value) -> String {
    let facts = [
        ("steps", "/step"),
        ("tokens seen", "/tokens_seen"),
        ("last training loss (nats a masked token)", "/loss"),
        ("precision", "/precision"),
        ("seed", "/seed"),
        ("schedule", "/schedule"),
        ("hash of the configuration", "/hashes/config"),
        ("hash of the corpus", "/hashes/corpus"),
        ("hash of the packing index", "/hashes/packing"),
        ("hash of the tokenizer", "/hashes/tokenizer"),
    ];
    let mut table = String::from("| fact | value |\n|---|---|\n");
    for (label, pointer) in facts {
        let text = match trainer.pointer(pointer) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let _ = writeln!(table, "| {label} | {text} |");
    }
    table
}

fn usage(max_sequence_length: usize) -> String {
    format!(
        "`AutoModelForMaskedLM` and `AutoTokenizer` of `transformers` open this folder, and so does \
         `SentenceTransformer` (mean pooling over tokens). Sequences have at most \
         {max_sequence_length} tokens.\n"
    )
}

fn limits(max_sequence_length: usize) -> String {
    format!(
        "The model was trained on masked tokens only: its sentence vectors are not fine-tuned for \
         similarity or search, and no downstream task was measured. It knows English text of \
         its training data and nothing that was written later. Text beyond {max_sequence_length} tokens is \
         cut by the tokenizer. It is not advice, and its predictions are not facts about a company.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config() -> RobertaConfig {
        RobertaConfig::from_json(r#"{"model_type": "roberta", "hidden_size": 64, "num_attention_heads": 4}"#)
            .unwrap()
    }

    fn dates() -> TextDates {
        TextDates {
            earliest: Some("1999-03-01".to_owned()),
            latest: Some("2024-12-30".to_owned()),
            undated_documents: Some(0),
            ..TextDates::default()
        }
    }

    #[test]
    fn the_card_states_every_fact_that_was_recorded() {
        let card = ModelCard {
            name: "demo".to_owned(),
            sources: BTreeMap::from([(
                "10-K".to_owned(),
                SourceFacts {
                    documents: 7,
                    tokens: 12_345,
                },
            )]),
            held_out: Some("5 % of companies".to_owned()),
            program_version: "0.1.0".to_owned(),
        };
        let trainer = json!({"step": 120, "tokens_seen": 99_000, "loss": 4.25, "precision": "bf16",
            "text_dates": dates(), "hashes": {"corpus": "c0ffee"}});
        let text = card.render(&config(), &trainer);
        for fact in [
            "# demo",
            "| 10-K | 7 | 12345 |",
            "1999-03-01 to 2024-12-30",
            "seen no document after 2024-12-30",
            "| steps | 120 |",
            "| 4.25 |",
            "bf16",
            "c0ffee",
            "5 % of companies",
            "tenk 0.1.0",
        ] {
            assert!(text.contains(fact), "{fact} in {text}");
        }
    }

    #[test]
    fn what_was_not_recorded_is_left_out_or_said_to_be_unknown() {
        let text = ModelCard::default().render(&config(), &json!({"loss": null}));
        assert!(text.contains("not recorded"));
        for word in ["null", "None", "seed", "Held out"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }

    #[test]
    fn a_run_that_was_lengthened_says_so_in_one_line_and_another_says_nothing() {
        let card =
            |lineage: Value| ModelCard::default().render(&config(), &json!({"step": 20, "lineage": lineage}));
        let once = json!({"after_step": 10, "from": 10, "to": 14});
        let again = json!({"after_step": 14, "from": 14, "to": 20});
        for (entries, line) in [
            (
                json!([once]),
                "The run was lengthened after step 10 from 10 to 14 steps.",
            ),
            (
                json!([once, again]),
                "The run was lengthened after step 10 from 10 to 14 steps and after step 14 from 14 to 20 steps.",
            ),
        ] {
            let text = card(json!({ "lengthened": entries }));
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        for none in [json!({}), json!({"lengthened": []}), Value::Null] {
            assert!(!card(none).contains("lengthened"));
        }
    }

    #[test]
    fn a_continued_model_names_its_origin_and_claims_no_last_date() {
        let card = ModelCard {
            sources: BTreeMap::from([("10-K".to_owned(), SourceFacts::default())]),
            ..ModelCard::default()
        };
        let scratch = card.render(&config(), &json!({ "text_dates": dates() }));
        assert!(scratch.contains("from scratch") && scratch.contains("no document after 2024-12-30"));
        assert!(!scratch.contains("Left out"), "{scratch}");
        let lineage = json!({
            "init_from": {"folder": "models/roberta", "sha256": "abc"},
            "left_out": [
                {"after_step": 0, "exclude": ["a:1", "b:2"], "skip_steps": []},
                {"after_step": 90, "exclude": ["a:1"], "skip_steps": ["95..99"]},
                {"after_step": 99, "exclude": [], "skip_steps": ["100"]},
                {"after_step": 120, "exclude": [], "skip_steps": []},
            ],
        });
        let text = card.render(&config(), &json!({ "text_dates": dates(), "lineage": lineage }));
        for fact in [
            "pre-trained further from models/roberta (model.safetensors with SHA-256 abc)",
            "- after step 0: documents a:1, b:2\n- after step 90: documents a:1; steps 95..99\n\
             - after step 99: steps 100\n- after step 120: nothing\n",
        ] {
            assert!(text.contains(fact), "{fact} in {text}");
        }
        assert!(
            !text.contains("scratch") && !text.contains("no document after"),
            "{text}"
        );
    }
}
