use std::collections::BTreeMap;
use std::path::PathBuf;

use documents::{Block, BlockKind, DocsWriter, Document, NoProgress, Section, SectionStatus, json_line};
use shards::PackingMode;

use super::*;
use crate::build::duplicate_rule::DuplicateRule;
use crate::selection::subset::Subset;
use crate::selection::window::DateWindow;
use crate::tokenizer_sample::{TokenizerOptions, train_tokenizer};

/// A folder with documents, a tokenizer and room for corpora.
pub(crate) struct Desk {
    pub(crate) root: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new(documents: &[Document]) -> Self {
        let desk = Self {
            root: tempfile::tempdir().unwrap(),
        };
        desk.write_docs("docs", documents);
        desk.train("docs", "tokenizer", DateWindow::default()).unwrap();
        desk
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write_docs(&self, name: &str, documents: &[Document]) {
        commit_dir(&DISK, &self.at(name), |staged: &StagedDir<'_>| {
            let mut docs = DocsWriter::create(staged)?;
            for document in documents {
                docs.write("filings", &document.source, &json_line(document)?)?;
            }
            docs.finish()
        })
        .unwrap();
    }

    fn train(&self, docs: &str, tokenizer: &str, window: DateWindow) -> Result<(), CorpusError> {
        let options = TokenizerOptions {
            docs: self.at(docs),
            out: self.at(tokenizer),
            vocab_size: 400,
            sample_bytes: 1 << 20,
            held_out_fraction: 0.05,
            window,
            threads: 2,
        };
        train_tokenizer(&options, &NoProgress).map(drop)
    }

    pub(crate) fn options(&self, out: &str) -> BuildOptions {
        BuildOptions {
            docs: self.at("docs"),
            tokenizer: self.at("tokenizer"),
            out: self.at(out),
            num_shards: 5,
            held_out_fraction: 0.05,
            window: DateWindow::default(),
            subset: Subset::default(),
            duplicates: Some(DuplicateRule::default()),
            exclude: None,
            packings: vec!["full-sentences:64".parse().unwrap()],
            threads: 2,
        }
    }

    pub(crate) fn build(&self, out: &str) -> Manifest {
        build_shards(&self.options(out), &NoProgress).unwrap()
    }

    /// Shard, tokens and checksum of each document by its id.
    fn places(&self, corpus: &str) -> BTreeMap<String, (Option<u32>, u64, String)> {
        let corpus = Corpus::open(&self.at(corpus)).unwrap();
        let row = |row: Result<shards::DocumentRow, _>| row.unwrap();
        let rows = corpus.documents().rows().map(row);
        rows.map(|row| (row.id, (row.shard, row.tokens, row.checksum)))
            .collect()
    }
}

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

