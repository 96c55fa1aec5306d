//! Parts of a submission are files of their own: each has its encoding and its name.

use super::*;

fn part(form: &str, name: &str, text: &[u8]) -> Vec<u8> {
    let head = format!("<DOCUMENT>\n<TYPE>{form}\n<SEQUENCE>1\n<FILENAME>{name}\n<TEXT>\n");
    [head.as_bytes(), text, b"\n</TEXT>\n</DOCUMENT>\n"].concat()
}

fn submission(parts: &[Vec<u8>]) -> Vec<u8> {
    [
        HEADER_1994.as_bytes(),
        &parts.concat(),
        b"-----END PRIVACY-ENHANCED MESSAGE-----\n",
    ]
    .concat()
}

fn documents_of(bytes: &[u8]) -> Vec<Document> {
    let results = read_filing_with("raw/a.html", bytes, Exhibits::All);
    results
        .into_iter()
        .filter_map(|result| result.outcome.document())
        .collect()
}

fn texts(document: &Document) -> Vec<&str> {
    document.blocks.iter().map(|block| block.text.as_str()).collect()
}

#[test]
fn a_byte_of_windows_in_one_part_spoils_no_other() {
    let bytes = submission(&[
        part("EX-99.1", "b.htm", b"<p>The mill\x92s oak</p>"),
        part(
            "10-K",
            "a.htm",
            "<p>The mill\u{2019}s caf\u{e9} \u{2014} oak</p>".as_bytes(),
        ),
        part("EX-99.2", "c.txt", b"\xef\xbb\xbfBad \x92 byte behind a mark"),
    ]);
    let documents = documents_of(&bytes);
    let all: Vec<&str> = documents.iter().flat_map(texts).collect();
    assert_eq!(
        all,
        [
            "The mill\u{2019}s oak",
            "The mill\u{2019}s caf\u{e9} \u{2014} oak",
            "Bad \u{fffd} byte behind a mark"
        ]
    );
    for document in &documents {
        let raw = raw_text(&bytes, &document.id).unwrap();
        assert!(raw.contains(&texts(document)[0][..8]), "{raw}");
    }
    assert_eq!(
        raw_text(&bytes, &documents[0].id).as_deref(),
        Some("\n<p>The mill\u{2019}s oak</p>\n")
    );
}

#[test]
fn a_header_has_an_encoding_of_its_own_too() {
    let header = HEADER_1994.replace("ALDER MILLS CO", "CAF\u{c9} MILLS CO");
    let bytes = [header.as_bytes(), &part("10-K", "a.txt", b"The mill\x92s oak")].concat();
    let document = documents_of(&bytes).remove(0);
    assert_eq!(document.company.as_deref(), Some("CAF\u{c9} MILLS CO"));
    assert_eq!(texts(&document), ["The mill\u{2019}s oak"]);
}

#[test]
fn a_part_is_html_when_its_name_and_a_tag_say_so_and_the_name_of_the_submission_says_nothing() {
    let plain = "FORM 10-K\n\nThe mill cuts oak.\n\nOak ........       120      110\nPine                20       10\n";
    let of_text = [
        ("Oak | 120 | 110", "a.txt"),
        ("Oak | 120 | 110", ""),
        ("Oak | 120 | 110", "a.paper"),
    ];
    for (row, name) in of_text {
        let document = documents_of(&submission(&[part("10-K", name, plain.as_bytes())])).remove(0);
        assert!(texts(&document).contains(&row), "{name}: {document:?}");
    }
    let markup = b"FORM 10-K &lt;oak&gt; and a tag in words: </p> or <br> ends";
    let document = documents_of(&submission(&[part("10-K", "A.TXT", markup)])).remove(0);
    assert_eq!(document.blocks.len(), 1, "{document:?}");
    let document = documents_of(&submission(&[part("10-K", "a.htm", markup)])).remove(0);
    assert_eq!(texts(&document)[0], "FORM 10-K <oak> and a tag in words:");
    // Without one tag of HTML it is plain text whatever it is called.
    let document = documents_of(&submission(&[part("10-K", "a.htm", b"oak.\n\nand  ash")])).remove(0);
    assert_eq!(texts(&document), ["oak.", "and ash"]);
    // Without a usable name the text decides.
    let document = documents_of(&submission(&[part("10-K", "", b"<p>oak</p><p>ash</p>")])).remove(0);
    assert_eq!(texts(&document), ["oak", "ash"]);
}

#[test]
fn a_submission_that_is_cut_is_rejected_with_its_byte() {
    let whole = submission(&[part("10-K", "a.htm", b"<p>FORM 10-K</p><p>Oak.</p>")]);
    assert_eq!(documents_of(&whole).len(), 1);
    let end = whole.len() - 80;
    let Outcome::Rejected { reason } = outcome("a.txt", &whole[..end]) else {
        panic!("a cut submission was read")
    };
    let start = HEADER_1994.len();
    assert_eq!(
        reason,
        format!(
            "the submission is cut: it ends at byte {end} inside the <TEXT> of the document that begins at byte {start}; \
            fetch it again"
        )
    );
}

#[test]
fn ten_thousand_parts_are_read_in_time_that_is_linear_in_their_number() {
    let parts = vec![part("EX-99.1", "a.htm", b"mill\x92s <p>"); 10_000];
    let bytes = submission(&[parts, vec![part("10-K", "a.htm", b"<p>oak</p>")]].concat());
    assert_eq!(documents_of(&bytes).len(), 10_001);
}
