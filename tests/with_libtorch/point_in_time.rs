//! "This model has seen nothing later than that day", through every program: documents, corpus,
//! checkpoint, model card, and the server that answers with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{kill_group, program, repository, run_ok, start, wait_until, whole_machine};

const LIMIT: Duration = Duration::from_mins(1);
/// The sample has filings and wiki pages before and after.
const FILED_TO: &str = "2013-12-31";

fn corpus_tool(command: &str) -> Result<Command> {
    let mut tool = Command::new(program("tenk-corpus")?);
    tool.arg(command);
    Ok(tool)
}

/// Documents of the sample, and a tokenizer and a corpus of those until [`FILED_TO`].
fn build(folder: &Path) -> Result<()> {
    let (docs, tokenizer) = (folder.join("docs"), folder.join("tokenizer"));
    let sample = folder.join("sample");
    let small = ["--filings", "40", "--pages", "20"];
    run_ok(
        corpus_tool("sample")?.args(small).arg("--out").arg(&sample),
        LIMIT,
    )?;
    let mut ingest = corpus_tool("ingest")?;
    ingest
        .arg("--filings")
        .arg(sample.join("filings"))
        .arg("--wiki")
        .arg(sample.join("wiki"));
    run_ok(ingest.arg("--out").arg(&docs), LIMIT)?;
    let mut train = corpus_tool("tokenizer")?;
    train
        .arg("--docs")
        .arg(&docs)
        .args(["--vocab-size", "1000", "--filed-to", FILED_TO]);
    run_ok(train.arg("--out").arg(&tokenizer), LIMIT)?;
    let mut build = corpus_tool("build")?;
    build.arg("--docs").arg(&docs).arg("--tokenizer").arg(&tokenizer);
    build
        .args(["--shards", "4", "--filed-to", FILED_TO])
        .arg("--out")
        .arg(folder.join("corpus"));
    run_ok(&mut build, LIMIT).map(|_| ())
}

/// The days of all documents: of filing, or of a page's revision.
fn days_of_documents(docs: &Path) -> Result<Vec<String>> {
    let mut days = Vec::new();
    for entry in std::fs::read_dir(docs)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "zst") {
            continue;
        }
        let text = String::from_utf8(zstd::decode_all(std::fs::File::open(path)?)?)?;
        for line in text.lines() {
            let document: Value = serde_json::from_str(line)?;
            let day = document["filed"].as_str().or(document["accepted_at"].as_str());
            days.extend(day.map(|day| day[..10].to_owned()));
        }
    }
    Ok(days)
}

/// One step of training, and the exported model.
fn train_and_export(folder: &Path) -> Result<PathBuf> {
    let (run, export) = (folder.join("run"), folder.join("export"));
    let mut train = Command::new(program("tenk-pretrain")?);
    train
        .arg("train")
        .arg("--config")
        .arg(repository().join("configs/demo.toml"));
    for setting in [
        &format!("run.dir='{}'", run.display()),
        &format!("data.corpus='{}'", folder.join("corpus").display()),
        "training.max_steps=1",
        "training.global_batch_size=4",
        "training.micro_batch_size=4",
        "schedule.warmup_steps=0",
        "evaluation.every_steps=0",
    ] {
        train.arg("--set").arg(setting);
    }
    run_ok(&mut train, LIMIT)?;
    let mut command = Command::new(program("tenk-pretrain")?);
    command
        .arg("export")
        .arg("--run")
        .arg(&run)
        .arg("--tokenizer")
        .arg(folder.join("tokenizer"));
    run_ok(command.arg("--out").arg(&export), LIMIT)?;
    Ok(export)
}

fn read_json(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// `/info` of a server for `model`, which is ended after.
fn served_info(model: &Path) -> Result<Value> {
    let mut serve = Command::new(program("tenk-embed")?);
    serve
        .args(["serve", "--port", "0", "--json", "--model"])
        .arg(model);
    let mut server = start(&mut serve)?;
    let stdout = server.stdout.take().context("no output")?;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        sender.send(BufReader::new(stdout).read_line(&mut line).map(|_| line))
    });
    let info = receiver
        .recv_timeout(LIMIT)
        .context("the server printed no address")
        .and_then(|line| {
            let listening: Value = serde_json::from_str(&line?)?;
            let mut stream = TcpStream::connect(listening["listening"].as_str().context("no address")?)?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(b"GET /info HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply)?;
            let (_, body) = reply.split_once("\r\n\r\n").context("no whole answer")?;
            Ok(serde_json::from_str(body)?)
        });
    let id = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
    kill_process(id.context("a process without a number")?, Signal::TERM)?;
    let mut code = None;
    let ended = wait_until("the server ends", LIMIT, || {
        server
            .try_wait()
            .ok()
            .flatten()
            .inspect(|status| code = status.code())
            .is_some()
    });
    if ended.is_err() {
        kill_group(server.id());
    }
    ensure!(code == Some(0), "the server ended with {code:?}");
    info
}

#[test]
fn the_last_day_of_the_text_travels_from_the_documents_to_the_server() -> Result<()> {
    let _machine = whole_machine();
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path();
    build(folder)?;
    let days = days_of_documents(&folder.join("docs"))?;
    let last = days
        .iter()
        .filter(|day| day.as_str() <= FILED_TO)
        .max()
        .context("no day")?;
    ensure!(
        days.iter().any(|day| day.as_str() > FILED_TO),
        "the sample has nothing later"
    );

    let manifest = read_json(&folder.join("corpus/manifest.json"))?;
    ensure!(
        manifest["filed_latest"] == last.as_str(),
        "{} for {last}",
        manifest["filed_latest"]
    );
    let export = train_and_export(folder)?;
    let checkpoint = read_json(&folder.join("run/checkpoints/step-00000001/trainer.json"))?;
    ensure!(
        checkpoint["text_dates"]["latest"] == last.as_str(),
        "{}",
        checkpoint["text_dates"]
    );
    ensure!(
        checkpoint["text_dates"]["undated_documents"] == 0,
        "{}",
        checkpoint["text_dates"]
    );

    let info = served_info(&export)?;
    ensure!(info["text_dates"]["latest"] == last.as_str(), "{info}");
    ensure!(
        info["text_dates"] == read_json(&export.join("text_dates.json"))?,
        "{info}"
    );
    let horizon = format!("Model and tokenizer have seen no document after {last}.");
    ensure!(info["text_horizon"] == horizon.as_str(), "{info}");
    let card = std::fs::read_to_string(export.join("README.md"))?;
    ensure!(card.contains(&horizon), "{card}");
    ensure!(
        info["weights_sha256"] == durable::sha256_file(&export.join("model.safetensors"))?,
        "{info}"
    );
    Ok(())
}
