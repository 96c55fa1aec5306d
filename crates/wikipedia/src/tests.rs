//! The dump reader on written and on real dumps.
#![expect(
    clippy::disallowed_methods,
    reason = "tests write damaged dumps and look for the data folder"
)]

use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use documents::{Document, Outcome};
use rayon::ThreadPool;

use super::*;

const MARKS: [&str; 5] = ["[[", "{{", "}}", "|}", "<ref"];

fn pool(num_threads: usize) -> ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(num_threads)
        .build()
        .unwrap()
}

fn read_results(path: &Path, num_threads: usize) -> (Vec<PageResult>, Result<DumpReport, DumpError>) {
    let mut results = Vec::new();
    let report = read_dump(
        path,
        &pool(num_threads),
        |page| page,
        |page| {
            results.push(page);
            ControlFlow::Continue(())
        },
    );
    (results, report)
}

fn read_all(path: &Path) -> (Vec<Document>, Result<DumpReport, DumpError>) {
    let (results, report) = read_results(path, 2);
    (documents_of(results), report)
}

fn documents_of(results: Vec<PageResult>) -> Vec<Document> {
    results
        .into_iter()
        .filter_map(|page| page.outcome.document())
        .collect()
}

fn rejected_of(results: &[PageResult]) -> Vec<(&str, &str)> {
    results
        .iter()
        .filter_map(|page| match &page.outcome {
            Outcome::Rejected { reason } => Some((page.title.as_str(), reason.as_str())),
            _ => None,
        })
        .collect()
}

