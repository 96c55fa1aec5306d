use std::path::Path;

use super::*;

/// Reading is not allowed to begin.
struct NothingIsRead;

impl Progress for NothingIsRead {
    fn start(&self, what: &str, _: Option<u64>) {
        panic!("started {what}");
    }
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
    fn note(&self, _: &str) {}
}

#[test]
fn a_cut_dump_ends_the_command_before_any_filing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        durable::commit_bytes(&DISK, &path, bytes).unwrap();
        vec![path]
    };
    let options = IngestOptions {
        inputs: BTreeMap::from([
            (Source::Filings, put("a.htm", b"<p>FORM 10-K</p><p>Oak.</p>")),
            (
                Source::Wiki,
                put("cut.xml", b"<mediawiki><page><title>Oak</title>"),
            ),
        ]),
        exhibits: Exhibits::default(),
        out: folder.path().join("docs"),
        threads: 1,
    };
    let error = ingest(&options, &NothingIsRead).unwrap_err();
    assert!(
        matches!(error, CorpusError::Dump(wikipedia::DumpError::Cut { .. })),
        "{error:?}"
    );
    assert!(!options.out.exists());
}

#[test]
fn stray_files_beside_a_dump_are_rejected_by_name_and_the_dump_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let wiki = folder.path().join("wiki");
    std::fs::create_dir(&wiki).unwrap();
    let dump = "<mediawiki><page><title>Oak</title><ns>0</ns><id>1</id><revision><id>2</id>\
        <text>Oak is wood.</text></revision></page></mediawiki>";
    let extract = "\n<doc id=\"3\" url=\"\" title=\"Ash\">\nAsh\n\nAsh is wood, too.\n</doc>\n";
    for (name, text) in [
        ("dump.xml", dump),
        ("stray.xml", "<settings></settings>"),
        ("wiki_00", ""),
        ("wiki_01", &format!("\u{feff}{extract}")),
    ] {
        durable::commit_bytes(&DISK, &wiki.join(name), text.as_bytes()).unwrap();
    }
    let options = IngestOptions {
        inputs: BTreeMap::from([(Source::Wiki, vec![wiki])]),
        out: folder.path().join("docs"),
        threads: 1,
        ..IngestOptions::default()
    };
    ingest(&options, &documents::NoProgress).unwrap();
    let rejected = std::fs::read_to_string(options.out.join("rejected.jsonl")).unwrap();
    assert_eq!(rejected.lines().count(), 2, "{rejected}");
    assert!(
        rejected.contains("stray.xml") && rejected.contains("wiki_00"),
        "{rejected}"
    );
    let ids: Vec<String> = documents::DocumentReader::open(&options.out)
        .unwrap()
        .map(|document| document.unwrap().id)
        .collect();
    assert_eq!(ids, ["wiki:1:2", "wiki:3:0"]);
}

/// A folder with inputs and room for outputs.
struct Desk {
    root: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        durable::commit_bytes(&DISK, &self.at(name), text.as_bytes()).unwrap();
    }

    /// Filings of 12 MB and a dump of 10 MB: several segments, and several pieces of the dump.
    fn filled() -> Self {
        let desk = Self::new();
        let lines = |seed: usize, bytes: usize| -> String {
            let line = |n: usize| format!("Line {n} of text {seed} tells of {} things.\n\n", n * n % 7919);
            (0..bytes / 40).map(line).collect()
        };
        for company in 0..12 {
            let text = submission(company, &lines(company, 1 << 20));
            desk.put(&format!("filings/{company:02}.txt"), &text);
        }
        desk.put("filings/07-again.txt", &submission(7, &lines(7, 1 << 20)));
        desk.put("filings/broken.htm", "");
        let page = |id: usize| {
            format!(
                "<page><title>P{id}</title><ns>0</ns><id>{id}</id><revision><id>{id}</id><text>{}</text></revision></page>\n",
                lines(id, 100_000)
            )
        };
        let pages: String = (1..100).map(page).collect();
        desk.put("wiki/dump.xml", &format!("<mediawiki>{pages}</mediawiki>"));
        desk
    }

    fn options(&self, out: &str) -> IngestOptions {
        let wiki = self.at("wiki");
        IngestOptions {
            inputs: BTreeMap::from([
                (Source::Filings, vec![self.at("filings")]),
                (Source::Wiki, if wiki.exists() { vec![wiki] } else { Vec::new() }),
            ]),
            out: self.at(out),
            threads: 2,
            ..IngestOptions::default()
        }
    }

    fn files(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(self.at(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let bytes = std::fs::read(&path).unwrap();
                (path.file_name().unwrap().into(), bytes)
            })
            .collect();
        files.sort();
        files
    }

    fn assert_same(&self, one: &str, two: &str) {
        let (one, two) = (self.files(one), self.files(two));
        assert_eq!(one.len(), two.len());
        for ((name, first), (other, second)) in one.iter().zip(&two) {
            assert_eq!(name, other);
            assert!(first == second, "{} differs", name.display());
        }
    }
}

