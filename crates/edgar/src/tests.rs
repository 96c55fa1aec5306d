//! Whole inputs in each dialect, of companies that do not exist, and inputs that are no filings.

mod of_submissions;
mod wild_markup;

use documents::BlockKind;
use proptest::prelude::*;

use super::*;

fn documents(name: &str, text: &str) -> Vec<Document> {
    read_filing(name, text.as_bytes())
        .into_iter()
        .filter_map(|result| result.outcome.document())
        .collect()
}

fn outcome(name: &str, bytes: &[u8]) -> Outcome {
    let mut results = read_filing(name, bytes);
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].path, name);
    results.remove(0).outcome
}

const HEADER_1994: &str = "-----BEGIN PRIVACY-ENHANCED MESSAGE-----\nProc-Type: 2001,MIC-CLEAR\nOriginator-Name: keymaster@example\n\
    MIC-Info: RSA-MD5,RSA,\n abc=\n\n<IMS-DOCUMENT>0000000009-94-000003.txt : 19940322\n<IMS-HEADER>0000000009-94-000003.hdr.sgml : 19940322\n\
    ACCESSION NUMBER:\t\t0000000009-94-000003\nCONFORMED SUBMISSION TYPE:\t10-K\nCONFORMED PERIOD OF REPORT:\t19931231\n\
    FILED AS OF DATE:\t\t19940321\n\nFILER:\n\n\tCOMPANY DATA:\t\n\t\tCOMPANY CONFORMED NAME:\t\t\tALDER MILLS CO\n\
    \t\tCENTRAL INDEX KEY:\t\t\t0000000009\n\t\tSTANDARD INDUSTRIAL CLASSIFICATION:\t2421\n\t\tFISCAL YEAR END:\t\t\t1231\n</IMS-HEADER>\n";

#[test]
fn a_plain_text_submission_of_the_nineties_gives_its_report() {
    let text = format!(
        "{HEADER_1994}<DOCUMENT>\n<TYPE>10-K\n<SEQUENCE>1\n<DESCRIPTION>ANNUAL REPORT\n<TEXT>\n                         ALDER MILLS COMPANY\n\n\
        The mill bought\ntimber.\n\n                                       1\n<PAGE>\nMore timber.\n</TEXT>\n</DOCUMENT>\n\
        <DOCUMENT>\n<TYPE>EX-21\n<SEQUENCE>2\n<TEXT>\nSubsidiaries\n</TEXT>\n</DOCUMENT>\n-----END PRIVACY-ENHANCED MESSAGE-----\n"
    );
    let documents = documents("a.txt", &text);
    let [document] = &documents[..] else {
        panic!("{documents:?}")
    };
    assert_eq!(document.id, "0000000009-94-000003:1");
    assert_eq!(document.source, "10-K");
    assert_eq!(document.company.as_deref(), Some("ALDER MILLS CO"));
    assert_eq!(document.cik.as_deref(), Some("0000000009"));
    assert_eq!(document.sic.as_deref(), Some("2421"));
    assert_eq!(document.filed.as_deref(), Some("1994-03-21"));
    assert_eq!(document.period.as_deref(), Some("1993-12-31"));
    assert_eq!(document.fiscal_year_end.as_deref(), Some("12-31"));
    assert_eq!(document.title.as_deref(), Some("ANNUAL REPORT"));
    assert_eq!(document.accepted_at, None);
    assert_eq!(document.path.as_deref(), Some("a.txt"));
    let blocks: Vec<(BlockKind, &str)> = document
        .blocks
        .iter()
        .map(|block| (block.kind, &*block.text))
        .collect();
    assert_eq!(
        blocks,
        [
            (BlockKind::Heading, "ALDER MILLS COMPANY"),
            (BlockKind::Paragraph, "The mill bought timber."),
            (BlockKind::PageFurniture, "1"),
            (BlockKind::Paragraph, "More timber."),
        ]
    );
}

