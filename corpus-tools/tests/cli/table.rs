//! `table`: documents as rows of Parquet, CSV and JSON lines, as other readers find them.

#![expect(clippy::disallowed_methods, reason = "writes into a throwaway folder")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::programs::{fail, finished, message, names, run, tenk_corpus, text};

/// Writes a table of a documents folder and returns its path.
fn table(docs: &Path, out: &Path, more: &[&str]) -> PathBuf {
    let arguments = ["table", "--docs", &text(docs), "--out", &text(out)].map(str::to_owned);
    run(arguments.into_iter().chain(more.iter().map(ToString::to_string)));
    out.to_path_buf()
}

/// The rows of a file of JSON lines.
fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The row whose column has this value.
fn row<'r>(rows: &'r [Value], column: &str, value: &str) -> &'r Value {
    let found = rows.iter().find(|row| row[column] == value);
    found.unwrap_or_else(|| panic!("no row has {value} as its {column}"))
}

/// An annual report with the annual report to shareholders as an exhibit, an amendment of it, and texts.
fn documents() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let filings = root.path().join("filings");
    std::fs::create_dir(&filings).unwrap();
    for (number, form) in [(1, "10-K"), (2, "10-K/A")] {
        let accession = format!("0000000009-18-00000{number}");
        let header = format!(
            "<SEC-DOCUMENT>{accession}.txt : 20180216\n<SEC-HEADER>{accession}.hdr.sgml : 20180216\n\
             <ACCEPTANCE-DATETIME>20180216163012\nACCESSION NUMBER:\t\t{accession}\n\
             CONFORMED SUBMISSION TYPE:\t{form}\nCONFORMED PERIOD OF REPORT:\t20171231\n\
             FILED AS OF DATE:\t\t20180216\nFILER:\n\tCOMPANY DATA:\n\
             \t\tCOMPANY CONFORMED NAME:\t\t\tOAK \"&\" MILLS, INC\n\
             \t\tCENTRAL INDEX KEY:\t\t\t0000000009\n\
             \t\tSTANDARD INDUSTRIAL CLASSIFICATION:\tSAWMILLS [2421]\n</SEC-HEADER>\n"
        );
        let part = |sequence: u32, form: &str, body: &str| {
            format!("<DOCUMENT>\n<TYPE>{form}\n<SEQUENCE>{sequence}\n<TEXT>\n{body}\n</TEXT>\n</DOCUMENT>\n")
        };
        let submission = [
            header,
            part(
                1,
                form,
                "ANNUAL REPORT\n\nThe mill, \"Oak\", sawed logs.\n\n<PAGE>\nThe year was good.",
            ),
            part(2, "EX-13", "TO OUR SHAREHOLDERS\n\nSales of oak rose."),
            "</SEC-DOCUMENT>\n".to_owned(),
        ];
        let path = filings.join(format!("{accession}.txt"));
        std::fs::write(path, submission.concat()).unwrap();
    }
    let lines = [
        json!({ "id": 1, "cik": 9, "ticker": "OAK", "form": "10-K", "year": 2018, "section": "7", "text": "Item 7.\nSales rose." }),
        json!({ "id": 2, "text": "Nothing is known of this one." }),
    ];
    let texts = root.path().join("texts.jsonl");
    std::fs::write(&texts, lines.map(|line| format!("{line}\n")).concat()).unwrap();
    let docs = root.path().join("docs");
    run([
        "ingest",
        "--filings",
        &text(&filings),
        "--texts",
        &text(&texts),
        "--out",
        &text(&docs),
    ]);
    (root, docs)
}

