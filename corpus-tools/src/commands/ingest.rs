//! `tenk-corpus ingest`.

use std::collections::BTreeMap;

use anyhow::Result;
use corpus::{IngestOptions, grouped};
use documents::DocsManifest;

use crate::arguments::Ingest;
use crate::output::{Table, print, print_json, print_part, push_line, with_kept_work};
use crate::progress_bar::Bar;

pub(crate) fn run(arguments: &Ingest) -> Result<()> {
    let options = IngestOptions {
        inputs: arguments.inputs.by_source(),
        exhibits: arguments.exhibits,
        out: arguments.out.clone(),
        threads: arguments.threads.threads,
    };
    if let Some(part) = arguments.parts.part {
        let report = corpus::ingest_part(&options, part, &Bar::default())?;
        return print_part(&report, arguments.json);
    }
    let manifest = if arguments.parts.merge {
        corpus::merge_ingested_parts(&options, &Bar::default())?
    } else {
        corpus::ingest(&options, &Bar::default()).map_err(|error| with_kept_work(error, &arguments.out))?
    };
    if arguments.json {
        return print_json(&manifest);
    }
    print(&summary(&manifest))?;
    print(&format!("written: {}\n", arguments.out.display()))
}

fn summary(manifest: &DocsManifest) -> String {
    let mut table = Table::new(&["source", "documents"]);
    for (source, documents) in &manifest.documents {
        table.row(vec![source.clone(), grouped(*documents)]);
    }
    table.row(vec!["all".into(), grouped(manifest.num_documents())]);
    let mut text = table.render();
    for (what, list, file) in [
        ("skipped", &manifest.skipped, "skipped.jsonl"),
        ("rejected", &manifest.rejected, "rejected.jsonl"),
    ] {
        let total: u64 = list.values().sum();
        push_line(
            &mut text,
            format_args!("{what}: {} (listed in {file})", grouped(total)),
        );
        for (reason, count) in list {
            push_line(&mut text, format_args!("  {:>8}  {reason}", grouped(*count)));
        }
    }
    push_markup_left_out(&mut text, &manifest.markup_left_out);
    text
}

/// The most frequent templates that left nothing in the text of articles.
fn push_markup_left_out(text: &mut String, markup: &BTreeMap<String, u64>) {
    const MOST_LINES: usize = 20;
    if markup.is_empty() {
        return;
    }
    let total: u64 = markup.values().sum();
    let names = grouped(markup.len() as u64);
    push_line(
        text,
        format_args!(
            "templates left out of the text: {} of {names} names (all are in manifest.json)",
            grouped(total)
        ),
    );
    let mut by_count: Vec<(&String, &u64)> = markup.iter().collect();
    by_count.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (name, count) in by_count.iter().take(MOST_LINES) {
        push_line(text, format_args!("  {:>8}  {name}", grouped(**count)));
    }
}
