//! `tenk-corpus verify`.

use anyhow::Result;
use corpus::grouped;
use documents::Progress;

use crate::arguments::Verify;
use crate::output::{print, print_json};
use crate::progress_bar::Bar;

pub(crate) fn run(arguments: &Verify) -> Result<()> {
    let bar = Bar::default();
    bar.start("verifying bytes", None);
    let report = shards::verify(&arguments.corpus, |_, bytes| bar.advance(bytes))?;
    bar.finish();
    if arguments.json {
        return print_json(&serde_json::json!({
            "sound": true,
            "shards": report.shards,
            "held_out_files": report.held_out_files,
            "packings": report.packings,
            "tokenizer_files": report.tokenizer_files,
            "documents": report.documents,
            "tokens": report.tokens,
            "bytes": report.bytes,
        }));
    }
    print(&format!(
        "sound: {} shards, {} held-out files, {} packing indices, {} tokenizer files; {} documents, {} tokens, {} bytes\n",
        grouped(report.shards),
        grouped(report.held_out_files),
        grouped(report.packings),
        grouped(report.tokenizer_files),
        grouped(report.documents),
        grouped(report.tokens),
        grouped(report.bytes),
    ))
}
