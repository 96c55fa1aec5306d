//! The figures of the corpus, each with its peer.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::arguments::Arguments;
use crate::contest::Figure;
use crate::inputs::{CorpusInputs, ours, peer, prepare};

const GROUPS: [&str; 4] = ["corpus", "training", "collectives", "between-hosts"];
/// Refuses a group that there is not.
pub(crate) fn check_groups(arguments: &Arguments) -> Result<()> {
    let unknown = arguments
        .group
        .iter()
        .find(|group| !GROUPS.contains(&group.as_str()));
    match unknown {
        Some(unknown) => bail!("no group {unknown}; there are {}", GROUPS.join(", ")),
        None => Ok(()),
    }
}

/// Prepares the inputs and lists the figures of the chosen groups; those that train have their own
/// rounds.
pub(crate) fn selected(arguments: &Arguments) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    if arguments.wants("corpus") {
        let inputs = prepare(arguments)?;
        figures.extend([html_to_text(&inputs), filings_to_shards(&inputs)]);
        figures.extend(crate::encoding::figures(&inputs)?);
        figures.extend(wiki_to_text(&inputs)?);
    }
    Ok(figures)
}

fn html_to_text(inputs: &CorpusInputs) -> Figure {
    Figure {
        group: "corpus",
        name: format!("HTML to cleaned blocks, one thread, {}", inputs.described),
        unit: "MB/s of HTML",
        peer_name: "lxml",
        ours: ours(inputs.html_files.clone(), "html-text"),
        peer: peer(inputs, "html_text.py", inputs.html_files.clone()),
    }
}

/// The peer only takes the text out, on one thread: it has no rest of the path.
fn filings_to_shards(inputs: &CorpusInputs) -> Figure {
    let mut arguments = vec![inputs.bin.join("tenk-corpus"), inputs.folder.join("tokenizer")];
    arguments.extend(inputs.html_files.clone());
    Figure {
        group: "corpus",
        name: format!("filings to shards, all steps, all cores, {}", inputs.described),
        unit: "MB/s of HTML",
        peer_name: "lxml, text alone, one thread",
        ours: ours(arguments, "filings-to-shards"),
        peer: peer(inputs, "html_text.py", inputs.html_files.clone()),
    }
}

/// Our text from a dump beside gensim's, and beside what decompressing it alone takes.
fn wiki_to_text(inputs: &CorpusInputs) -> Result<Vec<Figure>> {
    let dump = crate::wiki::make_dump(&inputs.dump, &inputs.folder)?;
    let xml_bytes = PathBuf::from(dump.xml_bytes.to_string());
    let arguments = vec![dump.path, xml_bytes.clone()];
    let figure = |name: &str, peer_name, peer| Figure {
        group: "corpus",
        name: name.to_owned(),
        unit: "MB/s of XML",
        peer_name,
        ours: ours(arguments.clone(), "wiki-text"),
        peer,
    };
    Ok(vec![
        figure(
            "wiki XML.bz2 to text, all cores, beside decompression",
            "bzip2 decompression alone",
            ours(arguments.clone(), "bunzip2"),
        ),
        figure(
            "wiki XML.bz2 to text, all cores",
            "gensim filter_wiki, a process a core",
            peer(inputs, "wiki_text.py", arguments.clone()),
        ),
        Figure {
            group: "corpus",
            name: "wiki markup to text, one core, decompressed before".to_owned(),
            unit: "MB/s of XML",
            peer_name: "gensim filter_wiki, one process",
            ours: ours(
                vec![dump.plain.clone(), xml_bytes.clone(), "1".into()],
                "wiki-text",
            ),
            peer: peer(inputs, "wiki_markup.py", vec![dump.plain, xml_bytes]),
        },
    ])
}
