//! The commands: call the library, print the answer.

use std::io::{self, Write};
use std::num::NonZero;
use std::time::Instant;

use anyhow::{Result, ensure};
use durable::DISK;
use embed_cli::{FilledLine, ServerOptions, encode_file, fill_file, nearest, read_lines};
use embedding::{EmbeddingModel, EncodeOptions, Pooling, PoolingMode};
use serde_json::json;

use crate::arguments::{
    EncodeArguments, FillMaskArguments, ModelArguments, NearestArguments, PoolingArguments, ServeArguments,
};

pub(crate) fn encode(arguments: &EncodeArguments) -> Result<()> {
    // Whoever mistypes the model reads about the model, whatever stands in the way of the output.
    EmbeddingModel::check(&arguments.model.model)?;
    ensure!(
        arguments.overwrite || !arguments.output.exists(),
        "{} already exists; choose another file, or add --overwrite",
        arguments.output.display()
    );
    let model = open_pooled(&arguments.model, &arguments.pooling)?;
    let start = Instant::now();
    let mut progress = |texts| tracing::info!("{texts} texts embedded");
    let options = options(&arguments.pooling);
    let report = encode_file(
        &DISK,
        &model,
        &arguments.input,
        &arguments.output,
        options,
        &mut progress,
    )?;
    let seconds = start.elapsed().as_secs_f64();
    if arguments.model.json {
        let mut answer = serde_json::to_value(&report)?;
        answer["seconds"] = json!(seconds);
        return print(&format!("{answer}\n"));
    }
    print(&format!(
        "{}: {} texts, {} numbers each ({} tokens in {seconds:.1} s)\n",
        arguments.output.display(),
        report.texts,
        report.dimension,
        report.tokens
    ))?;
    if report.truncated > 0 {
        print(&format!(
            "{} texts were cut at {} tokens\n",
            report.truncated,
            model.max_sequence_length()
        ))?;
    }
    Ok(())
}

pub(crate) fn serve(arguments: &ServeArguments) -> Result<()> {
    let model = open_pooled(&arguments.model, &arguments.pooling)?;
    let options = ServerOptions {
        host: arguments.host.clone(),
        port: arguments.port,
        encode: options(&arguments.pooling),
        max_queued_tokens: arguments.queue_tokens,
        max_body_bytes: arguments.max_body_mib << 20,
        max_held_bytes: arguments.memory_mib.map(|mib| mib << 20),
        max_connections: arguments.max_connections,
        allowed_hosts: arguments.allowed_hosts.clone(),
        patience: (&arguments.patience).into(),
    };
    embed_cli::serve(&model, &options, |address| {
        print(&if arguments.model.json {
            format!("{}\n", json!({"listening": address}))
        } else {
            format!("listening on http://{address}\n")
        })
    })
}

pub(crate) fn fill_mask(arguments: &FillMaskArguments) -> Result<()> {
    let model = open(&arguments.model, Some(Pooling::default()))?;
    for line in fill_file(&model, &arguments.lines.input, arguments.lines.top)? {
        print(&if arguments.model.json {
            filled_json(&line)
        } else {
            filled_text(&line)
        })?;
    }
    Ok(())
}

fn filled_json(line: &FilledLine) -> String {
    let mask = |predictions: &Vec<embedding::MaskPrediction>| {
        let prediction = |p: &embedding::MaskPrediction| json!({"token": p.token, "text": p.text, "probability": p.probability});
        predictions.iter().map(prediction).collect::<Vec<_>>()
    };
    let masks: Vec<_> = line.masks.iter().map(mask).collect();
    format!(
        "{}\n",
        json!({"line": line.line, "text": line.text, "true": line.word, "masks": masks})
    )
}

fn filled_text(line: &FilledLine) -> String {
    let mut text = format!("{}: {}\n", line.line, line.text);
    if line.masks.is_empty() {
        text += "   (no word to mask)\n";
    }
    for predictions in &line.masks {
        let shown: Vec<String> = predictions
            .iter()
            .map(|p| {
                format!(
                    "{} {:.1} %",
                    p.text.trim_matches(' ').replace(char::is_control, "\u{fffd}"),
                    p.probability * 100.0
                )
            })
            .collect();
        let truth = line
            .word
            .as_ref()
            .map(|word| format!("true: {word}; "))
            .unwrap_or_default();
        text.extend(["   ", &truth, "filled: ", &shown.join(", "), "\n"]);
    }
    text
}

