//! Tokenizer folders of other tools: the ids are those of `AutoTokenizer`, or the refusal names what is
//! not encoded. A corpus is built with them, and its copy of the folder opens as the same tokenizer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use shards::{Corpus, TOKENIZER_FOLDER};
use tests::{peers_python, program, repository, run, run_ok};
use tokenizer::{Tokenizer, TruncationSide};

const MINUTES: Duration = Duration::from_mins(5);
const TEXTS: [&str; 24] = [
    "",
    " ",
    "The company reported revenue of 12 million dollars.",
    "  two spaces before, and behind  ",
    "EBITDA rose; EBIT fell, EBITDAR is no EBITDA.",
    "of EBITDA and ofEBITDA, 3 million millions",
    "ACME Inc. and ACME  Inc.",
    " the rose rose ,rose",
    "the market <mask> rose",
    "the market<mask>rose",
    "the market  <mask>  rose",
    "a <s> b </s> c <pad> d <unk> e",
    "</s></s> <s>",
    "[CLS] a [SEP] b [MASK] c [PAD] d [UNK]",
    "the [MASK] rose <bos> and <eos>",
    "<ticker> ACME <table>x</table> <x>",
    "<image> <audio> <video> <bill> <cls>",
    "\u{dc}berraschung na\u{ef}ve cafe\u{301} \u{6771}\u{4eac} \u{1f600} \u{fb01}n",
    "line\nline\r\n\tline\u{a0}line\u{2003}line",
    "REVENUE Of 12 MILLION dollars",
    "\u{130}stanbul \u{1e9e} \u{39f}\u{394}\u{39f}\u{3a3}",
    "don't we'll I'M they'd 2,000.50",
    "ebitda Ebitda dollars market",
    "\u{0}\u{7f}\u{fffd}",
];

#[derive(Debug, Deserialize)]
struct Expected {
    ids: Vec<Vec<u32>>,
    side: String,
}

fn write(path: &Path, content: &Value) -> Result<()> {
    Ok(durable::commit_bytes(
        &durable::DISK,
        path,
        content.to_string().as_bytes(),
    )?)
}

fn make_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let texts = folder.join("texts.json");
    let made = folder.join("folders");
    write(&texts, &json!(TEXTS))?;
    let mut command = Command::new(peers_python()?);
    command.arg(repository().join("tests/parity/tokenizer_folders.py"));
    command.args([&made, &texts]);
    command
        .env("HF_HUB_OFFLINE", "1")
        .env("TOKENIZERS_PARALLELISM", "false");
    run_ok(&mut command, MINUTES)?;
    let entries = std::fs::read_dir(&made)?.map(|entry| Ok(entry?.path()));
    let mut folders = entries.collect::<Result<Vec<_>>>()?;
    folders.retain(|path| path.is_dir() && !path.ends_with("slow-files"));
    folders.sort();
    Ok(folders)
}

fn name(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What `tenk-embed` gives the model for a text that is not cut.
fn ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let mut ids = tokenizer.ends().before.clone();
    tokenizer.text_encoder().encode_into(text, &mut ids)?;
    ids.extend(&tokenizer.ends().after);
    Ok(ids)
}

/// What a corpus holds of a text.
fn corpus_ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    tokenizer.encoder().encode_into(text, &mut ids)?;
    Ok(ids)
}

fn differences(folder: &Path) -> Result<Vec<String>> {
    let expected: Expected = serde_json::from_slice(&std::fs::read(folder.join("expected.json"))?)?;
    let tokenizer = Tokenizer::open_for_text(folder)?;
    let mut found = Vec::new();
    let left = tokenizer.truncation_side() == TruncationSide::Left;
    if left != (expected.side == "left") {
        found.push(format!("cut on the other side than {}", expected.side));
    }
    ensure!(expected.ids.len() == TEXTS.len());
    for (text, expected) in TEXTS.iter().zip(expected.ids) {
        let ours = ids(&tokenizer, text)?;
        if ours != expected {
            found.push(format!("{text:?}: {ours:?}, not {expected:?}"));
        }
    }
    Ok(found)
}

