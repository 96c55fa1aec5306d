//! `tenk-corpus inspect`.

use std::path::Path;

use anyhow::Result;
use corpus::{CorpusDocument, CorpusInspector, Document, Place};
use serde_json::{Value, json};
use tokenizer::Tokenizer;

use crate::arguments::Inspect;
use crate::output::{print, print_json, push_line};

pub(crate) fn run(arguments: &Inspect) -> Result<()> {
    match (&arguments.docs, &arguments.corpus) {
        (Some(docs), _) => in_docs(docs, arguments),
        (None, Some(folder)) => in_corpus(folder, arguments),
        (None, None) => Ok(()),
    }
}

fn in_docs(docs: &Path, arguments: &Inspect) -> Result<()> {
    let document = corpus::find_document(docs, arguments.id.as_deref().unwrap_or_default())?;
    let tokenizer = arguments.tokenizer.as_deref().map(Tokenizer::open).transpose()?;
    let tokens = tokenizer
        .as_ref()
        .map(|tokenizer| block_tokens(&document, tokenizer));
    if arguments.json {
        return print_json(&json!({ "document": document, "tokens": tokens }));
    }
    print(&document_text(&document, tokens.as_deref())?)
}

fn block_tokens(document: &Document, tokenizer: &Tokenizer) -> Vec<Vec<u32>> {
    let mut encoder = tokenizer.encoder();
    let encode = |block: &corpus::Block| {
        let mut tokens = Vec::new();
        encoder.encode_into(&block.text, &mut tokens);
        tokens
    };
    document.blocks.iter().map(encode).collect()
}

/// The fields of the document, then each block with its kind and, where given, its tokens.
fn document_text(document: &Document, tokens: Option<&[Vec<u32>]>) -> Result<String> {
    let mut text = fields(&serde_json::to_value(document)?);
    for (index, block) in document.blocks.iter().enumerate() {
        let kind = serde_json::to_value(block.kind)?;
        push_line(
            &mut text,
            format_args!("[{index} {}] {}", kind.as_str().unwrap_or_default(), block.text),
        );
        if let Some(tokens) = tokens.and_then(|tokens| tokens.get(index)) {
            push_line(
                &mut text,
                format_args!("    {} tokens: {}", tokens.len(), numbers(tokens)),
            );
        }
    }
    Ok(text)
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
        print_json(&document)
    } else {
        print(&corpus_document_text(&document)?)
    }
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

fn corpus_document_text(document: &CorpusDocument) -> Result<String> {
    let mut text = fields(&serde_json::to_value(&document.row)?);
    for (index, block) in document.blocks.iter().enumerate() {
        push_line(&mut text, format_args!("[{index}] {}", block.text));
        push_line(
            &mut text,
            format_args!("    {} tokens: {}", block.tokens.len(), numbers(&block.tokens)),
        );
    }
    Ok(text)
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

fn numbers(tokens: &[u32]) -> String {
    tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}