pub(crate) fn nearest_lines(arguments: &NearestArguments) -> Result<()> {
    let model = open_pooled(&arguments.model, &arguments.pooling)?;
    let options = options(&arguments.pooling);
    let lines = read_lines(&arguments.lines.input)?.collect::<Result<Vec<String>>>()?;
    let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
    let vectors = model.encode(&texts, options)?;
    let query = model.encode(&[&arguments.query], options)?;
    for neighbor in nearest(&query.values, vectors.rows(), arguments.lines.top) {
        let (number, text) = (neighbor.index + 1, &lines[neighbor.index]);
        print(&if arguments.model.json {
            format!(
                "{}\n",
                json!({"line": number, "cosine": neighbor.cosine, "text": text})
            )
        } else {
            format!("{:.4}  {number}: {text}\n", neighbor.cosine)
        })?;
    }
    Ok(())
}

fn open(arguments: &ModelArguments, pooling: Option<Pooling>) -> Result<EmbeddingModel> {
    let available = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = arguments.threads.unwrap_or_else(available);
    let model = EmbeddingModel::open(&arguments.model, threads, arguments.precision.into(), pooling)?;
    if !model.unknown_tensors().is_empty() {
        tracing::warn!(
            "{}: these tensors are no part of the encoder and are not used: {}",
            arguments.model.display(),
            model.unknown_tensors().join(", ")
        );
    }
    for note in model.notes() {
        tracing::warn!("{}: {note}", arguments.model.display());
    }
    Ok(model)
}

/// Opens the model and says how it makes vectors.
fn open_pooled(arguments: &ModelArguments, pooling: &PoolingArguments) -> Result<EmbeddingModel> {
    let chosen = pooling.pooling.map(|name| PoolingMode::from(name).into());
    let model = open(arguments, chosen)?;
    let said = model.sentence();
    tracing::info!(
        "pooling {}, {}{}{}",
        model.pooling(),
        if said.normalize {
            "scaled to length 1"
        } else {
            "length as it is"
        },
        if said.lower_case {
            ", texts in lower case"
        } else {
            ""
        },
        if said.prompt.is_empty() {
            String::new()
        } else {
            format!(", prompt {:?}", said.prompt)
        },
    );
    Ok(model)
}

fn options(arguments: &PoolingArguments) -> EncodeOptions {
    EncodeOptions {
        max_batch_tokens: arguments.batch_tokens,
    }
}

fn print(text: &str) -> Result<()> {
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser;
    use durable::commit_bytes;

    fn refusal(model: &str, output: &str, more: &[&str]) -> String {
        let words = [
            "tenk-embed",
            "encode",
            "--model",
            model,
            "--input",
            "x",
            "--output",
            output,
        ];
        let arguments = Arguments::try_parse_from(words.iter().chain(more)).unwrap();
        let Command::Encode(arguments) = arguments.command else {
            panic!("another command")
        };
        format!("{:#}", encode(&arguments).unwrap_err())
    }

    #[test]
    fn vectors_that_exist_are_replaced_only_where_that_is_asked_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        // A folder that has the small files and no weights: opening it is what fails with the option.
        let folder = tempfile::tempdir().unwrap();
        let config = hf_folder::testing::config(300).to_json().unwrap();
        commit_bytes(&DISK, &folder.path().join("config.json"), config.as_bytes()).unwrap();
        let model = folder.path().to_str().unwrap();
        let said = refusal(model, path, &[]);
        assert!(said.contains(path) && said.contains("--overwrite"), "{said}");
        let said = refusal(model, path, &["--overwrite"]);
        assert!(said.contains(model) && !said.contains("--overwrite"), "{said}");
        // A model that is not there is told first.
        for more in [&[][..], &["--overwrite"]] {
            let said = refusal("no-such-model", path, more);
            assert!(said.contains("no-such-model"), "{said}");
        }
    }
}
