//! The dump reader on written and on real dumps.
#![expect(
    clippy::disallowed_methods,
    reason = "tests write damaged dumps and look for the data folder"
)]

use super::*;
use crate::document::Document;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

const MARKS: [&str; 5] = ["[[", "{{", "}}", "|}", "<ref"];

fn read_all(path: &Path) -> (Vec<Document>, Result<DumpReport, CorpusError>) {
    let mut documents = Vec::new();
    let report = read_dump(path, |page| {
        if let Outcome::Document(document) = page.outcome {
            documents.push(*document);
        }
        ControlFlow::Continue(())
    });
    (documents, report)
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
        ("c.xml", &text.as_bytes()[..0]),
    ] {
        let (_folder, path) = written(name, bytes);
        let (_, report) = read_all(&path);
        let error = report.unwrap_err();
        assert!(matches!(error, CorpusError::TruncatedDump { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn pages_before_the_damage_are_handed_on() {
    let text = format!("<mediawiki>{}<page></wrong>", page(1, 0, "one"));
    let (_folder, path) = written("d.xml", text.as_bytes());
    let (documents, report) = read_all(&path);
    assert_eq!(documents.len(), 1);
    assert!(matches!(report, Err(CorpusError::DamagedDump { .. })));
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
    read_dump(&path, stop).unwrap();
    assert_eq!(seen, 1);
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
            assert_eq!(
                block.text,
                block.text.split_whitespace().collect::<Vec<_>>().join(" "),
                "{}",
                document.id
            );
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
        .filter(|block| block.text.contains(crate::CELL_SEPARATOR))
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
