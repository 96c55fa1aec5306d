//! What comes back is what `encode` gives, whoever asks and however many do.

use std::thread;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::process::{Served, post, run, tenk_embed};

/// Texts of many lengths: an empty one, two that are cut, one of them with quotes and another script.
const TEXTS: [&str; 5] = [
    "The company reported revenue.",
    "",
    "Costs rose with the market, and revenue of 12 million dollars rose as well, while the company \
     reported costs of 9 million dollars in another market that nobody had reported before.",
    "\u{dc}berraschung \u{2013} \"\u{6771}\u{4eac} \u{6771}\u{4eac}\" <mask> </s> <s>",
    "a",
];
const NUM_CUT: u64 = 2;

/// The vectors that `tenk-embed encode` writes for the lines of a file.
fn encoded(served: &Served, texts: &[&str], pooling: &str) -> Result<Vec<Vec<f32>>> {
    let folder = tempfile::tempdir()?;
    let (input, output) = (folder.path().join("texts.txt"), folder.path().join("vectors.npy"));
    durable::commit_bytes(
        &durable::DISK,
        &input,
        format!("{}\n", texts.join("\n")).as_bytes(),
    )?;
    let mut command = tenk_embed();
    command
        .args(["encode", "--threads", "1", "--pooling", pooling, "--model"])
        .arg(&served.model);
    let ended = run(command.arg("--input").arg(&input).arg("--output").arg(&output))?;
    ensure!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    let bytes = std::fs::read(output)?;
    let file = npyz::NpyFile::new(&bytes[..])?;
    let dimension = usize::try_from(file.shape()[1])?;
    let values: Vec<f32> = file.into_vec()?;
    Ok(values.chunks(dimension).map(<[f32]>::to_vec).collect())
}

/// Other texts in the same batch change sums in the last digits of f32 alone.
fn ensure_equal(found: &[Vec<f32>], expected: &[Vec<f32>]) -> Result<()> {
    ensure!(
        found.len() == expected.len(),
        "{} vectors for {}",
        found.len(),
        expected.len()
    );
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        ensure!(found.len() == expected.len());
        let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        let largest = differences.fold(0.0, f32::max);
        ensure!(largest <= 1e-5, "vector {index} is {largest} off");
    }
    Ok(())
}

#[test]
fn every_way_to_ask_gives_the_vectors_of_encode() -> Result<()> {
    for pooling in ["mean", "cls"] {
        let served = Served::start(&["--pooling", pooling])?;
        let expected = encoded(&served, &TEXTS, pooling)?;
        for (text, expected) in TEXTS.iter().zip(&expected) {
            for path in ["/invocations", "/endpoints/any-name/invocations"] {
                let reply = served.post(path, "application/x-text", text.as_bytes())?;
                ensure_equal(&reply.vectors()?, std::slice::from_ref(expected))?;
            }
        }
        for key in ["text_inputs", "inputs"] {
            let body = json!({ key: TEXTS }).to_string();
            let reply = served.post("/invocations", "application/json; charset=utf-8", body.as_bytes())?;
            ensure_equal(&reply.vectors()?, &expected)?;
            ensure!(reply.headers["x-tenk-truncated-texts"] == NUM_CUT.to_string());
        }
        let one = json!({ "text_inputs": TEXTS[0] }).to_string();
        let reply = served.post("/invocations", "application/json", one.as_bytes())?;
        ensure!(
            reply.json()?["embedding"][0].is_number(),
            "a text is no list of one"
        );
        ensure_equal(&reply.vectors()?, &expected[..1])?;
    }
    Ok(())
}

#[test]
fn json_lines_are_answered_line_by_line() -> Result<()> {
    let served = Served::start(&[])?;
    let expected = encoded(&served, &TEXTS, "mean")?;
    let mut lines = TEXTS
        .map(|text| json!({ "text_inputs": text }).to_string())
        .to_vec();
    lines.push(json!({ "text_inputs": TEXTS }).to_string());
    let body = lines.join("\n");
    let reply = served.post("/invocations", "application/jsonlines", body.as_bytes())?;
    ensure!(reply.status == 200 && reply.headers["content-type"] == "application/jsonlines");
    let text = reply.text();
    let answers: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(answers.len() == TEXTS.len() + 1, "{} answers", answers.len());
    let vector = |answer: &Value| serde_json::from_value::<Vec<f32>>(answer["embedding"].clone());
    let found: Vec<Vec<f32>> = answers[..TEXTS.len()]
        .iter()
        .map(vector)
        .collect::<Result<_, _>>()?;
    ensure_equal(&found, &expected)?;
    let list: Vec<Vec<f32>> = serde_json::from_value(answers[TEXTS.len()]["embedding"].clone())?;
    ensure_equal(&list, &expected)?;
    let nothing = served.post("/invocations", "application/jsonlines", b"")?;
    ensure!(nothing.status == 200 && nothing.body.is_empty());
    Ok(())
}