fn submission(company: usize, text: &str) -> String {
    let accession = format!("{company:010}-10-000001");
    format!(
        "<SEC-DOCUMENT>{accession}.txt : 20100301\n<SEC-HEADER>{accession}.hdr.sgml : 20100301\n\
         ACCESSION NUMBER:\t\t{accession}\nCONFORMED SUBMISSION TYPE:\t10-K\nFILED AS OF DATE:\t\t20100301\n\
         </SEC-HEADER>\n<DOCUMENT>\n<TYPE>10-K\n<SEQUENCE>1\n<TEXT>\n{text}\n</TEXT>\n</DOCUMENT>\n</SEC-DOCUMENT>\n"
    )
}

#[test]
fn the_same_document_again_is_skipped_and_another_of_its_accession_number_is_rejected_with_both_paths() {
    let desk = Desk::new();
    desk.put("filings/a.txt", &submission(1, "Oak is wood."));
    desk.put("filings/b.txt", &submission(1, "Oak is wood."));
    desk.put("filings/c.txt", &submission(1, "Oak is iron."));
    desk.put("filings/d.txt", &submission(2, "Oak is wood."));
    let manifest = ingest(&desk.options("docs"), &documents::NoProgress).unwrap();
    assert_eq!((manifest.num_documents(), manifest.inputs.files), (2, 4));
    let list = |name: &str| std::fs::read_to_string(desk.at("docs").join(name)).unwrap();
    let (skipped, rejected) = (list("skipped.jsonl"), list("rejected.jsonl"));
    assert!(
        skipped.contains("duplicate") && skipped.contains("/b.txt") && skipped.contains("/a.txt"),
        "{skipped}"
    );
    assert!(
        rejected.contains("different content") && rejected.contains("/c.txt") && rejected.contains("/a.txt"),
        "{rejected}"
    );
    assert_eq!(skipped.lines().count() + rejected.lines().count(), 2);
}

#[test]
fn parts_in_any_order_and_a_merge_give_the_bytes_of_a_whole_ingest() {
    let desk = Desk::filled();
    let no_progress = documents::NoProgress;
    ingest(&desk.options("whole"), &no_progress).unwrap();
    let options = desk.options("merged");
    let missing = merge_ingested_parts(&options, &no_progress).unwrap_err();
    assert!(
        matches!(missing, CorpusError::MissingParts { first: 0, .. }),
        "{missing}"
    );
    assert!(!desk.at("merged.parts").exists());
    let part = |text: &str| ingest_part(&options, text.parse().unwrap(), &no_progress).unwrap();
    let (third, first) = (part("3/3"), part("1/3"));
    assert!(third.segments > 0 && first.segments > 0, "{third:?} {first:?}");
    let missing = merge_ingested_parts(&options, &no_progress).unwrap_err();
    assert!(
        matches!(&missing, CorpusError::MissingParts { first: segment, .. } if *segment == first.segments),
        "{missing}"
    );
    part("2/3");
    crate::work::scratch::damage_one(&desk.at("merged.parts"), "entries");
    let damaged = merge_ingested_parts(&options, &no_progress).unwrap_err();
    assert!(
        matches!(damaged, CorpusError::MissingParts { missing: 1, .. }),
        "{damaged}"
    );
    for again in ["1/3", "2/3", "3/3"] {
        part(again);
    }
    merge_ingested_parts(&options, &no_progress).unwrap();
    desk.assert_same("whole", "merged");
    let rejected = std::fs::read_to_string(desk.at("merged/rejected.jsonl")).unwrap();
    assert!(rejected.contains("broken.htm"), "{rejected}");
    let other = IngestOptions {
        exhibits: Exhibits::All,
        ..options
    };
    std::fs::rename(desk.at("merged"), desk.at("gone")).unwrap();
    let refused = merge_ingested_parts(&other, &no_progress).unwrap_err();
    assert!(
        matches!(refused, CorpusError::MissingParts { first: 0, .. }),
        "{refused}"
    );
}