#[test]
fn a_lone_inline_xbrl_page_is_described_by_its_facts() {
    let page = "<?xml version='1.0'?><html xmlns:ix='x'><head><title>aldr-20231231</title></head><body><div style='display:none'><ix:header>\
        <ix:nonNumeric name='dei:EntityCentralIndexKey'>0000000009</ix:nonNumeric><ix:nonNumeric name='dei:DocumentFiscalYearFocus'>2023</ix:nonNumeric>\
        <ix:nonNumeric name='dei:DocumentFiscalPeriodFocus'>FY</ix:nonNumeric><ix:nonNumeric name='dei:CurrentFiscalYearEndDate'>--12-31</ix:nonNumeric>\
        </ix:header></div><p>FORM <ix:nonNumeric name='dei:DocumentType'>10-K/A</ix:nonNumeric></p>\
        <p>For the year ended <ix:nonNumeric name='dei:DocumentPeriodEndDate'>December 31, 2023</ix:nonNumeric></p>\
        <p><ix:nonNumeric name='dei:TradingSymbol'>ALDR</ix:nonNumeric></p></body></html>";
    let document = documents("aldr.htm", page).remove(0);
    assert_eq!(document.id, format!("file:{}", &document.sha256[..16]));
    assert_eq!(document.sha256.len(), 64);
    assert_eq!(document.source, "10-K/A");
    assert_eq!(document.cik.as_deref(), Some("0000000009"));
    assert_eq!(document.tickers, ["ALDR"]);
    assert_eq!(document.period.as_deref(), Some("2023-12-31"));
    assert_eq!(
        (document.fiscal_year, document.fiscal_period.as_deref()),
        (Some(2023), Some("FY"))
    );
    assert_eq!(document.fiscal_year_end.as_deref(), Some("12-31"));
    assert_eq!(document.title.as_deref(), Some("aldr-20231231"));
    assert_eq!(document.blocks.len(), 3);
}

#[test]
fn several_reports_and_repeated_sequence_numbers_give_distinct_ids() {
    let part = |sequence: &str| {
        format!("<DOCUMENT><TYPE>10-Q\n<SEQUENCE>{sequence}\n<TEXT>oak and pine</TEXT></DOCUMENT>\n")
    };
    let text = format!("{HEADER_1994}{}{}{}", part("1"), part("1"), part("2"));
    let ids: Vec<String> = documents("a.txt", &text)
        .into_iter()
        .map(|document| document.id)
        .collect();
    assert_eq!(
        ids,
        [
            "0000000009-94-000003:1",
            "0000000009-94-000003:1.2",
            "0000000009-94-000003:2"
        ]
    );
}

#[test]
fn a_sequence_number_repeated_a_hundred_thousand_times_takes_a_few_tries_an_id() {
    let part = "<DOCUMENT><TYPE>10-Q\n<SEQUENCE>1\n<TEXT>oak</TEXT>\n";
    let stated = "<DOCUMENT><TYPE>10-Q\n<SEQUENCE>1.2\n<TEXT>oak</TEXT>\n";
    let text = format!("{HEADER_1994}{stated}{}", part.repeat(100_000));
    let submission = submission::read_submission(text.as_bytes()).unwrap();
    let mut given = Ids::default();
    let ids: std::collections::BTreeSet<String> = submission
        .documents
        .iter()
        .map(|part| given.next(&submission.header, part, &"0".repeat(64)))
        .collect();
    assert_eq!(ids.len(), 100_001);
    assert!(ids.contains("0000000009-94-000003:1.100001"));
    // Every try counts as a use.
    let tries: usize = given.uses.values().sum();
    assert!(tries < 3 * ids.len(), "{tries}");
}

#[test]
fn the_type_of_the_document_counts_when_the_header_says_otherwise() {
    let text = HEADER_1994.replace("TYPE:\t10-K", "TYPE:\t8-K")
        + "<DOCUMENT>\n<TYPE>10-K405\n<TEXT>\noak\n</TEXT>\n";
    assert_eq!(documents("a.txt", &text)[0].source, "10-K405");
}

#[test]
fn annual_reports_to_shareholders_are_documents_of_their_own() {
    let part = |form: &str, sequence: u32, text: &str| {
        format!("<DOCUMENT>\n<TYPE>{form}\n<SEQUENCE>{sequence}\n<TEXT>\n{text}\n</TEXT>\n</DOCUMENT>\n")
    };
    let text = [
        HEADER_1994.to_owned(),
        part("EX-3", 1, "By-laws"),
        part("10-K", 2, "FORM 10-K"),
        part("EX-13.1", 3, "FORM 10-Q of another company\n\nOak sold well."),
        part("EX-13.2", 4, "begin 644 a.pdf\nM123\nend"),
        part("EX-27", 5, "<CASH> 1"),
    ]
    .concat();
    let documents = documents("a.txt", &text);
    let [report, exhibit] = &documents[..] else {
        panic!("{documents:?}")
    };
    assert_eq!((&*report.source, &report.exhibit_of), ("10-K", &None));
    assert_eq!(exhibit.id, "0000000009-94-000003:3");
    assert_eq!(exhibit.source, "EX-13.1");
    assert_eq!(exhibit.exhibit_of.as_ref(), Some(&report.id));
    assert_eq!(exhibit.cik, report.cik);
    assert_eq!(exhibit.period.as_deref(), Some("1993-12-31"));
    let count = |exhibits| {
        read_filing_with("a.txt", text.as_bytes(), exhibits)
            .iter()
            .filter(|result| matches!(result.outcome, Outcome::Document(_)))
            .count()
    };
    assert_eq!(
        [Exhibits::None, Exhibits::AnnualReports, Exhibits::All].map(count),
        [1, 2, 3]
    );
}