#[test]
fn a_document_is_a_row_and_an_exhibit_is_one_of_its_own_with_the_accession_of_its_filing() {
    let (root, docs) = documents();
    let rows = rows(&table(&docs, &root.path().join("t.jsonl"), &["--items", "7,1a"]));
    assert_eq!(rows.len(), 6);
    let report = row(&rows, "id", "0000000009-18-000001:1");
    for (column, expected) in [
        ("cik", json!("0000000009")),
        ("ticker", Value::Null),
        ("company", json!("OAK \"&\" MILLS, INC")),
        ("form", json!("10-K")),
        ("accession", json!("0000000009-18-000001")),
        ("filed", json!("2018-02-16")),
        ("accepted_at", json!("2018-02-16T16:30:12-05:00")),
        ("period", json!("2017-12-31")),
        ("is_amendment", json!(false)),
        ("sic", json!("2421")),
    ] {
        assert_eq!(report[column], expected, "{column}");
    }
    let lines = report["text"].as_str().unwrap();
    assert!(lines.starts_with("ANNUAL REPORT\n"), "{lines}");
    assert!(report["item_7_status"].is_string(), "{report}");
    let exhibit = row(&rows, "id", "0000000009-18-000002:2");
    assert_eq!(exhibit["form"], "EX-13");
    assert_eq!(exhibit["accession"], "0000000009-18-000002");
    assert_eq!(exhibit["is_amendment"], true, "its report is one");
    let stated = row(&rows, "id", "text:1");
    assert_eq!(stated["item_7"], "Item 7.\nSales rose.");
    assert_eq!(stated["item_7_status"], "stated");
    assert_eq!(stated["fiscal_year"], 2018);
    assert_eq!(stated["ticker"], "OAK");
    let silent = row(&rows, "id", "text:2");
    for column in [
        "cik",
        "filed",
        "accession",
        "is_amendment",
        "item_7",
        "item_7_status",
        "item_1A",
    ] {
        assert!(silent[column].is_null(), "{column}: {silent}");
    }
}

#[test]
fn the_report_counts_rows_and_what_was_found_of_items() {
    let (root, docs) = documents();
    let out = text(&root.path().join("t.csv"));
    let printed = run([
        "table",
        "--docs",
        &text(&docs),
        "--out",
        &out,
        "--items",
        "7",
        "--json",
    ]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["rows"], 6);
    assert_eq!(report["items"]["7"]["stated"], 1);
    assert_eq!(report["unreadable_dates"], 0);
}

/// Prints the rows of a file as JSON, each value as the text that JSON lines have.
const PRINT: &str = "
import csv, datetime, json, sys
path = sys.argv[1]
if path.endswith('.csv'):
    csv.field_size_limit(1 << 30)
    rows = list(csv.DictReader(open(path, newline='', encoding='utf-8')))
else:
    import pyarrow.parquet
    rows = pyarrow.parquet.read_table(path).to_pylist()
def plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    return value.isoformat() if isinstance(value, datetime.date) else value
print(json.dumps([{name: plain(value) for name, value in row.items()} for row in rows]))
";

fn printed(path: &Path) -> Option<Vec<Value>> {
    let python = test_data::find_peers_python()?;
    let output = Command::new(python)
        .args(["-c", PRINT])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", message(&output));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn python_finds_the_same_rows_in_every_format() {
    let root = tempfile::tempdir().unwrap();
    let docs = finished().at("docs");
    let at = |name: &str| root.path().join(name);
    let lines = rows(&table(&docs, &at("t.jsonl"), &["--items", "7"]));
    let Some(parquet) = printed(&table(&docs, &at("t.parquet"), &["--items", "7"])) else {
        return;
    };
    let Some(csv) = printed(&table(&docs, &at("t.csv"), &["--items", "7"])) else {
        return;
    };
    assert!(lines.len() > 50);
    assert_eq!((parquet.len(), csv.len()), (lines.len(), lines.len()));
    for (line, (parquet, csv)) in lines.iter().zip(parquet.iter().zip(&csv)) {
        for (name, value) in line.as_object().unwrap() {
            let spelled = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(csv[name], spelled, "{name}");
            if name == "accepted_at" {
                assert_eq!(parquet[name].is_null(), value.is_null());
            } else {
                assert_eq!(&parquet[name], value, "{name}");
            }
        }
        assert_eq!(csv.as_object().unwrap().len(), line.as_object().unwrap().len());
        assert_eq!(
            parquet.as_object().unwrap().len(),
            line.as_object().unwrap().len()
        );
    }
}