/// Makes a segment one that another version has read.
fn read_by_another_version(segment: &Path) {
    crate::work::scratch::restate(segment, |seal| {
        let version = &mut seal["facts"]["origin"]["reader_version"];
        assert_eq!(version.as_u64(), Some(edgar::READER_VERSION.into()));
        *version = (edgar::READER_VERSION + 1).into();
    });
}

#[test]
fn a_merge_refuses_a_segment_that_another_version_has_read_until_its_part_is_read_again() {
    let desk = Desk::new();
    desk.put("filings/a.txt", &submission(1, "Oak is wood."));
    let no_progress = documents::NoProgress;
    let options = desk.options("docs");
    ingest_part(&options, Part::WHOLE, &no_progress).unwrap();
    read_by_another_version(&desk.at("docs.parts/segment-00000"));
    let refused = merge_ingested_parts(&options, &no_progress).unwrap_err();
    let (found, expected) = (edgar::READER_VERSION + 1, edgar::READER_VERSION);
    assert_eq!(
        refused.to_string(),
        format!(
            "segment-00000 in {} was read by version {found} of its reader, and this program has version {expected}, \
            which may read it otherwise; run the same command with each --part again with this program, then --merge",
            desk.at("docs.parts").display()
        )
    );
    assert!(!desk.at("docs").exists());
    ingest_part(&options, Part::WHOLE, &no_progress).unwrap();
    merge_ingested_parts(&options, &no_progress).unwrap();
}

#[test]
fn a_command_makes_a_kept_segment_of_another_version_anew() {
    let desk = Desk::new();
    desk.put("filings/a.txt", &submission(1, "Oak is wood."));
    let no_progress = documents::NoProgress;
    let options = desk.options("docs");
    let all = AllInputs::find(&options).unwrap();
    let job = all.job(&options, desk.at(".docs.work/segments")).unwrap();
    let pool = worker_threads(1).unwrap();
    let is_whole = |trust| matches!(job.state(0, trust), Ok(job::State::Whole(1)));
    read_part(&job, Part::WHOLE, options.exhibits, &pool, &no_progress).unwrap();
    assert!(is_whole(Trust::Found));
    read_by_another_version(&job.piece(0, 0));
    assert!(!is_whole(Trust::Found));
    read_part(&job, Part::WHOLE, options.exhibits, &pool, &no_progress).unwrap();
    assert!(is_whole(Trust::Found));
}

/// Letters that nothing makes shorter.
fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    (0..bytes).map(letter).collect()
}