#[test]
fn a_submission_that_was_stored_without_its_tags_is_read_as_far_as_its_lines_tell_its_documents() {
    let header = HEADER_1994
        .replace("<IMS-DOCUMENT>", "")
        .replace("<IMS-HEADER>", "")
        .replace("</IMS-HEADER>\n", "");
    let text = format!(
        "{header}10-K\n1\nFORM 10-K\n\nOak sold well.\nFISCAL YEAR END: 0930\n\nEX-13\n2\nPine did not.\n"
    );
    let documents = documents("a.txt", &text);
    let [report, exhibit] = &documents[..] else {
        panic!("{documents:?}")
    };
    assert_eq!((&*report.id, &*report.source), ("0000000009-94-000003:1", "10-K"));
    assert_eq!(report.fiscal_year_end.as_deref(), Some("12-31"));
    assert_eq!(report.company.as_deref(), Some("ALDER MILLS CO"));
    assert_eq!(
        (&*exhibit.source, &*exhibit.blocks[0].text),
        ("EX-13", "Pine did not.")
    );
    let html = format!("{header}10-K\n1\na.htm\nOak.\n-----END PRIVACY-ENHANCED MESSAGE-----\n");
    assert!(matches!(
        outcome("a.txt", html.as_bytes()),
        Outcome::Skipped { form: Some(_), .. }
    ));
}

#[test]
fn an_encoded_copy_of_the_report_is_passed_over() {
    let text = format!(
        "{HEADER_1994}<DOCUMENT>\n<TYPE>10-K\n<SEQUENCE>1\n<TEXT>\n<PDF>\nbegin 644 a.pdf\nM123\nend\n</PDF>\n</TEXT></DOCUMENT>\n\
        <DOCUMENT>\n<TYPE>10-K\n<SEQUENCE>2\n<TEXT>\noak\n</TEXT></DOCUMENT>"
    );
    let documents = documents("a.txt", &text);
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].id, "0000000009-94-000003:2");
}

#[test]
fn other_forms_are_skipped_by_name() {
    let text =
        HEADER_1994.replace("TYPE:\t10-K", "TYPE:\t8-K") + "<DOCUMENT>\n<TYPE>8-K\n<TEXT>\noak\n</TEXT>\n";
    let Outcome::Skipped { form, reason } = outcome("a.txt", text.as_bytes()) else {
        panic!()
    };
    assert_eq!(form.as_deref(), Some("8-K"));
    assert!(reason.contains("8-K"));
    let exhibits_only = format!("{HEADER_1994}<DOCUMENT>\n<TYPE>EX-13\n<TEXT>\noak\n</TEXT>\n");
    let Outcome::Skipped { form, reason } = outcome("a.txt", exhibits_only.as_bytes()) else {
        panic!()
    };
    assert_eq!(form.as_deref(), Some("10-K"));
    assert!(reason.contains("without a document of that type"));
    assert!(matches!(
        outcome("a.htm", b"<p>A page about oak"),
        Outcome::Skipped { form: None, .. }
    ));
    assert!(matches!(
        outcome("a.htm", b"<p>FORM 8-K<p>oak"),
        Outcome::Skipped { form: Some(_), .. }
    ));
}

#[test]
fn documents_of_one_sequence_number_have_their_own_ids_and_raw_texts_whatever_exhibits_are_kept() {
    let part = |form: &str, text: &str| {
        format!("<DOCUMENT>\n<TYPE>{form}\n<SEQUENCE>1\n<TEXT>\n{text}\n</TEXT>\n</DOCUMENT>\n")
    };
    let parts = [
        ("EX-21", "Elm Inc."),
        ("EX-13", "Ash grew."),
        ("10-K", "Oak grew."),
        ("10-K", "Yew grew."),
    ];
    let parts = parts.map(|(form, text)| part(form, text)).concat();
    let text = format!("{HEADER_1994}{parts}");
    for exhibits in [Exhibits::AnnualReports, Exhibits::None, Exhibits::All] {
        let results = read_filing_with("a.txt", text.as_bytes(), exhibits);
        let mut reports = Vec::new();
        for result in results {
            let Outcome::Document(document) = result.outcome else {
                panic!("{:?}", result.outcome)
            };
            let raw = raw_text(text.as_bytes(), &document.id).unwrap();
            assert_eq!(raw.trim(), document.blocks[0].text, "{}", document.id);
            if document.source == "10-K" {
                reports.push(document.id);
            }
        }
        assert_eq!(
            reports,
            ["0000000009-94-000003:1.3", "0000000009-94-000003:1.4"],
            "{exhibits}"
        );
    }
}

