//! Every text of the test data has the ids that Hugging Face `tokenizers` gives it.

use std::collections::BTreeMap;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use durable::{DISK, commit_bytes};
use tests::{peers_python, program, repository, run_ok, test_data, whole_machine};
use tokenizer::Tokenizer;

const FOLDERS: [&str; 7] = [
    "filings",
    "filings-older",
    "filings-other",
    "wiki",
    "wiki2018",
    "wikitext-pages",
    "labelled",
];
/// A text is cut at the ends of lines into chunks of about this length; a longer line stays whole.
const CHUNK_BYTES: usize = 64 << 10;
/// For one pass of the peer over all texts, on a busy machine.
const LIMIT: Duration = Duration::from_mins(20);

#[test]
#[ignore = "the peer takes a minute for all texts; a sample of them is in the tokenizer's own tests"]
fn ids_are_those_of_hugging_face_on_all_test_data() -> Result<()> {
    let _machine = whole_machine();
    let Some(folders) = FOLDERS
        .iter()
        .map(|name| test_data(name))
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(());
    };
    let Some(gpt2) = test_data("tokenizer") else {
        return Ok(());
    };
    let scratch = tempfile::tempdir()?;
    let chunks = Chunks::write(&folders, &scratch.path().join("chunks.jsonl"))?;
    ensure!(chunks.bytes > 100_000_000, "only {} bytes of text", chunks.bytes);
    let own = train_on(&folders, scratch.path())?;
    let gpt2 = in_layout_of_roberta(&gpt2, &scratch.path().join("gpt2"))?;
    for tokenizer in [own, gpt2] {
        compare(&tokenizer, &chunks)?;
    }
    Ok(())
}

/// The corpus's own tokenizer, of the size that the product has by default.
fn train_on(folders: &[PathBuf], scratch: &Path) -> Result<PathBuf> {
    let (docs, tokenizer) = (scratch.join("docs"), scratch.join("own"));
    let tenk_corpus = program("tenk-corpus")?;
    let mut ingest = Command::new(&tenk_corpus);
    ingest.arg("ingest").arg("--out").arg(&docs);
    for (option, folder) in [("--filings", 0), ("--filings", 1), ("--wiki", 3), ("--wiki", 4)] {
        ingest.arg(option).arg(&folders[folder]);
    }
    run_ok(&mut ingest, LIMIT)?;
    let mut train = Command::new(&tenk_corpus);
    train
        .arg("tokenizer")
        .arg("--docs")
        .arg(&docs)
        .arg("--out")
        .arg(&tokenizer);
    run_ok(&mut train, LIMIT)?;
    Ok(tokenizer)
}

/// GPT-2's files with the specials where RoBERTa has them: its entries moved by four, without its
/// end-of-text token, `<mask>` last.
fn in_layout_of_roberta(gpt2: &Path, folder: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_to_string(gpt2.join("encoder.json"))?;
    let mut vocab: BTreeMap<String, u32> = serde_json::from_str(&entries)?;
    ensure!(vocab.remove("<|endoftext|>") == Some(50_256));
    for id in vocab.values_mut() {
        *id += 4;
    }
    for (id, special) in (0..).zip(["<s>", "<pad>", "</s>", "<unk>"]) {
        vocab.insert(special.to_owned(), id);
    }
    vocab.insert("<mask>".to_owned(), 50_260);
    std::fs::create_dir(folder)?;
    commit_bytes(&DISK, &folder.join("vocab.json"), &serde_json::to_vec(&vocab)?)?;
    let merges = std::fs::read(gpt2.join("vocab.bpe"))?;
    commit_bytes(&DISK, &folder.join("merges.txt"), &merges)?;
    Ok(folder.to_path_buf())
}

/// All texts, cut into chunks, as a file for the peer.
struct Chunks {
    path: PathBuf,
    /// Which file a chunk is of, and where in its text it begins.
    places: Vec<(PathBuf, usize)>,
    bytes: usize,
}

impl Chunks {
    fn write(folders: &[PathBuf], path: &Path) -> Result<Self> {
        let file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)?;
        let mut out = BufWriter::new(file);
        let (mut places, mut bytes) = (Vec::new(), 0);
        for file in folders
            .iter()
            .map(|folder| files_of(folder))
            .collect::<Result<Vec<_>>>()?
            .concat()
        {
            let text = text_of(&file)?;
            let mut start = 0;
            while start < text.len() {
                let end = chunk_end(&text, start);
                serde_json::to_writer(&mut out, &text[start..end])?;
                out.write_all(b"\n")?;
                places.push((file.clone(), start));
                start = end;
            }
            bytes += text.len();
        }
        out.flush()?;
        let path = path.to_path_buf();
        Ok(Self { path, places, bytes })
    }
}

fn chunk_end(text: &str, start: usize) -> usize {
    let least = text.ceil_char_boundary(start + CHUNK_BYTES);
    text[least..]
        .find('\n')
        .map_or(text.len(), |newline| least + newline + 1)
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

/// The text of a file as it came, decompressed where it is a dump.
fn text_of(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file)?;
    let bytes = if file.extension().is_some_and(|extension| extension == "bz2") {
        let mut text = Vec::new();
        bzip2::read::MultiBzDecoder::new(&bytes[..]).read_to_end(&mut text)?;
        text
    } else {
        bytes
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn compare(folder: &Path, chunks: &Chunks) -> Result<()> {
    let mut command = Command::new(peers_python()?);
    command
        .arg(repository().join("tests/parity/token_ids.py"))
        .arg(folder)
        .arg(&chunks.path)
        .env("TOKENIZERS_PARALLELISM", "true");
    let printed = run_ok(&mut command, LIMIT)?;
    let theirs: Vec<&str> = printed.lines().collect();
    ensure!(
        theirs.len() == chunks.places.len(),
        "{} of {}",
        theirs.len(),
        chunks.places.len()
    );

    let tokenizer = Tokenizer::open(folder)?;
    let mut encoder = tokenizer.encoder();
    let text = std::fs::read_to_string(&chunks.path)?;
    let mut ids = Vec::new();
    for ((line, (file, start)), theirs) in text.lines().zip(&chunks.places).zip(theirs) {
        let chunk: String = serde_json::from_str(line).context("a chunk")?;
        ids.clear();
        encoder.encode_into(&chunk, &mut ids)?;
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        ensure!(
            durable::sha256_hex(&bytes) == theirs,
            "{}: other ids in the chunk at byte {start} of {}",
            folder.display(),
            file.display()
        );
        ensure!(
            tokenizer.decode(&ids) == chunk,
            "{}: byte {start}",
            file.display()
        );
    }
    Ok(())
}