#[test]
fn one_multistream_dump_is_divided_over_parts_and_one_of_a_single_stream_is_said_to_be_in_one_part() {
    use std::io::Read;
    let desk = Desk::new();
    let compressed = |text: &str| {
        let mut bytes = Vec::new();
        let mut encoder = bzip2::read::BzEncoder::new(text.as_bytes(), bzip2::Compression::fast());
        encoder.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let page = |id: u64| {
        format!(
            "<page><title>P{id}</title><ns>0</ns><id>{id}</id><revision><id>{id}</id><text>{}</text></revision></page>",
            noise(id, 600_000)
        )
    };
    let pages: Vec<String> = (1..26).map(page).collect();
    let head = "<mediawiki><siteinfo><dbname>x</dbname></siteinfo>";
    let texts = [vec![head.to_owned()], pages, vec!["</mediawiki>".to_owned()]].concat();
    let of_one = compressed(&texts.concat());
    let of_many: Vec<u8> = texts.iter().flat_map(|text| compressed(text)).collect();
    let no_progress = documents::NoProgress;
    let segments_of_parts = |bytes: &[u8], name: &str| {
        std::fs::create_dir_all(desk.at("wiki")).unwrap();
        durable::commit_bytes(&DISK, &desk.at("wiki/dump.xml.bz2"), bytes).unwrap();
        let options = IngestOptions {
            inputs: BTreeMap::from([(Source::Wiki, vec![desk.at("wiki")])]),
            ..desk.options(name)
        };
        let part = |part: &str| ingest_part(&options, part.parse().unwrap(), &no_progress).unwrap();
        let reports = [part("2/2"), part("1/2")];
        merge_ingested_parts(&options, &no_progress).unwrap();
        reports.map(|report| (report.segments, report.undivided.len()))
    };
    let of_divided = segments_of_parts(&of_many, "divided");
    assert!(
        of_divided
            .iter()
            .all(|(segments, undivided)| *segments > 0 && *undivided == 0),
        "{of_divided:?}"
    );
    let options = IngestOptions {
        inputs: BTreeMap::from([(Source::Wiki, vec![desk.at("wiki")])]),
        ..desk.options("whole")
    };
    ingest(&options, &no_progress).unwrap();
    desk.assert_same("whole", "divided");
    let divided = documents::DocsManifest::open(&desk.at("divided")).unwrap();
    assert_eq!((divided.num_documents(), divided.inputs.files), (25, 1));
    let of_one = segments_of_parts(&of_one, "one");
    assert_eq!(of_one.map(|(segments, _)| segments).iter().sum::<u32>(), 1);
    assert_eq!(of_one.map(|(_, undivided)| undivided), [1, 1]);
    let ids = |folder: &str| -> Vec<String> {
        let reader = documents::DocumentReader::open(&desk.at(folder)).unwrap();
        reader.map(|document| document.unwrap().id).collect()
    };
    assert_eq!(ids("one"), ids("whole"));
}

#[test]
fn what_a_killed_ingest_has_read_is_not_read_again_unless_the_input_changed() {
    let desk = Desk::filled();
    let no_progress = documents::NoProgress;
    ingest(&desk.options("whole"), &no_progress).unwrap();
    let options = desk.options("docs");
    let read_all = || {
        let all = AllInputs::find(&options).unwrap();
        let folder = desk.at(".docs.work/segments");
        let job = all.job(&options, folder.clone()).unwrap();
        let pool = worker_threads(2).unwrap();
        read_part(&job, Part::WHOLE, options.exhibits, &pool, &no_progress).unwrap();
        let pieces = job.num_pieces(Trust::Known).unwrap();
        assert!(
            pieces.len() > 3 && pieces.last().is_some_and(|pieces| *pieces > 1),
            "{pieces:?}"
        );
        (folder, pieces)
    };
    let (folder, pieces) = read_all();
    // Killed within the dump: its last piece is not there.
    let last = format!(
        "segment-{:05}.{:05}",
        pieces.len() - 1,
        pieces[pieces.len() - 1] - 1
    );
    std::fs::rename(folder.join(&last), folder.join(format!("{last}.unfinished"))).unwrap();
    let touch = |is_noticed: bool| {
        let path = desk.at("filings/03.txt");
        let modified = path.metadata().unwrap().modified().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        durable::commit_bytes(&DISK, &path, text.replace("things", "matter").as_bytes()).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let later = modified + std::time::Duration::from_secs(u64::from(is_noticed));
        file.set_modified(later).unwrap();
    };
    touch(false);
    ingest(&options, &no_progress).unwrap();
    assert!(!desk.at(".docs.work").exists());
    desk.assert_same("whole", "docs");

    std::fs::rename(desk.at("docs"), desk.at("first")).unwrap();
    read_all();
    touch(true);
    ingest(&options, &no_progress).unwrap();
    assert!(
        desk.files("docs") != desk.files("whole"),
        "a changed input is read again"
    );
}
