//! `tenk-corpus build`.

use anyhow::Result;
use corpus::{BuildOptions, grouped};
use shards::Manifest;

use crate::arguments::Build;
use crate::output::{Table, print, print_json, push_line};
use crate::progress_bar::Bar;

pub(crate) fn run(arguments: &Build) -> Result<()> {
    let options = BuildOptions {
        docs: arguments.docs.clone(),
        tokenizer: arguments.tokenizer.clone(),
        out: arguments.out.clone(),
        num_shards: arguments.shards,
        held_out_fraction: arguments.held_out_fraction,
        packings: arguments.pack.clone(),
        threads: arguments.threads.threads,
    };
    let manifest = corpus::build_shards(&options, &Bar::default())?;
    if arguments.json {
        return print_json(&manifest);
    }
    print(&summary(&manifest))?;
    print(&format!("written: {}\n", arguments.out.display()))
}

fn summary(manifest: &Manifest) -> String {
    let mut table = Table::new(&[
        "source",
        "documents",
        "tokens",
        "held-out documents",
        "held-out tokens",
    ]);
    let names = manifest.sources.keys().chain(manifest.held_out.sources.keys());
    for source in names.collect::<std::collections::BTreeSet<_>>() {
        let trained = manifest.sources.get(source).copied().unwrap_or_default();
        let held_out = manifest.held_out.sources.get(source);
        table.row(vec![
            source.clone(),
            grouped(trained.documents),
            grouped(trained.tokens),
            grouped(held_out.map_or(0, |file| file.documents)),
            grouped(held_out.map_or(0, |file| file.tokens)),
        ]);
    }
    let mut text = table.render();
    push_line(
        &mut text,
        format_args!("{} shards; {}", manifest.num_shards, manifest.spread().describe()),
    );
    for (reason, count) in &manifest.dropped {
        push_line(
            &mut text,
            format_args!("left out: {} documents with {reason}", grouped(*count)),
        );
    }
    if let Some(note) = tokenizer_note(manifest) {
        push_line(&mut text, format_args!("{note}"));
    }
    text + &format!("corpus hash: {}\n", manifest.corpus_hash)
}

/// A tokenizer that was trained with another held-out fraction has seen text that is held out
/// here, or less text than it might.
fn tokenizer_note(manifest: &Manifest) -> Option<String> {
    let trained_with = manifest.made_from["tokenizer_made_from"]["held_out_fraction"].as_f64()?;
    let built_with = manifest.held_out.fraction;
    (trained_with.to_bits() != built_with.to_bits()).then(|| {
        format!(
            "note: the tokenizer was trained with a held-out fraction of {trained_with}, the corpus is built with \
             {built_with}; give both commands the same --held-out-fraction to keep held-out text from the tokenizer"
        )
    })
}