fn day(text: &str) -> Option<crate::selection::day::Day> {
    let day = text.parse().ok();
    assert!(day.is_some(), "{text}");
    day
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.strip_prefix(folder).unwrap().to_path_buf();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn assert_same_files(one: &Path, two: &Path) {
    let (one, two) = (files(one), files(two));
    assert_eq!(one.len(), two.len());
    for ((name, first), (other, second)) in one.iter().zip(&two) {
        assert_eq!(name, other);
        assert!(first == second, "{} differs", name.display());
    }
}

#[test]
fn the_bytes_depend_neither_on_the_order_of_documents_nor_on_threads() {
    let mut documents = filings();
    let desk = Desk::new(&documents);
    desk.build("one");
    documents.reverse();
    documents.swap(0, 100);
    desk.write_docs("turned", &documents);
    let options = BuildOptions {
        docs: desk.at("turned"),
        threads: 3,
        ..desk.options("two")
    };
    build_shards(&options, &NoProgress).unwrap();
    let named = 5 * 2 + 2 * 2 + 3;
    assert_eq!(
        files(&desk.at("one")).len(),
        named,
        "shards, held-out files, list, packing, manifest"
    );
    assert_same_files(&desk.at("one"), &desk.at("two"));
}

#[test]
fn parts_in_any_order_and_a_merge_give_the_bytes_of_a_whole_build() {
    let long = |index: usize| Document {
        blocks: (0..4000)
            .map(|line| {
                Block::new(
                    BlockKind::Paragraph,
                    format!("Line {line} of report {index} is long enough."),
                )
            })
            .collect(),
        ..filing(index, 2010)
    };
    let documents: Vec<Document> = (1..=12).map(long).collect();
    let desk = Desk::new(&documents);
    desk.build("whole");
    let options = desk.options("merged");
    let missing = merge_parts(&options, &NoProgress).unwrap_err();
    assert!(
        matches!(missing, CorpusError::MissingParts { first: 0, .. }),
        "{missing}"
    );
    let part = |text: &str| build_part(&options, text.parse().unwrap(), &NoProgress).unwrap();
    let (third, first) = (part("3/3"), part("1/3"));
    assert!(third.all_segments > 1 && third.segments > 0, "{third:?}");
    let missing = merge_parts(&options, &NoProgress).unwrap_err();
    assert!(
        matches!(&missing, CorpusError::MissingParts { first: segment, .. } if *segment == first.segments),
        "{missing}"
    );
    part("2/3");
    crate::work::scratch::damage_one(&desk.at("merged.parts"), "spool");
    let damaged = merge_parts(&options, &NoProgress).unwrap_err();
    assert!(
        matches!(damaged, CorpusError::MissingParts { missing: 1, .. }),
        "{damaged}"
    );
    for again in ["1/3", "2/3", "3/3"] {
        part(again);
    }
    merge_parts(&options, &NoProgress).unwrap();
    assert_same_files(&desk.at("whole"), &desk.at("merged"));
    let other_window = BuildOptions {
        window: DateWindow {
            to: day("2012-12-31"),
            ..DateWindow::default()
        },
        tokenizer: desk.at("early"),
        ..desk.options("merged-2")
    };
    desk.train("docs", "early", other_window.window).unwrap();
    std::fs::rename(desk.at("merged.parts"), desk.at("merged-2.parts")).unwrap();
    let refused = merge_parts(&other_window, &NoProgress).unwrap_err();
    assert!(
        matches!(refused, CorpusError::MissingParts { first: 0, .. }),
        "{refused}"
    );
}

#[test]
fn every_document_is_in_one_place_with_its_own_tokens_and_companies_are_not_split() {
    let documents = filings();
    let desk = Desk::new(&documents);
    let manifest = desk.build("corpus");
    assert_eq!(
        (
            manifest.filed_earliest.as_deref(),
            manifest.filed_latest.as_deref()
        ),
        (Some("2010-03-01"), Some("2013-03-09"))
    );
    let inspector = crate::inspect::inspector::CorpusInspector::open(&desk.at("corpus")).unwrap();
    let mut held_out = BTreeMap::new();
    for document in &documents {
        let found = inspector
            .document(&crate::inspect::inspector::Place::Id(document.id.clone()))
            .unwrap();
        let texts: Vec<&str> = found.blocks.iter().map(|block| block.text.as_str()).collect();
        assert_eq!(
            texts,
            documents::document_text_blocks(document).collect::<Vec<_>>()
        );
        assert_eq!(found.row.accession.as_deref(), Some(&document.id[..20]));
        let side = held_out
            .entry(document.cik.clone())
            .or_insert(found.row.shard.is_none());
        assert_eq!(*side, found.row.shard.is_none(), "{:?}", document.cik);
    }
    assert_eq!(manifest.documents_file.rows, documents.len() as u64);
    assert!(held_out.values().any(|held_out| *held_out));
    let report = shards::verify(&desk.at("corpus"), |_, _| ()).unwrap();
    assert_eq!(report.tokenizer_files, 5);
}

#[test]
fn two_documents_of_one_accession_number_in_a_documents_folder_end_a_build_with_the_number() {
    let mut documents = filings();
    documents[90].id = documents[3].id.clone();
    let desk = Desk::new(&documents);
    let error = build_shards(&desk.options("corpus"), &NoProgress).unwrap_err();
    assert!(
        matches!(&error, CorpusError::DuplicateDocument { id, .. } if *id == documents[3].id),
        "{error}"
    );
    assert!(!desk.at("corpus").exists() && !desk.at(".corpus.work").exists());
}

#[test]
fn documents_without_text_are_counted_and_left_out() {
    let mut documents = filings();
    documents[7].blocks = vec![Block::new(BlockKind::PageFurniture, "12")];
    let desk = Desk::new(&documents);
    let manifest = desk.build("corpus");
    assert_eq!(manifest.dropped.values().sum::<u64>(), 1);
    assert_eq!(manifest.documents_file.rows, documents.len() as u64 - 1);
}

#[test]
fn nothing_later_than_the_window_and_nothing_undated_is_in_a_corpus() {
    let mut documents = filings();
    documents[8].filed = None;
    documents[9].filed = None;
    documents[9].accepted_at = Some("2012-02-03T04:05:06Z".into());
    let desk = Desk::new(&documents);
    let window = DateWindow {
        from: day("2011-01-01"),
        to: day("2012-12-31"),
        held_out_from: None,
    };
    let options = BuildOptions {
        window,
        ..desk.options("corpus")
    };
    let refused = build_shards(&options, &NoProgress).unwrap_err();
    assert!(
        matches!(&refused, CorpusError::LaterTokenizer { .. })
            && refused.to_string().contains("--filed-to 2012-12-31"),
        "{refused}"
    );
    desk.train("docs", "windowed", window).unwrap();
    let options = BuildOptions {
        tokenizer: desk.at("windowed"),
        ..options
    };
    let manifest = build_shards(&options, &NoProgress).unwrap();
    assert_eq!(
        (manifest.filed_earliest.as_deref(), manifest.undated),
        (Some("2011-03-01"), Some(0))
    );
    assert_eq!(manifest.filed_latest.as_deref(), Some("2012-03-09"));
    assert_eq!(manifest.window, window.described());
    let left_out: u64 = manifest.dropped.values().sum();
    assert_eq!(manifest.documents_file.rows + left_out, documents.len() as u64);
    assert_eq!(
        manifest.dropped["no date, and a window of dates was asked for"],
        1
    );
    let places = desk.places("corpus");
    assert!(
        places.contains_key(&documents[9].id),
        "a saved page has the day of its revision"
    );
    for (id, _) in places {
        let document = documents.iter().find(|document| document.id == id).unwrap();
        assert!(
            window.refusal(crate::selection::day::Day::of(document)).is_none(),
            "{id}"
        );
    }
}

#[test]
fn an_undated_document_without_a_window_is_counted_in_the_manifest() {
    let mut documents = filings();
    documents[8].filed = None;
    assert_eq!(Desk::new(&documents).build("corpus").undated, Some(1));
}

#[test]
fn documents_of_a_later_day_are_a_held_out_set_of_their_own() {
    let documents = filings();
    let desk = Desk::new(&documents);
    let window = DateWindow {
        held_out_from: day("2013-01-01"),
        ..DateWindow::default()
    };
    desk.train("docs", "windowed", window).unwrap();
    let options = BuildOptions {
        window,
        tokenizer: desk.at("windowed"),
        ..desk.options("corpus")
    };
    let manifest = build_shards(&options, &NoProgress).unwrap();
    let later = &manifest.held_out.sources["10-Q@2013-01-01"];
    assert_eq!(later.name, "valid-10-Q@2013-01-01");
    assert!(later.documents > 50, "one a company that is not held out");
    let corpus = Corpus::open(&desk.at("corpus")).unwrap();
    for row in corpus.documents().rows().map(Result::unwrap) {
        let is_later = row.filed.as_deref() >= Some("2013-01-01");
        assert!(!is_later || row.shard.is_none(), "{}", row.id);
    }
    assert_eq!(
        corpus.held_out_row("10-Q@2013-01-01", 0).unwrap().source,
        "10-Q@2013-01-01"
    );
    shards::verify(&desk.at("corpus"), |_, _| ()).unwrap();
}

#[test]
fn leaving_documents_out_moves_and_changes_no_other() {
    let documents = filings();
    let desk = Desk::new(&documents);
    desk.build("with");
    let out = [0, 40, 41, 42, 43, 101].map(|index: usize| documents[index].id.clone());
    durable::commit_bytes(
        &DISK,
        &desk.at("ids"),
        (out.join("\n") + "\nnobody:1\n").as_bytes(),
    )
    .unwrap();
    let options = BuildOptions {
        exclude: Some(desk.at("ids")),
        ..desk.options("without")
    };
    let manifest = build_shards(&options, &NoProgress).unwrap();
    assert_eq!(manifest.dropped["excluded by id"], 6);
    assert_eq!(manifest.made_from["excluded_ids_unknown"], 1);
    let mut expected = desk.places("with");
    expected.retain(|id, _| !out.contains(id));
    assert_eq!(desk.places("without"), expected);
    shards::verify(&desk.at("without"), |_, _| ()).unwrap();
}

#[test]
fn segments_of_a_killed_build_are_used_and_those_of_another_are_not() {
    let desk = Desk::new(&filings());
    desk.build("whole");
    let options = desk.options("corpus");
    let tokenizer = open_tokenizer(&options, &NoProgress).unwrap();
    let later = DateWindow {
        from: day("2011-01-01"),
        ..DateWindow::default()
    };
    for (window, is_damaged, is_used) in [
        (options.window, false, true),
        (options.window, true, false),
        (later, false, false),
    ] {
        let work = desk.at(".corpus.work/segments");
        let run = |window| {
            let options = BuildOptions {
                window,
                ..options.clone()
            };
            let job = TokenizeJob::new(&options, &tokenizer, work.clone()).unwrap();
            job.run(Part::WHOLE, &worker_threads(1).unwrap(), &NoProgress)
                .unwrap();
        };
        run(window);
        let spool = work.join("segment-00000/spool");
        if is_damaged {
            let mut bytes = std::fs::read(&spool).unwrap();
            let last = bytes.len() - 2;
            bytes[last] ^= 1;
            durable::commit_bytes(&DISK, &spool, &bytes).unwrap();
        }
        let identity = || {
            let metadata = std::fs::metadata(&spool).unwrap();
            (
                std::os::unix::fs::MetadataExt::ino(&metadata),
                metadata.modified().unwrap(),
            )
        };
        let before = identity();
        run(options.window);
        assert_eq!(identity() == before, is_used, "damaged: {is_damaged}");
        build_shards(&options, &NoProgress).unwrap();
        assert!(files(&desk.at("whole")) == files(&desk.at("corpus")));
        durable::remove_dir(&DISK, &desk.at("corpus")).unwrap();
        assert!(!desk.at(".corpus.work").exists());
    }
}

/// Filings of two forms and a page; every other filing has an item 1A and all have an item 7.
fn filings_with_items() -> Vec<Document> {
    let section = |item: &str, first, end| Section::new(item, SectionStatus::Found, first..end);
    let of_year = |company: usize| {
        let mut document = filing(company, 2010 + company % 2);
        let text = |what: &str| Block::new(BlockKind::Paragraph, format!("{what} of company {company}."));
        document.blocks = ["Cover", "Risks", "Discussion", "Exhibits"].map(text).to_vec();
        document.sections = vec![section("7", 2, 3)];
        if company.is_multiple_of(4) {
            document.sections.push(section("1A", 1, 2));
        }
        document
    };
    let page = Document {
        id: "wiki:1:2".into(),
        source: "wiki".into(),
        blocks: vec![Block::new(BlockKind::Paragraph, "Oak is wood.")],
        ..Document::default()
    };
    (1..80).map(of_year).chain([page]).collect()
}

fn subset(forms: &[&str], items: &[&str]) -> Subset {
    Subset {
        forms: forms.iter().map(ToString::to_string).collect(),
        items: items.iter().map(|item| item.parse().unwrap()).collect(),
    }
}

#[test]
fn forms_and_items_that_are_not_asked_for_are_in_no_shard_and_counted() {
    let desk = Desk::new(&filings_with_items());
    let build = |out: &str, subset: Subset| {
        let options = BuildOptions {
            subset,
            ..desk.options(out)
        };
        build_shards(&options, &NoProgress).unwrap()
    };
    let all = build("all", Subset::default());
    assert_eq!(all.subset, None);
    let forms = build("forms", subset(&["10k", "10-KSB"], &[]));
    let sources: Vec<&String> = forms.sources.keys().collect();
    assert_eq!(sources, ["10-K"]);
    assert_eq!(forms.dropped["of another form than was asked for"], 40 + 1);
    let recorded = forms.subset.as_ref().unwrap();
    assert_eq!(recorded.forms, ["10-K", "10-KSB"]);
    assert!(recorded.items.is_empty());
    let items = build("items", subset(&["10-K"], &["1a", "7"]));
    assert_eq!(items.subset.as_ref().unwrap().items, ["1A", "7"]);
    assert!(items.num_tokens() < forms.sources["10-K"].tokens);
    let risks = build("risks", subset(&[], &["1A"]));
    assert_eq!(risks.dropped["no text of an item that was asked for"], 80 - 19);
    shards::verify(&desk.at("risks"), |_, _| ()).unwrap();
    let corpus = Corpus::open(&desk.at("risks")).unwrap();
    let tokenizer = Tokenizer::open(&desk.at("tokenizer")).unwrap();
    let mut num_blocks = 0;
    for number in 0..corpus.manifest().num_shards {
        let shard = corpus.shard(number).unwrap();
        for block in 0..shard.num_blocks() {
            let text = tokenizer.decode(&shard.block(block).unwrap().to_vec());
            assert!(text.starts_with("Risks of company"), "{text}");
            num_blocks += 1;
        }
    }
    assert_eq!(num_blocks, corpus.manifest().num_documents());
}

#[test]
fn a_form_that_nobody_knows_is_refused_with_those_that_are_there() {
    let desk = Desk::new(&filings_with_items());
    let options = BuildOptions {
        subset: subset(&["10-K", "annual report"], &[]),
        ..desk.options("out")
    };
    let refused = build_shards(&options, &NoProgress).unwrap_err().to_string();
    assert!(
        refused.contains("annual report") && refused.contains("10-K, 10-Q, wiki"),
        "{refused}"
    );
    assert!(!desk.at("out").exists());
}

#[test]
fn segments_of_another_subset_are_not_used() {
    let desk = Desk::new(&filings_with_items());
    let tokenizer = Tokenizer::open(&desk.at("tokenizer")).unwrap();
    let kept = desk.at("kept");
    let job = |subset: Subset| {
        let options = BuildOptions {
            subset,
            ..desk.options("out")
        };
        let job = TokenizeJob::new(&options, &tokenizer, kept.clone()).unwrap();
        job.open_all(Trust::Found).is_ok()
    };
    let options = BuildOptions {
        subset: subset(&["10-Q", "10-K"], &["7"]),
        ..desk.options("out")
    };
    let first = TokenizeJob::new(&options, &tokenizer, kept.clone()).unwrap();
    first
        .run(Part::WHOLE, &worker_threads(1).unwrap(), &NoProgress)
        .unwrap();
    assert!(
        job(subset(&["10-K", "10-Q", "10-K"], &["7", "7"])),
        "another order is the same subset"
    );
    for other in [
        subset(&[], &[]),
        subset(&["10-K"], &["7"]),
        subset(&["10-K", "10-Q"], &["1A", "7"]),
    ] {
        assert!(!job(other.clone()), "{other:?}");
    }
}

#[test]
fn impossible_options_are_refused_before_any_work() {
    let options = BuildOptions {
        docs: "no/docs".into(),
        tokenizer: "no/tokenizer".into(),
        out: "no/out".into(),
        num_shards: 0,
        held_out_fraction: 0.05,
        window: DateWindow::default(),
        subset: Subset::default(),
        duplicates: None,
        exclude: None,
        packings: Vec::new(),
        threads: 1,
    };
    let refused = |options: BuildOptions| build_shards(&options, &NoProgress).unwrap_err();
    assert!(matches!(
        refused(options.clone()),
        CorpusError::NumShards { found: 0 }
    ));
    let options = BuildOptions {
        num_shards: 1,
        ..options
    };
    assert!(matches!(
        refused(BuildOptions {
            held_out_fraction: 1.5,
            ..options.clone()
        }),
        CorpusError::HeldOutFraction { .. }
    ));
    let rule = DuplicateRule {
        similarity: 0.5,
        ..DuplicateRule::default()
    };
    assert!(matches!(
        refused(BuildOptions {
            duplicates: Some(rule),
            ..options.clone()
        }),
        CorpusError::Similarity { .. }
    ));
    let window = DateWindow {
        from: day("2012-01-01"),
        to: day("2011-01-01"),
        held_out_from: None,
    };
    assert!(matches!(
        refused(BuildOptions { window, ..options }),
        CorpusError::EmptyWindow { .. }
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
