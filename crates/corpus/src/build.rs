//! From documents to shards: the pipeline, and the manifest that describes its result.
//!
//! Two passes: documents become tokens in a spool on disk, then the spool is written out in the
//! order of the shards. In memory stays a fixed 48 bytes a document. The bytes of the result
//! depend on the documents, the tokenizer and the options, not on threads or order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use durable::{DISK, StagedDir, commit_dir};
use shards::{Corpus, Manifest, Packing, PackingMode, TOKENIZER_FOLDER, packing_name};
use tokenizer::Tokenizer;

use crate::describe::describe;
use crate::error::CorpusError;
use crate::place::{Placement, place_documents};
use crate::progress::Progress;
use crate::shard_files::write_files;
use crate::split::refuse_fraction;
use crate::tokenise::tokenise_documents;
use crate::tokenizer_sample::MODEL_MAX_LENGTH;
use crate::workplace::{Workplace, worker_threads};

/// Five digits of a shard's number in its file name.
const MOST_SHARDS: u32 = 99_999;

/// What to build and where.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The documents folder.
    pub docs: PathBuf,
    /// The tokenizer folder.
    pub tokenizer: PathBuf,
    /// The corpus folder to make.
    pub out: PathBuf,
    /// How many shards.
    pub num_shards: u32,
    /// Share of the filers that is held out.
    pub held_out_fraction: f64,
    /// Packing indices to write with it.
    pub packings: Vec<PackingChoice>,
    /// Worker threads; 0 means one a core.
    pub threads: usize,
}

/// A packing index: how blocks are put into sequences, and how long those are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackingChoice {
    /// How.
    pub mode: PackingMode,
    /// Sequence length in tokens, `<s>` and `</s>` included.
    pub max_length: u32,
}

impl std::str::FromStr for PackingChoice {
    type Err = String;

    /// Reads `full-sentences:512`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || format!("{text} is not MODE:LENGTH; give for example full-sentences:512");
        let (mode, length) = text.split_once(':').ok_or_else(expected)?;
        let mode = PackingMode::from_name(mode).ok_or_else(|| {
            let known = PackingMode::ALL.map(PackingMode::name).join(", ");
            format!("there is no packing mode {mode}; there are {known}")
        })?;
        let max_length = length
            .parse()
            .ok()
            .filter(|length| *length >= 3)
            .ok_or_else(expected)?;
        Ok(Self { mode, max_length })
    }
}

/// Builds a corpus folder from a documents folder, whole or not at all.
///
/// # Errors
/// When the documents, the tokenizer or the options do not fit, when nothing is left to train on,
/// when the folder exists or is being built, or when it cannot be written.
pub fn build_shards(options: &BuildOptions, progress: &dyn Progress) -> Result<Manifest, CorpusError> {
    options.check()?;
    let tokenizer = Tokenizer::open(&options.tokenizer)?;
    let workplace = Workplace::enter(&options.out, "tenk-corpus build")?;
    let (pool, spool) = (worker_threads(options.threads)?, workplace.scratch("spool")?);
    let mut tokenised = tokenise_documents(&options.docs, &tokenizer, &spool, &pool, progress)?;
    let filers = std::mem::take(&mut tokenised.filers);
    let placement = place_documents(
        &tokenised.documents,
        filers,
        options.held_out_fraction,
        options.num_shards,
    )?;
    refuse_nothing_to_train_on(&placement, options)?;
    commit_dir(&DISK, &options.out, |staged: &StagedDir<'_>| {
        let files = write_files(staged, &tokenised, &placement, &pool, progress)?;
        let tokenizer_files = copy_tokenizer(staged, &tokenizer)?;
        describe(
            options,
            &tokenizer,
            &tokenised,
            &placement,
            files,
            tokenizer_files,
        )?
        .write(staged.storage(), staged.path())?;
        write_packings(staged, &options.packings)
    })?;
    Ok(Manifest::read(&options.out)?)
}

impl BuildOptions {
    fn check(&self) -> Result<(), CorpusError> {
        if !(1..=MOST_SHARDS).contains(&self.num_shards) {
            return Err(CorpusError::NumShards {
                found: self.num_shards,
            });
        }
        refuse_fraction(self.held_out_fraction)
    }
}

