//! The jobs of each group: commands that an earlier tree has too, with the same arguments.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use super::compared::Side;
use crate::arguments::Arguments;
use crate::inputs::{dump, filings, html_files, make_corpus};
use crate::measure::write_text;
use crate::mpirun::mpirun;
use crate::wiki::make_dump;

/// Stands in a job's arguments for the folder in which it writes.
const OUT: &str = "{out}";

/// What of a job's output is compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written {
    /// The count in the last line.
    Printed,
    /// Nothing: it works for a fixed time, and its rate is compared.
    FixedTime,
    /// Files with these extensions.
    Files(&'static [&'static str]),
    /// The steps of the run folder `run`.
    Metrics,
}

/// A command that both sides run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: &'static str,
    pub(super) written: Written,
    program: &'static str,
    /// Two ranks under mpirun instead of one process.
    two_ranks: bool,
    arguments: Vec<String>,
}

impl Job {
    fn new(name: &'static str, written: Written, program: &'static str, arguments: &[&str]) -> Self {
        Self {
            name,
            written,
            program,
            two_ranks: false,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        }
    }

    fn by_two_ranks(mut self) -> Self {
        self.two_ranks = true;
        self
    }

    /// The command as this side runs it.
    pub(super) fn command(&self, side: &Side) -> Command {
        let program = side.bin.join(self.program);
        let mut command = if self.two_ranks {
            let mut launcher = Command::new(mpirun());
            launcher.arg("2").arg(program);
            launcher
        } else {
            Command::new(program)
        };
        let out = side.out.display().to_string();
        command.args(self.arguments.iter().map(|argument| argument.replace(OUT, &out)));
        command
    }
}

/// The rate in a job's last line, where there is one.
pub(super) fn rate(line: &str) -> Option<f64> {
    serde_json::from_str::<Value>(line).ok()?["rate"].as_f64()
}

/// Makes the inputs with the programs in `bin` and lists the jobs of the chosen groups.
pub(super) fn prepare(arguments: &Arguments, bin: &Path, folder: &Path) -> Result<Vec<Job>> {
    let (filings, _) = filings(bin, folder)?;
    make_corpus(bin, &filings, folder)?;
    let mut jobs = Vec::new();
    if arguments.wants("corpus") {
        jobs.extend(of_corpus(bin, folder, &filings)?);
    }
    let inputs = ["corpus", "tokenizer"].map(|name| folder.join(name).display().to_string());
    let [corpus, tokenizer] = inputs.each_ref().map(String::as_str);
    if arguments.wants("training") {
        let (small, base) = (training(corpus, SMALL), training(corpus, BASE));
        jobs.extend([
            Job::new(
                "masks and micro-batches",
                Written::FixedTime,
                "benches",
                &["loader-rate", corpus, tokenizer],
            ),
            Job::new(
                "train the small model, f32",
                Written::Metrics,
                "tenk-pretrain",
                &strs(&small),
            ),
            Job::new(
                "train RoBERTa-base, auto",
                Written::Metrics,
                "tenk-pretrain",
                &strs(&base),
            ),
        ]);
    }
    if arguments.wants("collectives") {
        let fast = training(corpus, SMALL);
        let canonical = training(corpus, &[SMALL, &["parallel.reduction='canonical'"]].concat());
        jobs.extend(
            [
                Job::new(
                    "all-reduce, two ranks",
                    Written::Printed,
                    "benches",
                    &["all-reduce"],
                ),
                Job::new("two ranks, fast", Written::Metrics, "tenk-pretrain", &strs(&fast)),
                Job::new(
                    "two ranks, canonical",
                    Written::Metrics,
                    "tenk-pretrain",
                    &strs(&canonical),
                ),
            ]
            .map(Job::by_two_ranks),
        );
    }
    Ok(jobs)
}

