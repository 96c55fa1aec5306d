//! `tenk-corpus tokenizer`.

use anyhow::Result;
use corpus::{TokenizerOptions, TokenizerReport, grouped};

use crate::arguments::Tokenizer;
use crate::output::{print, print_json, push_line};
use crate::progress_bar::Bar;

pub(crate) fn run(arguments: &Tokenizer) -> Result<()> {
    let options = TokenizerOptions {
        docs: arguments.docs.clone(),
        out: arguments.out.clone(),
        vocab_size: arguments.vocab_size,
        sample_bytes: arguments.sample_bytes,
        held_out_fraction: arguments.held_out_fraction,
        window: arguments.window.into(),
        threads: arguments.threads.threads,
    };
    let report = corpus::train_tokenizer(&options, &Bar::default())?;
    if arguments.json {
        return print_json(&report);
    }
    print(&summary(&report))?;
    print(&format!("written: {}\n", arguments.out.display()))
}

fn summary(report: &TokenizerReport) -> String {
    let mut text = format!(
        "{} entries learned from {} of {} documents ({} bytes of text); {} held-out documents were left out\n",
        grouped(report.vocab_size as u64),
        grouped(report.sample_documents),
        grouped(report.documents),
        grouped(report.sample_bytes),
        grouped(report.held_out_documents),
    );
    if report.outside_window > 0 {
        push_line(
            &mut text,
            format_args!(
                "{} documents outside of the window of dates were left out; the latest that was seen is of {}",
                grouped(report.outside_window),
                report.filed_latest.as_deref().unwrap_or("no known day"),
            ),
        );
    }
    if report.vocab_size < report.requested_vocab_size {
        push_line(
            &mut text,
            format_args!(
                "note: {} entries were asked for, but the text has fewer merges; more text gives more",
                grouped(report.requested_vocab_size as u64)
            ),
        );
    }
    text + &format!("tokenizer hash: {}\n", report.tokenizer_hash)
}