#[test]
fn a_dump_that_is_a_pipe_by_now_is_refused_at_once_by_each_reader() {
    use durable::testing::{lay_pipe, within_a_minute};

    type Reader = fn(&Path) -> Result<(), DumpError>;
    let readers: [Reader; 3] = [
        |path| crate::dump_end::check_dump(path),
        |path| divide(path, 10).map(drop),
        |path| read_results(path, 2).1.map(drop),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.xml");
    lay_pipe(&path).unwrap();
    for reader in readers {
        let pipe = path.clone();
        match within_a_minute(move || reader(&pipe)) {
            Err(DumpError::Read {
                path: named, source, ..
            }) => {
                assert_eq!(named, path);
                assert!(source.to_string().contains("it is a pipe"), "{source}");
            }
            other => panic!("{other:?}"),
        }
    }
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn page(id: u32, namespace: i32, text: &str) -> String {
    format!(
        "<page><title>P{id}</title><ns>{namespace}</ns><id>{id}</id><revision><id>{}</id><timestamp>2020-01-02T03:04:05Z</timestamp><contributor><id>77</id></contributor><text>{text}</text></revision></page>\n",
        id + 100
    )
}

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn pages_of_all_streams_come_in_order_with_their_identity() {
    let head = "<mediawiki><siteinfo><base>https://x.example/wiki/Main</base><namespaces><namespace key=\"6\">Datei</namespace></namespaces></siteinfo>";
    let mut bytes = compressed(head);
    bytes.extend(compressed(
        &(page(1, 0, "A &amp;amp; &lt;b&gt;B&lt;/b&gt; [[Datei:x.png|y]]") + &page(2, 1, "talk")),
    ));
    bytes.extend(compressed(
        &(page(3, 0, "#REDIRECT [[P1]]") + &page(4, 0, "{{disambiguation}}") + &page(5, 0, "{{x}}")),
    ));
    bytes.extend(compressed(
        &(page(6, 0, "C<![CDATA[ <i>D</i>]]>") + "</mediawiki>"),
    ));
    let (_folder, path) = written("x.xml.bz2", &bytes);
    let (documents, report) = read_all(&path);
    let report = report.unwrap();
    assert_eq!(
        documents
            .iter()
            .map(|document| document.id.as_str())
            .collect::<Vec<_>>(),
        ["wiki:1:101", "wiki:6:106"]
    );
    let texts: Vec<&str> = documents
        .iter()
        .flat_map(|document| &document.blocks)
        .map(|block| block.text.as_str())
        .collect();
    assert_eq!(texts, ["P1", "A & B", "P6", "C D"]);
    assert_eq!(documents[0].accepted_at.as_deref(), Some("2020-01-02T03:04:05Z"));
    assert_eq!(documents[0].url.as_deref(), Some("https://x.example/wiki/P1"));
    assert_eq!((report.pages, report.documents), (6, 2));
    assert_eq!(report.skipped.values().sum::<u64>(), 4);
}

#[test]
fn a_dump_cut_anywhere_ends_in_an_error_that_names_the_file() {
    let text = format!(
        "<mediawiki>{}{}</mediawiki>",
        page(1, 0, "one"),
        page(2, 0, "two")
    );
    let whole = compressed(&text);
    for (name, bytes) in [
        ("a.xml.bz2", &whole[..whole.len() - 20]),
        ("b.xml", &text.as_bytes()[..text.len() - 30]),
        ("c.xml", &text.as_bytes()[..20]),
    ] {
        let (_folder, path) = written(name, bytes);
        let (_, report) = read_all(&path);
        let error = report.unwrap_err();
        assert!(matches!(error, DumpError::Truncated { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_page_whose_xml_is_damaged_is_rejected_by_name_and_the_others_go_on() {
    let wrong = "<page><title>Wrong</title></id></page>\n<page><title>Open</title>\n";
    let text = format!(
        "<mediawiki>{}{wrong}{}</mediawiki>",
        page(1, 0, "one"),
        page(2, 0, "two")
    );
    let (_folder, path) = written("d.xml", text.as_bytes());
    let (results, report) = read_results(&path, 2);
    report.unwrap();
    let rejected = rejected_of(&results);
    let place = text.find("<page><title>Wrong").unwrap();
    assert_eq!(
        rejected[0],
        (
            format!("Wrong (byte {place} of the text)").as_str(),
            "the page's XML is damaged"
        )
    );
    assert!(
        rejected[1].0.starts_with("Open") && rejected[1].1.contains("no end"),
        "{rejected:?}"
    );
    assert_eq!(documents_of(results).len(), 2);
}

#[test]
fn the_sink_can_stop_the_dump() {
    let pages: String = (1..2_000)
        .map(|id| page(id, 0, &"long text ".repeat(900)))
        .collect();
    let (_folder, path) = written("e.xml", format!("<mediawiki>{pages}</mediawiki>").as_bytes());
    let mut seen = 0;
    let stop = |_| {
        seen += 1;
        ControlFlow::Break(())
    };
    read_dump(&path, &pool(2), |page| page, stop).unwrap();
    assert_eq!(seen, 1);
}

/// A dump of pages of different lengths, some with marks in their text.
fn long_dump() -> String {
    let pages: String = (1..=300)
        .map(|id| {
            let text =
                format!("word{id} &lt;i&gt;[[a|b]]&lt;/i&gt; {{{{x}}}} ").repeat(id as usize % 37 * 9 + 1);
            page(id, i32::from(id % 10 == 0), &text)
        })
        .collect();
    format!("<mediawiki><siteinfo></siteinfo>{pages}</mediawiki>")
}

#[test]
fn neither_threads_nor_streams_change_what_is_read() {
    let text = long_dump();
    let (_folder, plain) = written("plain.xml", text.as_bytes());
    let (expected, report) = read_results(&plain, 1);
    assert_eq!(report.unwrap().pages, 300);
    let parts = |length: usize| -> Vec<u8> {
        let chunks = text.as_bytes().chunks(length);
        chunks
            .flat_map(|chunk| compressed(std::str::from_utf8(chunk).unwrap()))
            .collect()
    };
    for bytes in [compressed(&text), parts(997), parts(64 << 10)] {
        let (_folder, path) = written("x.xml.bz2", &bytes);
        for num_threads in [1, 2, 5] {
            let (results, report) = read_results(&path, num_threads);
            report.unwrap();
            assert!(results == expected, "{num_threads} threads");
        }
    }
}

#[test]
fn one_damaged_stream_costs_its_pages_and_is_named_by_its_place() {
    let pages: Vec<String> = (1..=30).map(|id| page(id, 0, &format!("text {id}"))).collect();
    let mut streams = vec![compressed("<mediawiki><siteinfo></siteinfo>")];
    streams.extend(pages.chunks(3).map(|pages| compressed(&pages.concat())));
    streams.push(compressed("</mediawiki>"));
    let (from, length) = (streams[..4].concat().len(), streams[4].len());
    let mut bytes = streams.concat();
    bytes[from + length / 2] ^= 0xff;
    let (_folder, path) = written("x.xml.bz2", &bytes);
    let (results, report) = read_results(&path, 3);
    let report = report.unwrap();
    assert_eq!(report.documents, 27);
    assert_eq!(report.rejected.values().sum::<u64>(), 1);
    let place = format!("bytes {from} to {}", from + length);
    assert_eq!(
        rejected_of(&results),
        [(place.as_str(), "a damaged bzip2 stream: the pages in it are lost")]
    );
    let ids: Vec<String> = documents_of(results)
        .into_iter()
        .map(|document| document.id)
        .collect();
    assert!(!ids.contains(&"wiki:10:110".to_owned()) && ids.contains(&"wiki:13:113".to_owned()));
}

#[test]
fn a_dump_whose_header_is_lost_is_an_error_because_its_namespaces_are_unknown() {
    let mut bytes = compressed("<mediawiki><siteinfo></siteinfo>");
    bytes[20] ^= 1;
    bytes.extend(compressed(&(page(1, 0, "x") + "</mediawiki>")));
    let (_folder, path) = written("x.xml.bz2", &bytes);
    let (_, report) = read_results(&path, 2);
    assert!(
        matches!(report, Err(DumpError::Damaged { offset: 0, .. })),
        "{report:?}"
    );
}

/// Pages and rejected pages of a reading, and the places told with how many pages before them.
fn read_on(path: &Path, reading: Reading) -> (Vec<PageResult>, Vec<(usize, DumpPlace)>) {
    let (mut pages, mut places) = (Vec::new(), Vec::new());
    let sink = |event| {
        match event {
            DumpEvent::Page(page) => pages.push(page),
            DumpEvent::Place(place) => places.push((pages.len(), place)),
        }
        ControlFlow::Continue(())
    };
    read_dump_on(path, reading, &pool(2), |page| page, sink).unwrap();
    (pages, places)
}

#[test]
fn reading_from_any_place_that_was_told_gives_the_rest_of_the_dump() {
    let header = "<mediawiki><siteinfo><dbname>x</dbname><namespaces><namespace key=\"6\">Bild</namespace>\
        </namespaces></siteinfo>";
    let words = |id: u32| (0..30_000).map(move |n: u32| format!("w{} ", n.wrapping_mul(n ^ id) % 9973));
    let long = |id: u32| page(id, 0, &format!("[[Bild:a|b]] {}", words(id).collect::<String>()));
    let bad = "<page><title>Bad</page>".to_owned();
    let pages: Vec<String> = (1..20_u32)
        .map(|id| if id == 11 { bad.clone() } else { long(id) })
        .collect();
    let plain = format!("{header}{}</mediawiki>", pages.concat()).into_bytes();
    // Streams of whole pages, one of them damaged, and streams that end inside of pages.
    let mut damaged = compressed(&long(100));
    damaged[400] ^= 1;
    let mut whole = compressed(header);
    whole.extend(pages.iter().flat_map(|page| compressed(page)));
    whole.extend(damaged);
    whole.extend(compressed(&long(101)));
    whole.extend(compressed("</mediawiki>"));
    let cut = plain.chunks(150_000);
    let cut: Vec<u8> = cut
        .flat_map(|text| compressed(std::str::from_utf8(text).unwrap()))
        .collect();
    for (name, bytes, least_places) in [
        ("a.xml", &plain, 2),
        ("b.xml.bz2", &whole, 15),
        ("c.xml.bz2", &cut, 0),
    ] {
        let (_folder, path) = written(name, bytes);
        let often = Reading {
            places_every: 1,
            ..Reading::default()
        };
        let (all, places) = read_on(&path, often);
        assert!(places.len() >= least_places, "{name}: {}", places.len());
        assert_eq!(read_on(&path, Reading::default()).0, all);
        for (num_before, place) in places {
            let from = Reading {
                from: place.clone(),
                ..Reading::default()
            };
            let (rest, _) = read_on(&path, from);
            assert!(rest == all[num_before..], "{name} from {place:?}");
        }
    }
}

/// All parts of a dump, read one by one; places in the text of a part count from its beginning.
fn read_parts(path: &Path, places: &[DumpPlace]) -> Vec<PageResult> {
    let ends = places.iter().skip(1).map(|next| Some(next.offset));
    let parts = places.iter().zip(ends.chain([None]));
    parts
        .flat_map(|(from, until)| {
            let reading = Reading {
                from: from.clone(),
                until,
                ..Reading::default()
            };
            read_on(path, reading).0
        })
        .collect()
}

#[test]
fn the_parts_of_a_multistream_dump_hold_what_the_whole_does() {
    let header = "<mediawiki><siteinfo><dbname>x</dbname><namespaces><namespace key=\"6\">Bild</namespace>\
        </namespaces></siteinfo>\n";
    let good = |id: u32| page(id, 0, &format!("[[Bild:a|b]] word {id} ").repeat(40));
    let mut streams = vec![compressed(header)];
    streams.extend((1..40).map(|id| match id {
        // An open page at the end of a stream, and a stream that ends inside of one.
        9 => compressed("<page><title>Open</title>"),
        17 => compressed(&good(id)[..200]),
        18 => compressed(&good(17)[200..]),
        _ => compressed(&format!("  {}", good(id))),
    }));
    streams[25][60] ^= 1;
    // A stream without its tail asks for more.
    let short = streams[30].len() - 20;
    streams[30].truncate(short);
    streams.push(compressed("</mediawiki>\n"));
    let (_folder, path) = written("x.xml.bz2", &streams.concat());
    let whole = read_on(&path, Reading::default()).0;
    let named = |results: Vec<PageResult>| -> Vec<PageResult> {
        let name = |title: &str| title.split(" (byte ").next().unwrap_or_default().to_owned();
        results
            .into_iter()
            .map(|page| PageResult {
                title: name(&page.title),
                ..page
            })
            .collect()
    };
    assert!(whole.iter().any(|page| page.title.starts_with("Open (byte ")));
    for (part_bytes, least_parts) in [(1, 30), (500, 4), (3000, 1), (1 << 20, 1)] {
        let places = divide(&path, part_bytes).unwrap();
        assert!(places.len() >= least_parts, "{}", places.len());
        assert!(
            named(read_parts(&path, &places)) == named(whole.clone()),
            "{part_bytes}"
        );
    }
}

#[test]
fn a_dump_whose_streams_do_not_begin_with_pages_is_one_part() {
    let text = long_dump();
    let cut: Vec<u8> = text
        .as_bytes()
        .chunks(10_000)
        .flat_map(|chunk| compressed(std::str::from_utf8(chunk).unwrap()))
        .collect();
    let of_one = compressed(&text);
    for (name, bytes) in [
        ("a.xml", text.as_bytes()),
        ("b.xml.bz2", &of_one),
        ("c.xml.bz2", &cut),
        ("d.xml.bz2", b""),
        ("e.xml.bz2", b"BZh9"),
    ] {
        let (_folder, path) = written(name, bytes);
        assert_eq!(divide(&path, 1000).unwrap(), [DumpPlace::default()], "{name}");
    }
}

#[test]
fn a_multistream_dump_cut_at_any_byte_never_passes_for_whole() {
    let streams = [
        compressed("<mediawiki>"),
        compressed(&page(1, 0, "one")),
        compressed(&(page(2, 0, "two") + "</mediawiki>")),
    ];
    let bytes = streams.concat();
    for length in 0..bytes.len() {
        let reader = Box::new(std::io::Cursor::new(bytes[..length].to_vec()));
        let report = read_dump_from(
            Path::new("x"),
            reader,
            &pool(1),
            |page| page,
            |_| ControlFlow::Continue(()),
        );
        // Fewer than the four bytes of bzip2's mark are text that is no dump.
        let is_refused = matches!(
            report,
            Err(DumpError::Truncated { .. } | DumpError::Damaged { .. })
        );
        assert!(
            is_refused || (length < 3 && report.unwrap().documents == 0),
            "{length}"
        );
    }
}

#[test]
fn real_extracted_text_becomes_documents_without_residue() {
    let Some(folder) = test_data::find("wiki2018") else {
        return;
    };
    let (documents, report) = read_all(&folder.join("text_AA_wiki_01"));
    let report = report.unwrap();
    assert_eq!(report.pages, 2051);
    assert!(report.rejected.is_empty(), "{report:?}");
    assert!(report.documents == 495, "{report:?}");
    assert_clean(&documents);
    assert!(documents.iter().all(|document| document.blocks.len() > 1));
}

#[test]
fn an_extracted_file_that_is_cut_rejects_its_last_document_alone() {
    let text = "<doc id=\"1\" url=\"\" title=\"A\">\nA\n\ntext\n</doc>\n<doc id=\"2\" url=\"\" title=\"B\">\nB\n\ntex";
    let (_folder, path) = written("wiki_00", text.as_bytes());
    let (results, report) = read_results(&path, 2);
    assert_eq!(report.unwrap().documents, 1);
    assert!(rejected_of(&results)[0].1.contains("cut"), "{results:?}");
}

#[test]
fn extracted_text_whose_last_stream_is_cut_is_read_up_to_it_and_the_cut_is_named() {
    let document = |id: u32| {
        compressed(&format!(
            "<doc id=\"{id}\" url=\"\" title=\"T\">\nT\n\ntext\n</doc>\n"
        ))
    };
    let bytes = [document(1), document(2), document(3)].concat();
    let (_folder, path) = written("wiki_00.bz2", &bytes[..bytes.len() - 20]);
    let (results, report) = read_results(&path, 2);
    assert_eq!(report.unwrap().documents, 2);
    assert!(rejected_of(&results).last().unwrap().1.contains("cut"));
}

fn assert_clean(documents: &[Document]) {
    for document in documents {
        for block in &document.blocks {
            assert!(
                MARKS.iter().all(|mark| !block.text.contains(mark)),
                "{}: {}",
                document.id,
                block.text
            );
            assert!(block.is_clean(), "{}: {block:?}", document.id);
        }
    }
}

#[test]
fn the_real_english_excerpt_reads_clean() {
    let Some(path) =
        test_data::find("wiki/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2")
    else {
        return;
    };
    let (documents, report) = read_all(&path);
    let report = report.unwrap();
    assert_eq!(report.pages, 206);
    assert!(report.documents > 95, "{report:?}");
    assert!(report.rejected.is_empty());
    assert_clean(&documents);
    let anarchism = documents
        .iter()
        .find(|document| document.title.as_deref() == Some("Anarchism"))
        .unwrap();
    let words: usize = anarchism
        .blocks
        .iter()
        .map(|block| block.text.split(' ').count())
        .sum();
    assert!(words > 5_000, "{words}");
}

#[test]
fn the_real_bulgarian_excerpt_in_utf16_reads_clean() {
    let Some(path) = test_data::find("wiki/bgwiki-latest-pages-articles-shortened.xml.bz2") else {
        return;
    };
    let (documents, report) = read_all(&path);
    assert!(report.unwrap().documents > 0);
    assert_clean(&documents);
    let has_cyrillic = |text: &str| text.chars().any(|letter| ('а'..='я').contains(&letter));
    assert!(
        documents
            .iter()
            .all(|document| document.blocks.iter().any(|block| has_cyrillic(&block.text)))
    );
}

#[test]
fn a_page_with_half_a_utf16_character_is_rejected_by_its_title_and_the_others_are_read() {
    let page = |title: &str, id: u32, text: &str| {
        format!(
            "<page><title>{title}</title><ns>0</ns><id>{id}</id><revision><id>9</id><text>{text}</text></revision></page>"
        )
    };
    let xml = format!(
        "<mediawiki>{}{}{}</mediawiki>",
        page("Oak", 1, "Oak is wood."),
        page("Ash", 2, "Ash !is wood."),
        page("Elm", 3, "Elm is wood, na\u{ef}ve \u{1f600}.")
    );
    let mut bytes = vec![0xff, 0xfe];
    for unit in xml.encode_utf16() {
        let unit = if unit == u16::from(b'!') { 0xd83d } else { unit };
        bytes.extend(unit.to_le_bytes());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.xml");
    std::fs::write(&path, bytes).unwrap();
    let (results, report) = read_results(&path, 2);
    report.unwrap();
    let rejected = rejected_of(&results);
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    assert!(rejected[0].0.starts_with("Ash"), "{rejected:?}");
    assert_eq!(rejected[0].1, "the page is not UTF-8");
    let documents = documents_of(results);
    assert_eq!(documents.len(), 2);
    assert!(documents[1].blocks[1].text.ends_with("na\u{ef}ve \u{1f600}."));
}

#[test]
fn real_tables_become_rows() {
    let Some(path) = test_data::find("wiki/enwiki-table-markup.xml.bz2") else {
        return;
    };
    let (documents, report) = read_all(&path);
    report.unwrap();
    assert_clean(&documents);
    let rows = documents
        .iter()
        .flat_map(|document| &document.blocks)
        .filter(|block| block.text.contains(documents::CELL_SEPARATOR))
        .count();
    assert!(rows > 50, "{rows}");
}

#[test]
fn real_wikitext_pages_read_clean() {
    let Some(folder) = test_data::find("wikitext-pages") else {
        return;
    };
    let mut num_pages = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let mut wikitext = String::new();
        std::fs::File::open(&path)
            .unwrap()
            .read_to_string(&mut wikitext)
            .unwrap();
        let article = parse_wikitext(&wikitext, &SiteInfo::default());
        let document = Document {
            id: path.display().to_string(),
            blocks: article.blocks,
            ..Document::default()
        };
        assert_clean(&[document]);
        num_pages += 1;
    }
    assert!(num_pages >= 69, "{num_pages}");
}

/// The texts of the only document of an input, behind its title.
fn texts_of(path: &Path) -> Vec<String> {
    let (documents, report) = read_all(path);
    report.unwrap();
    assert_eq!(documents.len(), 1, "{}", path.display());
    let blocks = documents.into_iter().flat_map(|document| document.blocks);
    blocks.skip(1).map(|block| block.text).collect()
}

#[test]
fn inputs_of_public_bug_reports_read_as_they_should() {
    let Some(folder) = test_data::find("wild") else {
        return;
    };
    for (name, expected) in [
        (
            "convert-range",
            &["A serve was between 110 and 125 mph. Ears are 20–25 cm long; orbit 70.0 by 71.3 mi."][..],
        ),
        (
            "numbers-in-templates",
            &["Mean 3 °C. As of 2020, it cost US$5 million, founded c. 1850, of H2O."],
        ),
        (
            "val-frac",
            &["The star is 1.496×10^8 km away; a board of 3 1/2 inches."],
        ),
        ("cell-attribute-leak", &["5 | 7", "3 | — | x"]),
        ("comment-line", &["The mill is old and wide too."]),
        (
            "double-underscore",
            &["The C macros __LINE__ and __FILE__ exist."],
        ),
        (
            "left-over-separators",
            &["Achilles (Ἀχιλλεύς, Akhilleus) was a hero with 5,783 men."],
        ),
        (
            "table-without-end",
            &["A | B", "1 | 2", "Text after.", "Next", "More text."],
        ),
    ] {
        let path = folder.join(format!("wiki-{name}.xml"));
        assert_eq!(texts_of(&path), expected, "{name}");
    }
}

#[test]
fn tables_of_an_article_are_ranges_behind_its_title_and_left_out_templates_are_reported() {
    let text = page(
        1,
        0,
        "Text {{x}} {{x|{{y}}}} {{convert|5|km}}\n{|\n| a || b\n|}\n",
    ) + &page(2, 0, "#WEITERLEITUNG [[P1]] {{z}}")
        + &page(3, 0, "{{X}} b");
    let (_folder, path) = written("x.xml", format!("<mediawiki>{text}</mediawiki>").as_bytes());
    let (documents, report) = read_all(&path);
    let report = report.unwrap();
    let rows = &documents[0].blocks[documents[0].tables[0].first_block as usize..];
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text, "a | b");
    assert_eq!(report.templates_left_out, [("x".to_owned(), 3)].into());
    assert_eq!(report.skipped["redirect"], 1);
}