#[test]
fn clients_of_openai_get_floats_or_base64_and_the_tokens_used() -> Result<()> {
    let served = Served::start(&[])?;
    let expected = encoded(&served, &TEXTS, "mean")?;
    let ask = |body: Value| served.post("/v1/embeddings", "application/json", body.to_string().as_bytes());

    let list = ask(json!({"input": TEXTS, "model": "text-embedding-3-small", "user": "u"}))?;
    ensure!(list.status == 200, "{}", list.text());
    let json = list.json()?;
    ensure!(json["object"] == "list" && json["model"] == "model", "{json}");
    let data = json["data"].as_array().context("no data")?;
    let vector = |item: &Value| serde_json::from_value::<Vec<f32>>(item["embedding"].clone());
    let found: Vec<Vec<f32>> = data.iter().map(vector).collect::<Result<_, _>>()?;
    ensure_equal(&found, &expected)?;
    for (index, item) in data.iter().enumerate() {
        ensure!(item["index"] == index && item["object"] == "embedding");
    }
    let tokens = json["usage"]["prompt_tokens"].as_u64().context("no usage")?;
    ensure!(json["usage"]["total_tokens"] == tokens);
    ensure!(served.metric("tenk_tokens_total")? == tokens, "{tokens}");
    ensure!(list.headers["x-tenk-truncated-texts"] == NUM_CUT.to_string());
    ensure!(served.metric("tenk_truncated_texts_total")? == NUM_CUT);

    let packed = ask(json!({"input": TEXTS[0], "encoding_format": "base64", "dimensions": 16}))?.json()?;
    let bytes = STANDARD.decode(packed["data"][0]["embedding"].as_str().context("no base64")?)?;
    let values = bytes
        .chunks(4)
        .map(|bytes| Ok(f32::from_le_bytes(bytes.try_into()?)));
    ensure_equal(&[values.collect::<Result<Vec<f32>>>()?], &expected[..1])
}

#[test]
fn thirty_two_clients_at_once_get_their_own_answers() -> Result<()> {
    const CLIENTS: usize = 32;
    let served = Served::start(&["--batch-tokens", "64"])?;
    let text = |client: usize, turn: usize| {
        "revenue rose ".repeat(1 + turn) + &format!("client {client} turn {turn}")
    };
    let texts: Vec<String> = (0..CLIENTS * 4)
        .map(|number| text(number / 4, number % 4))
        .collect();
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expected = encoded(&served, &borrowed, "mean")?;
    let address = served.address;
    let answers = thread::scope(|scope| {
        let client = |client: usize| {
            let own = &texts[client * 4..client * 4 + 4];
            scope.spawn(move || -> Result<Vec<Vec<f32>>> {
                let mut vectors = Vec::new();
                for text in &own[..2] {
                    vectors.extend(
                        post(address, "/invocations", "application/x-text", text.as_bytes())?.vectors()?,
                    );
                }
                let rest = json!({ "text_inputs": own[2..] }).to_string();
                vectors
                    .extend(post(address, "/invocations", "application/json", rest.as_bytes())?.vectors()?);
                Ok(vectors)
            })
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a client panicked"))
            .collect::<Vec<_>>()
    });
    for (answer, expected) in answers.into_iter().zip(expected.chunks(4)) {
        ensure_equal(&answer?, expected)?;
    }
    ensure!(served.metric("tenk_texts_total")? == u64::try_from(CLIENTS * 4)?);
    ensure!(served.metric("tenk_queued_tokens")? == 0);
    Ok(())
}

#[test]
fn a_server_says_that_it_is_well_what_it_takes_and_what_it_has_counted() -> Result<()> {
    let served = Served::start(&["--max-body-mib", "7"])?;
    for path in ["/ping", "/health"] {
        ensure!(served.get(path)?.status == 200);
    }
    let parameters = served.get("/execution-parameters")?.json()?;
    ensure!(
        parameters["MaxPayloadInMB"] == 7 && parameters["BatchStrategy"] == "SINGLE_RECORD",
        "{parameters}"
    );
    ensure!(parameters["MaxConcurrentTransforms"].is_u64(), "{parameters}");
    served.get("/invented")?;
    let metrics = served.get("/metrics")?;
    ensure!(metrics.headers["content-type"].starts_with("text/plain"));
    let text = metrics.text();
    for line in [
        "# TYPE tenk_requests_total counter",
        "tenk_requests_total{path=\"/ping\",status=\"200\"} 1",
        "tenk_requests_total{path=\"other\",status=\"404\"} 1",
        "# TYPE tenk_request_seconds histogram",
    ] {
        ensure!(text.lines().any(|found| found == line), "no {line} in {text}");
    }
    Ok(())
}

#[test]
fn info_names_the_model_and_the_last_day_of_its_text() -> Result<()> {
    let served = Served::start(&["--pooling", "max"])?;
    let info = served.get("/info")?.json()?;
    for (key, expected) in [
        ("model", json!("model")),
        ("folder", json!("model")),
        ("architecture", json!("RobertaForMaskedLM")),
        ("hidden_size", json!(16)),
        ("max_length", json!(32)),
        ("pooling", json!("max")),
        ("precision", json!("f32")),
        (
            "weights_sha256",
            json!(durable::sha256_file(&served.model.join("model.safetensors"))?),
        ),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("tokenizer_hash", json!(hf_folder::testing::tokenizer().hash())),
    ] {
        ensure!(info[key] == expected, "{key}: {} for {expected}", info[key]);
    }
    let dates = hf_folder::TextDates::read(&served.model)?.context("no dates in the export")?;
    ensure!(info["text_dates"] == serde_json::to_value(&dates)?, "{info}");
    ensure!(info["text_dates"]["latest"] == "2024-01-31" && info["text_dates"]["undated_documents"] == 0);
    ensure!(info["text_horizon"] == dates.horizon(), "{info}");
    Ok(())
}

#[test]
fn a_folder_of_another_program_is_served_and_its_dates_are_said_to_be_unknown() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = crate::process::export(folder.path());
    std::fs::remove_file(model.join("text_dates.json"))?;
    let served = Served::start_on(folder, model, &[])?;
    let info = served.get("/info")?.json()?;
    ensure!(info["text_dates"].is_null(), "{info}");
    let horizon = info["text_horizon"].as_str().context("nothing is said")?;
    ensure!(
        horizon.contains("text_dates.json") && horizon.contains("not recorded"),
        "{horizon}"
    );
    Ok(())
}
