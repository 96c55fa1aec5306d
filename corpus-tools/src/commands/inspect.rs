//! `tenk-corpus inspect`.

use std::path::Path;

use anyhow::Result;
use corpus::{CorpusInspector, Place, RawText};
use documents::Document;
use serde_json::{Value, json};
use tokenizer::Tokenizer;

use crate::arguments::Inspect;
use crate::columns::{Cell, Columns, visible_token};
use crate::folders::{not_corpus, not_docs};
use crate::output::{print, print_json, push_line};

pub(crate) fn run(arguments: &Inspect) -> Result<()> {
    match (&arguments.docs, &arguments.corpus) {
        (Some(docs), _) => in_docs(docs, arguments).map_err(|error| not_docs(docs, error)),
        (None, Some(folder)) => in_corpus(folder, arguments).map_err(|error| not_corpus(folder, error)),
        (None, None) => Ok(()),
    }
}

fn in_docs(docs: &Path, arguments: &Inspect) -> Result<()> {
    let document = corpus::find_document(docs, arguments.id.as_deref().unwrap_or_default())?;
    let tokenizer = arguments.tokenizer.as_deref().map(Tokenizer::open).transpose()?;
    let tokens = tokenizer
        .as_ref()
        .map(|tokenizer| block_tokens(&document, tokenizer))
        .transpose()?;
    let (raw, missing) = match corpus::raw_text(docs, &document)? {
        RawText::Found(text) => (Some(corpus::raw_of_blocks(&text, &document.blocks)), None),
        RawText::Missing(reason) => (None, Some(reason)),
    };
    if arguments.json {
        return print_json(&json!({
            "document": document,
            "tokens": tokens,
            "raw": raw,
            "raw_missing": missing,
        }));
    }
    let mut text = fields(&serde_json::to_value(&document)?);
    if let Some(reason) = missing {
        push_line(&mut text, format_args!("raw: not shown ({reason})"));
    }
    let mut shown = Blocks::default();
    for (index, block) in document.blocks.iter().enumerate() {
        let raw = raw.as_ref().map(|raw| raw[index].as_deref().unwrap_or(NOT_FOUND));
        let tokens = tokenizer.as_ref().zip(tokens.as_ref());
        let tokens = tokens.map(|(tokenizer, tokens)| pieces(tokenizer, &tokens[index]));
        let kind = serde_json::to_value(block.kind)?;
        shown.push(kind.as_str().unwrap_or_default(), raw, &block.text, tokens);
    }
    text.push_str(&shown.render(arguments.width));
    print(&text)
}

fn block_tokens(document: &Document, tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>> {
    let mut encoder = tokenizer.encoder();
    let encode = |block: &documents::Block| {
        let mut tokens = Vec::new();
        encoder.encode_into(&block.text, &mut tokens)?;
        Ok(tokens)
    };
    document.blocks.iter().map(encode).collect()
}

fn in_corpus(folder: &Path, arguments: &Inspect) -> Result<()> {
    let inspector = CorpusInspector::open(folder)?;
    if let (Some(source), Some(num_sentences)) = (&arguments.held_out, arguments.sentences) {
        let sentences = inspector.held_out_sentences(source, num_sentences)?;
        return if arguments.json {
            print_json(&sentences)
        } else {
            print(&(sentences.join("\n") + "\n"))
        };
    }
    let document = inspector.document(&place(arguments))?;
    if arguments.json {
        return print_json(&document);
    }
    let mut text = fields(&serde_json::to_value(&document.row)?);
    let mut shown = Blocks::default();
    for block in &document.blocks {
        let tokens = pieces(inspector.tokenizer(), &block.tokens);
        shown.push("", None, &block.text, Some(tokens));
    }
    text.push_str(&shown.render(arguments.width));
    print(&text)
}

fn place(arguments: &Inspect) -> Place {
    match (&arguments.id, arguments.shard, &arguments.held_out) {
        (Some(id), _, _) => Place::Id(id.clone()),
        (_, Some(shard), _) => match arguments.token {
            Some(token) => Place::Token { shard, token },
            None => Place::Shard {
                shard,
                document: arguments.document,
            },
        },
        (_, _, source) => Place::HeldOut {
            source: source.clone().unwrap_or_default(),
            document: arguments.document,
        },
    }
}

/// Each token so that nothing of it is invisible.
fn pieces(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<String> {
    let bytes = |&token| tokenizer.token_bytes(token).unwrap_or_default();
    tokens.iter().map(bytes).map(visible_token).collect()
}

/// In place of a block's raw text.
const NOT_FOUND: &str = "(not found in the raw text)";

/// Blocks to be shown, each in the same columns.
#[derive(Debug, Default)]
struct Blocks {
    headers: Vec<&'static str>,
    blocks: Vec<(String, Vec<Cell>)>,
}

impl Blocks {
    /// A block, with a column of raw text where there is one.
    fn push(&mut self, kind: &str, raw: Option<&str>, text: &str, tokens: Option<Vec<String>>) {
        let index = self.blocks.len();
        let count = tokens.as_ref().map(|tokens| format!("{} tokens", tokens.len()));
        let parts = [format!("[{index}]"), kind.to_owned(), count.unwrap_or_default()];
        let parts: Vec<&str> = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        let columns = [
            ("raw", raw.map(|raw| Cell::Text(raw.to_owned()))),
            ("cleaned", Some(Cell::Text(text.to_owned()))),
            ("tokens", tokens.map(Cell::Pieces)),
        ];
        let columns: Vec<_> = columns
            .into_iter()
            .filter_map(|(name, cell)| Some((name, cell?)))
            .collect();
        self.headers = columns.iter().map(|(name, _)| *name).collect();
        let cells = columns.into_iter().map(|(_, cell)| cell).collect();
        self.blocks.push((parts.join(" "), cells));
    }

    fn render(&self, width: Option<usize>) -> String {
        let columns = Columns::new(self.headers.len(), width);
        let headers: Vec<Cell> = self
            .headers
            .iter()
            .map(|name| Cell::Text((*name).to_owned()))
            .collect();
        let mut text = columns.row(&headers) + &columns.rule(self.headers.len());
        for (title, cells) in &self.blocks {
            push_line(&mut text, format_args!("{title}"));
            text.push_str(&columns.row(cells));
        }
        text
    }
}

/// `name: value` a line, lists left to what follows.
fn fields(object: &Value) -> String {
    let mut text = String::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match value {
            Value::Array(items) if items.first().is_some_and(Value::is_object) => {}
            Value::String(value) => push_line(&mut text, format_args!("{name}: {value}")),
            value => push_line(&mut text, format_args!("{name}: {value}")),
        }
    }
    text
}