fn refuse_nothing_to_train_on(placement: &Placement, options: &BuildOptions) -> Result<(), CorpusError> {
    if placement.largest_document_tokens == 0 {
        return Err(CorpusError::NothingToTrainOn {
            docs: options.docs.clone(),
        });
    }
    Ok(())
}

/// Writes the tokenizer's files; returns the hash of each by name.
fn copy_tokenizer(
    staged: &StagedDir<'_>,
    tokenizer: &Tokenizer,
) -> Result<BTreeMap<String, String>, CorpusError> {
    staged.create_dir(TOKENIZER_FOLDER)?;
    let mut hashes = BTreeMap::new();
    for (name, content) in tokenizer.files(MODEL_MAX_LENGTH)? {
        staged.write_file(Path::new(TOKENIZER_FOLDER).join(name), |file| {
            file.write_all(&content)
        })?;
        hashes.insert(name.to_owned(), durable::sha256_hex(&content));
    }
    Ok(hashes)
}

fn write_packings(staged: &StagedDir<'_>, packings: &[PackingChoice]) -> Result<(), CorpusError> {
    if packings.is_empty() {
        return Ok(());
    }
    let corpus = Corpus::open(staged.path())?;
    for choice in packings {
        let path = staged.path().join(packing_name(choice.mode, choice.max_length));
        let choice = (choice.mode, choice.max_length);
        Packing::write(staged.storage(), &corpus, choice, &path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs_manifest::InputFile;
    use crate::docs_writer::{DocsWriter, PreparedDocument};
    use crate::document::{Block, BlockKind, Document};
    use crate::progress::NoProgress;
    use crate::tokenizer_sample::{TokenizerOptions, train_tokenizer};

    fn filing(company: usize, year: usize) -> Document {
        let text = |line: usize| {
            format!(
                "Company {company} sold {} widgets in line {line} of {year}.",
                company * line
            )
        };
        Document {
            id: format!(
                "{company:010}-{:02}-{line:06}:1",
                year % 100,
                line = company + year
            ),
            source: ["10-K", "10-Q"][year % 2].into(),
            cik: Some(format!("{company:010}")),
            filed: Some(format!("{year}-03-0{}", 1 + company % 9)),
            blocks: (0..=company % 7)
                .map(|line| Block::new(BlockKind::Paragraph, text(line)))
                .collect(),
            ..Document::default()
        }
    }

    fn filings() -> Vec<Document> {
        (1..60)
            .flat_map(|company| (2010..2014).map(move |year| filing(company, year)))
            .collect()
    }

    fn write_docs(out: &Path, documents: &[Document]) {
        commit_dir(&DISK, out, |staged: &StagedDir<'_>| {
            let mut docs = DocsWriter::create(staged)?;
            docs.begin_input(InputFile {
                path: "input".into(),
                bytes: 1,
                sha256: String::new(),
            });
            for document in documents {
                docs.write("filings", &PreparedDocument::new(document)?)?;
            }
            docs.finish()
        })
        .unwrap();
    }

    /// Writes `docs` and builds `corpus` from it in a folder.
    fn build(
        root: &Path,
        documents: &[Document],
        tokenizer: &Path,
        threads: usize,
    ) -> Result<Manifest, CorpusError> {
        let docs = root.join("docs");
        write_docs(&docs, documents);
        if !tokenizer.exists() {
            let options = TokenizerOptions {
                docs: docs.clone(),
                out: tokenizer.to_path_buf(),
                vocab_size: 400,
                sample_bytes: 1 << 20,
                held_out_fraction: 0.05,
                threads,
            };
            train_tokenizer(&options, &NoProgress)?;
        }
        let options = BuildOptions {
            docs,
            tokenizer: tokenizer.to_path_buf(),
            out: root.join("corpus"),
            num_shards: 5,
            held_out_fraction: 0.05,
            packings: vec!["full-sentences:64".parse().unwrap()],
            threads,
        };
        build_shards(&options, &NoProgress)
    }

    fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| {
                (
                    path.strip_prefix(folder).unwrap().to_path_buf(),
                    std::fs::read(&path).unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn the_bytes_depend_neither_on_the_order_of_documents_nor_on_threads() {
        let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let tokenizer = roots[0].path().join("tokenizer");
        let mut documents = filings();
        build(roots[0].path(), &documents, &tokenizer, 1).unwrap();
        documents.reverse();
        documents.swap(0, 100);
        build(roots[1].path(), &documents, &tokenizer, 3).unwrap();
        let [one, two] = roots.each_ref().map(|root| files(&root.path().join("corpus")));
        assert_eq!(
            one.len(),
            5 * 2 + 2 * 2 + 3,
            "shards, held-out files, list, packing, manifest"
        );
        for ((name, first), (other, second)) in one.iter().zip(&two) {
            assert_eq!(name, other);
            assert!(first == second, "{} differs", name.display());
        }
    }

    #[test]
    fn every_document_is_in_one_place_with_its_own_tokens_and_companies_are_not_split() {
        let root = tempfile::tempdir().unwrap();
        let tokenizer = root.path().join("tokenizer");
        let documents = filings();
        let manifest = build(root.path(), &documents, &tokenizer, 2).unwrap();
        assert_eq!(
            (
                manifest.filed_earliest.as_deref(),
                manifest.filed_latest.as_deref()
            ),
            (Some("2010-03-01"), Some("2013-03-09"))
        );
        let inspector = crate::CorpusInspector::open(&root.path().join("corpus")).unwrap();
        let mut held_out = std::collections::BTreeMap::new();
        for document in &documents {
            let found = inspector
                .document(&crate::Place::Id(document.id.clone()))
                .unwrap();
            let texts: Vec<&str> = found.blocks.iter().map(|block| block.text.as_str()).collect();
            assert_eq!(texts, crate::document_text_blocks(document).collect::<Vec<_>>());
            assert_eq!(found.row.accession.as_deref(), Some(&document.id[..20]));
            let side = held_out
                .entry(document.cik.clone())
                .or_insert(found.row.shard.is_none());
            assert_eq!(*side, found.row.shard.is_none(), "{:?}", document.cik);
        }
        assert_eq!(manifest.documents_file.rows, documents.len() as u64);
        assert!(held_out.values().any(|held_out| *held_out));
        shards::verify(&root.path().join("corpus"), |_, _| ()).unwrap();
    }

    #[test]
    fn documents_without_text_are_counted_and_left_out() {
        let root = tempfile::tempdir().unwrap();
        let mut documents = filings();
        documents[7].blocks = vec![Block::new(BlockKind::PageFurniture, "12")];
        let manifest = build(root.path(), &documents, &root.path().join("tokenizer"), 1).unwrap();
        assert_eq!(manifest.dropped.values().sum::<u64>(), 1);
        assert_eq!(manifest.documents_file.rows, documents.len() as u64 - 1);
    }

    #[test]
    fn impossible_options_are_refused_before_any_work() {
        let options = BuildOptions {
            docs: "no/docs".into(),
            tokenizer: "no/tokenizer".into(),
            out: "no/out".into(),
            num_shards: 0,
            held_out_fraction: 0.05,
            packings: Vec::new(),
            threads: 1,
        };
        assert!(matches!(
            build_shards(&options, &NoProgress),
            Err(CorpusError::NumShards { found: 0 })
        ));
        let options = BuildOptions {
            num_shards: 1,
            held_out_fraction: 1.5,
            ..options
        };
        assert!(matches!(
            build_shards(&options, &NoProgress),
            Err(CorpusError::HeldOutFraction { .. })
        ));
    }

    #[test]
    fn packings_are_named_as_in_file_names() {
        let choice: PackingChoice = "full-sentences:512".parse().unwrap();
        assert_eq!(
            (choice.mode, choice.max_length),
            (PackingMode::FullSentences, 512)
        );
        let choice: PackingChoice = "doc-sentences:128".parse().unwrap();
        assert_eq!(choice.mode, PackingMode::DocSentences);
        for wrong in [
            "full-sentences",
            "full-sentences:2",
            "half-sentences:512",
            "full-sentences:x",
        ] {
            assert!(wrong.parse::<PackingChoice>().is_err(), "{wrong}");
        }
    }
}