#[test]
fn what_is_no_text_is_rejected_with_its_reason() {
    let noise: Vec<u8> = (0..=255u8).cycle().take(5000).collect();
    for (bytes, word) in [
        (&b""[..], "empty"),
        (b" \r\n ", "white space"),
        (b"%PDF-1.5 abc", "PDF"),
        (b"PK\x03\x04abc", "zip"),
        (&noise, "binary"),
        (
            b"<html><body><div style='display:none'>x</div></body></html>",
            "no text",
        ),
    ] {
        let Outcome::Rejected { reason } = outcome("a.html", bytes) else {
            panic!("{word}")
        };
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn windows_text_and_carriage_returns_alone_are_read() {
    let text = b"FORM 10-Q\r\rThe mill\x92s oak\rand pine.\r";
    let Outcome::Document(document) = outcome("a.txt", text) else {
        panic!()
    };
    assert_eq!(document.blocks[1].text, "The mill\u{2019}s oak and pine.");
}

#[test]
fn wrappers_are_looked_through_and_a_wrong_charset_is_not_believed() {
    for wrapper in ["XBRL", "XML"] {
        let text = format!(
            "{HEADER_1994}<DOCUMENT>\n<TYPE>10-K\n<TEXT>\n<{wrapper}>\n<?xml version='1.0' encoding='us-ascii'?>\n<html><head>\
            <meta http-equiv='Content-Type' content='text/html; charset=iso-8859-1'></head><body><p>Caf\u{e9} \u{2014} oak</p></body></html>\n\
            </{wrapper}>\n</TEXT>\n</DOCUMENT>\n"
        );
        let document = documents("a.txt", &text).remove(0);
        assert_eq!(document.blocks.len(), 1, "{:?}", document.blocks);
        assert_eq!(document.blocks[0].text, "Caf\u{e9} \u{2014} oak");
    }
}

/// A reader whose work grew with the square of a line would not come to the end of one of 300 MB.
#[test]
#[ignore = "a line of 300 MB needs gigabytes of memory"]
fn a_line_of_three_hundred_megabytes_is_read_whole() {
    for (name, head) in [("a.txt", "FORM 10-K\n\n"), ("a.htm", "<p>FORM 10-K</p><p>")] {
        let text = [head, &"oak and pine. ".repeat(300_000_000 / 14)].concat();
        let document = documents(name, &text).remove(0);
        assert_eq!(document.blocks[1].text.len(), 300_000_000 / 14 * 14 - 1);
    }
}

#[test]
fn utf16_that_is_damaged_is_rejected_with_its_place_and_never_patched_up() {
    let utf16 = |text: &str| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    let mut bytes = utf16("<p>FORM 10-K</p><p>Oak</p>");
    assert!(matches!(
        read_filing("a.htm", &bytes)[0].outcome,
        Outcome::Document(_)
    ));
    bytes.pop();
    let Outcome::Rejected { reason } = &read_filing("a.htm", &bytes)[0].outcome else {
        panic!("half a character at the end was taken for text")
    };
    assert_eq!(reason, "the file begins as UTF-16, but byte 52 is none");
}

#[test]
fn text_that_spells_special_tokens_stays_text() {
    let document = documents("a.txt", "FORM 10-K\n\nIt prints <mask> and <s> or </s>.").remove(0);
    assert_eq!(document.blocks[1].text, "It prints <mask> and <s> or </s>.");
}

proptest! {
    #[test]
    fn any_bytes_give_a_result_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), name in "[a-z]{1,3}\\.(htm|txt|nc)") {
        prop_assert!(!read_filing(&name, &bytes).is_empty());
    }

    #[test]
    fn any_pieces_of_the_real_forms_give_clean_lines(pieces in prop::collection::vec(prop::sample::select(vec![
        "<SEC-DOCUMENT>", "<DOCUMENT>", "</DOCUMENT>", "<TYPE>10-K\n", "<TYPE>8-K\n", "<TYPE>EX-13\n", "<SEQUENCE>1\n", "<TEXT>\n", "</TEXT>", "<PAGE>\n",
        "<TABLE>\n", "</TABLE>\n", "<S>  <C>\n", "FORM 10-K\n", "oak  12   13\n", "\n", "\r", "\t", "\u{a0}", "<p>", "</p>", "<td>", "Item 1.\n",
        "ACCESSION NUMBER: 0000000009-94-000003\n", "FILER:\n", "<html>", "\u{e9}-\n", "- 3 -\n", "\x0c", "<PDF>", "&amp;", "....",
    ]), 0..60)) {
        for result in read_filing("a.txt", pieces.concat().as_bytes()) {
            if let Outcome::Document(document) = result.outcome {
                prop_assert!(is_periodic_report(&document.source) || document.exhibit_of.is_some());
                prop_assert!(!document.blocks.is_empty());
                for block in document.blocks {
                    prop_assert!(block.is_clean(), "{:?}", block);
                }
            }
        }
    }
}