#[test]
fn ids_of_every_folder_are_those_of_auto_tokenizer() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folders = make_folders(scratch.path())?;
    let refused: Value =
        serde_json::from_slice(&std::fs::read(scratch.path().join("folders/refused.json"))?)?;
    let (mut opened, mut wrong) = (0, Vec::new());
    for folder in &folders {
        let name = name(folder);
        if let Some(word) = refused[&name].as_str() {
            let error = Tokenizer::open_for_text(folder).err();
            let said = error.map(|error| error.to_string()).unwrap_or_default();
            ensure!(said.contains(word), "{name}: {said}");
            continue;
        }
        opened += 1;
        match differences(folder) {
            Ok(found) => wrong.extend(found.iter().map(|what| format!("{name}: {what}"))),
            Err(error) => wrong.push(format!("{name}: {error:#}")),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(opened >= 49, "only {opened} folders were opened");
    corpora_of_folders_keep_their_tokenizer(scratch.path(), &folders)
}

/// A corpus is built with every folder that can serve one. It says once that it is slower, its copy of
/// the tokenizer is the same one, and what it holds are the ids of the folder.
fn corpora_of_folders_keep_their_tokenizer(scratch: &Path, folders: &[PathBuf]) -> Result<()> {
    for words in [
        "sample --filings 3 --pages 3 --out sample",
        "ingest --filings sample/filings --wiki sample/wiki --out docs",
    ] {
        let mut command = Command::new(program("tenk-corpus")?);
        command.args(words.split(' ')).current_dir(scratch);
        run_ok(&mut command, MINUTES)?;
    }
    let mut hashes = std::collections::BTreeMap::new();
    for folder in folders {
        let Ok(tokenizer) = Tokenizer::open(folder) else {
            continue;
        };
        let out = scratch.join(format!("corpus-{}", name(folder)));
        let mut command = Command::new(program("tenk-corpus")?);
        command.args(["build", "--docs", "docs", "--shards", "2", "--tokenizer"]);
        command.arg(folder).arg("--out").arg(&out).current_dir(scratch);
        let output = run(&mut command, MINUTES)?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(output.status.success(), "{}: {said}", name(folder));
        let slower = said.matches("by the crate `tokenizers`").count();
        ensure!(
            slower == usize::from(tokenizer.encodes_by_library()),
            "{}: {said}",
            name(folder)
        );
        let copy = Tokenizer::open(&out.join(TOKENIZER_FOLDER)).context("opening the copy")?;
        ensure!(
            copy.hash() == tokenizer.hash(),
            "{}: the copy is another tokenizer",
            name(folder)
        );
        ensure!(Corpus::open(&out)?.manifest().tokenizer_hash == copy.hash());
        ensure!(
            copy.truncation_side() == tokenizer.truncation_side(),
            "{}: the copy cuts on the other side",
            name(folder)
        );
        for text in TEXTS {
            ensure!(
                ids(&copy, text)? == ids(&tokenizer, text)?,
                "{}: {text:?} of a user",
                name(folder)
            );
            ensure!(
                corpus_ids(&copy, text)? == corpus_ids(&tokenizer, text)?,
                "{}: {text:?}",
                name(folder)
            );
        }
        hashes.insert(name(folder), tokenizer.hash().to_owned());
    }
    ensure!(hashes.len() >= 15, "only {} corpora", hashes.len());
    // folders that give other ids in a corpus have other hashes, those that do not have the same
    ensure!(hashes["plain"] == hashes["trim-offsets"] && hashes["plain"] == hashes["fast-plain"]);
    ensure!(hashes["fast-lower-case"] == hashes["class-in-config"]);
    ensure!(hashes["add-prefix-space"] == hashes["slow-with-config"]);
    ensure!(hashes["add-prefix-space"] == hashes["fast-prefix-space"]);
    for other in ["added", "added-with-flags", "added-specials", "fast-digits"] {
        let same = hashes.iter().filter(|(_, hash)| **hash == hashes[other]).count();
        ensure!(same == 1, "{other} has the hash of another folder");
    }
    Ok(())
}
