//! `tenk-corpus ingest`.

use anyhow::Result;
use corpus::{DocsManifest, IngestOptions, grouped};

use crate::arguments::Ingest;
use crate::output::{Table, print, print_json, push_line};
use crate::progress_bar::Bar;

pub(crate) fn run(arguments: &Ingest) -> Result<()> {
    let options = IngestOptions {
        filings: arguments.filings.clone(),
        wiki: arguments.wiki.clone(),
        exhibits: arguments.exhibits,
        out: arguments.out.clone(),
        threads: arguments.threads.threads,
    };
    let manifest = corpus::ingest(&options, &Bar::default())?;
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
    text
}
