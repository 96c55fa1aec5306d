//! `tenk-corpus build`.

use anyhow::Result;
use corpus::{BuildOptions, DuplicateRule, Subset, grouped};
use shards::Manifest;

use crate::arguments::Build;
use crate::output::{Table, print, print_json, print_part, push_line, with_kept_work};
use crate::progress_bar::Bar;

pub(crate) fn run(arguments: &Build) -> Result<()> {
    let options = BuildOptions {
        docs: arguments.docs.clone(),
        tokenizer: arguments.tokenizer.clone(),
        out: arguments.out.clone(),
        num_shards: arguments.shards,
        held_out_fraction: arguments.held_out_fraction,
        window: arguments.window.into(),
        subset: Subset {
            forms: arguments.forms.clone(),
            items: arguments.items.clone(),
        },
        duplicates: (!arguments.keep_duplicates).then_some(DuplicateRule {
            similarity: arguments.duplicate_similarity,
            scope: arguments.duplicate_scope,
        }),
        exclude: arguments.exclude.clone(),
        packings: arguments.pack.clone(),
        threads: arguments.threads.threads,
    };
    if let Some(part) = arguments.parts.part {
        let report = corpus::build_part(&options, part, &Bar::default())?;
        return print_part(&report, arguments.json);
    }
    let manifest = if arguments.parts.merge {
        corpus::merge_parts(&options, &Bar::default())?
    } else {
        corpus::build_shards(&options, &Bar::default())
            .map_err(|error| with_kept_work(error, &arguments.out))?
    };
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
            format_args!("left out: {} documents: {reason}", grouped(*count)),
        );
    }
    push_line(&mut text, format_args!("{}", dates(manifest)));
    let notes = [
        tokenizer_note(manifest),
        window_note(manifest),
        exclude_note(manifest),
    ];
    for note in notes.into_iter().flatten() {
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

fn dates(manifest: &Manifest) -> String {
    let day = |day: &Option<String>| day.clone().unwrap_or_else(|| "an unknown day".to_owned());
    let undated = match manifest.undated {
        None | Some(0) => String::new(),
        Some(undated) => format!(", and {} without a date", grouped(undated)),
    };
    format!(
        "documents from {} to {}{undated}",
        day(&manifest.filed_earliest),
        day(&manifest.filed_latest)
    )
}

/// What a tokenizer has seen beyond the window, where nobody can tell, or where it chose its
/// sample by another window.
fn window_note(manifest: &Manifest) -> Option<String> {
    let window = manifest.window.as_ref()?;
    let made_from = &manifest.made_from["tokenizer_made_from"];
    if made_from["docs_hash"].is_null() {
        return Some("note: nobody here knows up to which day the tokenizer was trained; train one with the same dates".to_owned());
    }
    let trained_with = serde_json::from_value(made_from["window"].clone()).ok();
    (trained_with.as_ref() != Some(window)).then(|| {
        "note: the tokenizer was trained with other dates (not with later text); give both commands the same \
         --filed-from, --filed-to and --held-out-from"
            .to_owned()
    })
}

fn exclude_note(manifest: &Manifest) -> Option<String> {
    let unknown = manifest.made_from["excluded_ids_unknown"].as_u64()?;
    (unknown > 0).then(|| {
        format!(
            "note: {} ids to leave out belong to no document",
            grouped(unknown)
        )
    })
}
