//! `tenk-corpus stats`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use corpus::report::{corpus_report, docs_report, render};
use corpus::{CorpusCounts, CorpusStatistics, DocsCounts, Unigram, grouped};
use shards::Corpus;

use crate::arguments::Stats;
use crate::folders::{not_corpus, not_docs};
use crate::output::{Table, print, print_json, push_line};
use crate::progress_bar::Bar;

pub(crate) fn run(arguments: &Stats) -> Result<()> {
    let threads = arguments.threads.threads;
    if let Some(path) = &arguments.html {
        return write_page(arguments, path);
    }
    match (&arguments.docs, &arguments.corpus) {
        (Some(docs), _) => of_docs(docs, arguments.json, threads).map_err(|error| not_docs(docs, error)),
        (None, Some(corpus)) => {
            of_corpus(corpus, arguments, threads).map_err(|error| not_corpus(corpus, error))
        }
        (None, None) => Ok(()),
    }
}

fn write_page(arguments: &Stats, path: &Path) -> Result<()> {
    let bar = Bar::default();
    let report = match (&arguments.docs, &arguments.corpus) {
        (Some(docs), _) => docs_report(docs, arguments.threads.threads, &bar)
            .map_err(|error| not_docs(docs, error.into()))?,
        (None, Some(corpus)) => {
            corpus_report(corpus, &bar).map_err(|error| not_corpus(corpus, error.into()))?
        }
        (None, None) => return Ok(()),
    };
    durable::commit_bytes(&durable::DISK, path, render(&report).as_bytes())?;
    print(&format!("written: {}\n", path.display()))
}

fn of_docs(docs: &Path, json: bool, threads: usize) -> Result<()> {
    let statistics = corpus::docs_statistics(docs, threads, &Bar::default())?;
    if json {
        return print_json(&statistics);
    }
    let mut text = docs_table("source", &statistics.sources);
    text.push('\n');
    text.push_str(&docs_table("filed in", &statistics.filed_years));
    text.push('\n');
    text.push_str(&docs_table("period ends in", &statistics.period_years));
    text.push_str(&reasons("skipped", &statistics.skipped));
    text.push_str(&reasons("rejected", &statistics.rejected));
    print(&text)
}

fn of_corpus(folder: &Path, arguments: &Stats, threads: usize) -> Result<()> {
    let opened = Corpus::open(folder)?;
    if arguments.held_out_sources {
        let mut text = String::new();
        opened
            .held_out_sources()
            .for_each(|source| push_line(&mut text, format_args!("{source}")));
        return print(&text);
    }
    let mut statistics = corpus::corpus_statistics(&opened)?;
    if arguments.unigram {
        statistics.unigram = Some(corpus::unigram(&opened, threads, &Bar::default())?);
    }
    if arguments.json {
        print_json(&statistics)
    } else {
        print(&corpus_text(&statistics))
    }
}

fn corpus_text(statistics: &CorpusStatistics) -> String {
    let mut text = corpus_table("source", &statistics.sources);
    text.push('\n');
    text.push_str(&corpus_table("filed in", &statistics.filed_years));
    push_line(&mut text, format_args!("\n{}", statistics.balance));
    text.push_str(&reasons("documents in no shard", &statistics.dropped));
    text.push_str(&reasons("inputs skipped", &statistics.skipped));
    text.push_str(&reasons("inputs rejected", &statistics.rejected));
    if let Some(unigram) = &statistics.unigram {
        text.push('\n');
        text.push_str(&unigram_table(unigram));
    }
    text
}

fn docs_table(what: &str, rows: &BTreeMap<String, DocsCounts>) -> String {
    let mut table = Table::new(&[what, "documents", "blocks", "bytes of text"]);
    for (name, counts) in rows {
        table.row(vec![
            name.clone(),
            grouped(counts.documents),
            grouped(counts.blocks),
            grouped(counts.text_bytes),
        ]);
    }
    table.render()
}

fn corpus_table(what: &str, rows: &BTreeMap<String, CorpusCounts>) -> String {
    let mut table = Table::new(&[
        what,
        "documents",
        "tokens",
        "held-out documents",
        "held-out tokens",
    ]);
    for (name, counts) in rows {
        let numbers = [
            counts.documents,
            counts.tokens,
            counts.held_out_documents,
            counts.held_out_tokens,
        ];
        table.row([name.clone()].into_iter().chain(numbers.map(grouped)).collect());
    }
    table.render()
}

fn unigram_table(unigram: &Unigram) -> String {
    let mut table = Table::new(&[
        "unigram cross-entropy of held-out tokens",
        "tokens",
        "nats a token",
    ]);
    let all = ("all".to_owned(), unigram.total);
    for (name, entropy) in unigram.sources.clone().into_iter().chain([all]) {
        table.row(vec![
            name,
            grouped(entropy.tokens),
            format!("{:.4}", entropy.cross_entropy_nats),
        ]);
    }
    table.render()
}

fn reasons(what: &str, counts: &BTreeMap<String, u64>) -> String {
    let mut text = String::new();
    if !counts.is_empty() {
        push_line(
            &mut text,
            format_args!("{what}: {}", grouped(counts.values().sum())),
        );
    }
    for (reason, count) in counts {
        push_line(&mut text, format_args!("  {:>8}  {reason}", grouped(*count)));
    }
    text
}