#[test]
fn equal_documents_give_equal_bytes_at_any_thread_count() {
    let root = tempfile::tempdir().unwrap();
    let docs = finished().at("docs");
    for ending in ["parquet", "csv", "jsonl"] {
        let bytes = |threads: &str| {
            let out = root.path().join(format!("{threads}.{ending}"));
            std::fs::read(table(&docs, &out, &["--threads", threads])).unwrap()
        };
        assert!(bytes("1") == bytes("3"), "{ending}");
    }
}

#[test]
fn with_members_the_ticker_is_that_of_the_day_of_filing() {
    let (root, docs) = documents();
    let members = root.path().join("members.csv");
    for (spells, ticker) in [
        (
            "0000000009,OLD,2010-01-04,2018-02-15\n9,NEW,2018-02-15,\n",
            json!("NEW"),
        ),
        (
            "0000000009,OLD,2010-01-04,2018-02-17\n9,NEW,2018-02-17,\n",
            json!("OLD"),
        ),
        (
            "0000000009,OLD,2010-01-04,2012-02-17\n8,NEW,2012-02-17,\n",
            Value::Null,
        ),
    ] {
        std::fs::write(
            &members,
            format!("cik,ticker,start_date,end_date\n{spells},GONE,,\n"),
        )
        .unwrap();
        let out = root.path().join("t.jsonl");
        let written = table(&docs, &out, &["--members", &text(&members)]);
        let rows = rows(&written);
        assert_eq!(row(&rows, "id", "0000000009-18-000001:1")["ticker"], ticker);
        assert!(
            row(&rows, "id", "text:1")["ticker"].is_null(),
            "it has no day of filing"
        );
        std::fs::remove_file(&out).unwrap();
    }
    std::fs::write(&members, "cik,ticker,start_date,end_date\n9,OAK,soon,\n").unwrap();
    let out = text(&root.path().join("t.csv"));
    let said = fail([
        "table",
        "--docs",
        &text(&docs),
        "--out",
        &out,
        "--members",
        &text(&members),
    ]);
    assert!(said.contains("members.csv, line 2: `soon` is no day"), "{said}");
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_left() {
    let root = tempfile::tempdir().unwrap();
    let docs = text(&finished().at("docs"));
    let out = text(&root.path().join("t.parquet"));
    let wrong_item = tenk_corpus(["table", "--docs", &docs, "--out", &out, "--items", "7,1D"])
        .output()
        .unwrap();
    assert_eq!(wrong_item.status.code(), Some(2));
    let said = message(&wrong_item);
    assert!(
        said.contains("there is no item 1D") && said.contains("1A") && said.contains("II.6"),
        "{said}"
    );
    let said = fail([
        "table",
        "--docs",
        &docs,
        "--out",
        &text(&root.path().join("t.xlsx")),
    ]);
    assert!(said.contains(".parquet, .csv or .jsonl"), "{said}");
    let said = fail(["table", "--docs", &text(&finished().at("corpus")), "--out", &out]);
    assert!(said.contains("is not a documents folder"), "{said}");
    let said = fail([
        "table",
        "--docs",
        &docs,
        "--out",
        &text(&root.path().join("no/t.csv")),
    ]);
    assert!(said.contains("does not exist"), "{said}");
    assert!(names(root.path()).is_empty());
    std::fs::write(&out, "mine").unwrap();
    let said = fail(["table", "--docs", &docs, "--out", &out]);
    assert!(said.contains("already exists and is not overwritten"), "{said}");
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
}
