//! `make bench`: every figure beside its peer. The contestants of a figure run in turn, ours and
//! theirs, in one run on one machine; medians and spread go to stdout and `docs/benchmarks.md`.

mod agreement;
mod arguments;
mod before;
mod collectives;
mod contest;
mod encoding;
mod figures;
mod inputs;
mod items;
mod loading;
mod machine;
mod measure;
mod mpirun;
mod opening;
mod record;
mod report;
mod scaling;
mod training;
mod wiki;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::arguments::{Arguments, Measure};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln_chain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place where the error chain is shown")]
fn eprintln_chain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

fn run(arguments: &Arguments) -> Result<()> {
    figures::check_groups(arguments)?;
    if let Some(revision) = &arguments.before {
        return before::run(arguments, revision);
    }
    match &arguments.measure {
        Some(Measure::HtmlText { files }) => measure::html_text(files),
        Some(Measure::FilingsToShards {
            tenk_corpus,
            tokenizer,
            filings,
        }) => measure::filings_to_shards(tenk_corpus, tokenizer, filings),
        Some(Measure::Encode { tokenizer, text }) => measure::encode(tokenizer, text),
        Some(Measure::WikiText {
            dump,
            xml_bytes,
            threads,
        }) => wiki::text(dump, *xml_bytes, *threads),
        Some(Measure::Bunzip2 { dump, xml_bytes }) => wiki::decompression(dump, *xml_bytes),
        Some(Measure::FirstBatch { corpus }) => opening::first_batch(corpus),
        Some(Measure::LoaderRate { corpus, tokenizer }) => loading::rate(corpus, tokenizer),
        Some(Measure::DataWait { corpus, tokenizer }) => loading::data_wait(corpus, tokenizer),
        Some(Measure::AllReduce) => collectives::all_reduce(),
        Some(Measure::Arrivals) => collectives::arrivals(),
        Some(Measure::BetweenHosts { by_library }) => collectives::between_hosts::rank_main(*by_library),
        None => {
            let figures = figures::selected(arguments)?;
            let measured = figures.iter().map(|figure| contest::run(figure, arguments.runs));
            let mut results: Vec<_> = measured.collect();
            if arguments.wants("corpus") {
                results.extend(scaling::outcomes(&arguments.bin, Path::new(inputs::FOLDER)));
                let corpus = scaling::large_corpus(Path::new(inputs::FOLDER));
                results.push(opening::outcome(&corpus, arguments.runs));
            }
            report::write(&results)?;
            if arguments.wants("corpus") {
                report::write_section("agreement", &agreement::table(&arguments.python()?)?)?;
                report::write_section("items", &items::table(&arguments.python()?)?)?;
            }
            let mut outcome = contest::none_failed(&results);
            if arguments.wants("training") {
                outcome = outcome.and(training::run(arguments));
            }
            if arguments.wants("collectives") {
                outcome = outcome.and(collectives::run(arguments));
            }
            if arguments.names("between-hosts") {
                outcome = outcome.and(collectives::between_hosts::run());
            }
            outcome
        }
    }
}
