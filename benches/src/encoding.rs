//! Text to token ids, beside `tokenizers`: on filings, and on Wikipedia, whose words repeat less.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::contest::Figure;
use crate::inputs::{CorpusInputs, corpus_command, ours, peer};

/// The two figures.
pub(crate) fn figures(inputs: &CorpusInputs) -> Result<Vec<Figure>> {
    let filings = Text {
        docs: inputs.folder.join("docs"),
        tokenizer: inputs.folder.join("tokenizer"),
        described: inputs.described,
    };
    Ok(vec![
        filings.figure(inputs, "text.txt")?,
        wiki(inputs)?.figure(inputs, "wiki-text.txt")?,
    ])
}

/// A documents folder and the tokenizer for its text.
struct Text {
    docs: PathBuf,
    tokenizer: PathBuf,
    described: &'static str,
}

/// The articles of the dump, and a tokenizer of the product's own size that was trained on them.
fn wiki(inputs: &CorpusInputs) -> Result<Text> {
    let (docs, tokenizer) = (
        inputs.folder.join("wiki-docs"),
        inputs.folder.join("wiki-tokenizer"),
    );
    let out = Path::new("--out");
    corpus_command(&inputs.bin, &["ingest", "--wiki"], &[&inputs.dump, out, &docs])?;
    corpus_command(&inputs.bin, &["tokenizer", "--docs"], &[&docs, out, &tokenizer])?;
    Ok(Text {
        docs,
        tokenizer,
        described: "articles of a dump",
    })
}

impl Text {
    fn figure(&self, inputs: &CorpusInputs, name: &str) -> Result<Figure> {
        let text = inputs.folder.join(name);
        crate::measure::write_text(&self.docs, &text)?;
        let files = vec![self.tokenizer.join("tokenizer.json"), text.clone()];
        Ok(Figure {
            group: "corpus",
            name: format!("BPE encode, all cores, {}", self.described),
            unit: "MB/s of text",
            peer_name: "tokenizers encode_batch",
            ours: ours(vec![self.tokenizer.clone(), text], "encode"),
            peer: peer(inputs, "encode.py", files),
        })
    }
}