fn of_corpus(bin: &Path, folder: &Path, filings: &Path) -> Result<Vec<Job>> {
    let html: Vec<String> = html_files(filings)?
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let dump = make_dump(&dump(bin, folder)?, folder)?;
    let inside = |name: &str| folder.join(name).display().to_string();
    let [docs, tokenizer, text, plain] = ["docs", "tokenizer", "text.txt", "dump.xml"].map(inside);
    write_text(Path::new(&docs), Path::new(&text))?;
    let xml_bytes = dump.xml_bytes.to_string();
    let printed = |name, arguments: &[&str]| Job::new(name, Written::Printed, "benches", arguments);
    Ok(vec![
        printed(
            "HTML to blocks",
            &[&["html-text"], strs(&html).as_slice()].concat(),
        ),
        printed("wiki markup to text", &["wiki-text", &plain, &xml_bytes, "1"]),
        printed("encode", &["encode", &tokenizer, &text]),
        ingest(&filings.display().to_string()),
        train_a_tokenizer(&docs),
        build_shards(&docs, &tokenizer),
    ])
}

fn ingest(filings: &str) -> Job {
    let arguments = ["ingest", "--filings", filings, "--out", "{out}/docs"];
    Job::new(
        "ingest filings",
        Written::Files(&["zst"]),
        "tenk-corpus",
        &arguments,
    )
}

fn train_a_tokenizer(docs: &str) -> Job {
    let arguments = [
        "tokenizer",
        "--vocab-size",
        "8192",
        "--docs",
        docs,
        "--out",
        "{out}/tokenizer",
    ];
    Job::new(
        "train a tokenizer",
        Written::Files(&["txt"]),
        "tenk-corpus",
        &arguments,
    )
}

fn build_shards(docs: &str, tokenizer: &str) -> Job {
    let arguments = [
        "build",
        "--shards",
        "4",
        "--docs",
        docs,
        "--tokenizer",
        tokenizer,
        "--out",
        "{out}/corpus",
    ];
    Job::new(
        "build shards",
        Written::Files(&["bin", "idx"]),
        "tenk-corpus",
        &arguments,
    )
}

/// 256 wide, 4 layers; as many steps as outweigh the start.
const SMALL: &[&str] = &[
    "model.hidden_size=256",
    "model.num_hidden_layers=4",
    "model.num_attention_heads=4",
    "model.intermediate_size=1024",
    "training.max_steps=20",
    "training.precision='f32'",
];
const BASE: &[&str] = &[
    "model.hidden_size=768",
    "model.num_hidden_layers=12",
    "model.num_attention_heads=12",
    "model.intermediate_size=3072",
    "training.max_steps=4",
    "training.precision='auto'",
];

/// The arguments of a run on `corpus`: those of the demo with other settings.
fn training(corpus: &str, settings: &[&str]) -> Vec<String> {
    let own = [
        format!("data.corpus='{corpus}'"),
        format!("run.dir='{OUT}/run'"),
        "checkpoint.every_steps=1000".to_owned(),
        "evaluation.every_steps=1000".to_owned(),
        "schedule.warmup_steps=1".to_owned(),
    ];
    let all = own
        .into_iter()
        .chain(settings.iter().map(|&setting| setting.to_owned()));
    ["train", "--config", "configs/demo.toml"]
        .map(str::to_owned)
        .into_iter()
        .chain(all.flat_map(|setting| ["--set".to_owned(), setting]))
        .collect()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_runs_a_side_s_program_and_writes_into_its_folder() {
        let side = Side {
            bin: "/bin-of-before".into(),
            out: "/out-of-before".into(),
        };
        let job = Job::new("job", Written::Printed, "benches", &["x", "{out}/run"]);
        let command = job.command(&side);
        assert_eq!(command.get_program(), "/bin-of-before/benches");
        assert_eq!(
            command.get_args().collect::<Vec<_>>(),
            ["x", "/out-of-before/run"]
        );
        let command = job.by_two_ranks().command(&side);
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["2", "/bin-of-before/benches", "x", "/out-of-before/run"]);
    }

    #[test]
    fn a_rate_is_read_where_there_is_one() {
        assert_eq!(rate(r#"{"rate": 2.5, "counted": 3}"#), Some(2.5));
        assert_eq!(rate("written"), None);
    }
}
