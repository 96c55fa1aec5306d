use std::process::Command;

use super::*;
use crate::column::Kind;

/// A column of each kind.
fn columns() -> Vec<Column> {
    [
        ("word", Kind::Word),
        ("text", Kind::Text),
        ("day", Kind::Date),
        ("at", Kind::Instant),
        ("count", Kind::Integer),
        ("ratio", Kind::Number),
        ("is_so", Kind::Flag),
    ]
    .map(|(name, kind)| Column::new(name, kind))
    .to_vec()
}

/// Rows with what files of text trip over.
fn rows() -> Vec<Vec<Value>> {
    let text = |text: &str| Value::Text(text.to_owned());
    vec![
        vec![
            text("a,\"b\""),
            text("Item 7\r\nSales \"rose\",\n\u{00e9}\u{4e2d}\u{1f600} \\ end"),
            Value::date("2019-02-15").unwrap(),
            Value::instant("2019-02-15T16:30:12-05:00").unwrap(),
            Value::Integer(-9_007_199_254_740_993),
            Value::Number(0.1),
            Value::Flag(true),
        ],
        vec![Value::Null; 7],
        vec![
            text(" "),
            text("=1+1"),
            Value::date("0001-01-01").unwrap(),
            Value::instant("1996-07-04T09:00:00-04:00").unwrap(),
            Value::Integer(0),
            Value::Number(f64::NAN),
            Value::Flag(false),
        ],
    ]
}

fn write(path: &Path) {
    write_new_file::<ColumnsError>(path, &columns(), |file| {
        for row in rows() {
            file.add(&row)?;
        }
        assert_eq!(file.num_rows(), 3);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_csv_file_is_as_rfc_4180_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    write(&path);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "word,text,day,at,count,ratio,is_so\n\
         \"a,\"\"b\"\"\",\"Item 7\r\nSales \"\"rose\"\",\n\u{00e9}\u{4e2d}\u{1f600} \\ end\",2019-02-15,\
         2019-02-15T16:30:12-05:00,-9007199254740993,0.1,true\n\
         ,,,,,,\n \
         ,=1+1,0001-01-01,1996-07-04T09:00:00-04:00,0,,false\n"
    );
}

#[test]
fn a_line_of_json_has_every_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.jsonl");
    write(&path);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines[0]["text"],
        "Item 7\r\nSales \"rose\",\n\u{00e9}\u{4e2d}\u{1f600} \\ end"
    );
    assert_eq!(lines[0]["at"], "2019-02-15T16:30:12-05:00");
    assert_eq!(lines[0]["count"], -9_007_199_254_740_993_i64);
    assert_eq!(lines[0]["is_so"], true);
    assert!(lines[2]["ratio"].is_null());
    for line in &lines {
        let names: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(names.len(), 7, "{names:?}");
    }
    assert!(text.starts_with(r#"{"word":"a,\"b\"","text":"#), "{text}");
}

/// Prints what a reader in Python finds in a file, as JSON.
const PRINT_PARQUET: &str = "
import json, sys
import pyarrow.parquet
table = pyarrow.parquet.read_table(sys.argv[1])
types = {field.name: str(field.type) for field in table.schema}
print(json.dumps({'types': types, 'rows': table.to_pylist()}, default=lambda value: value.isoformat()))
";
const PRINT_CSV: &str = "
import csv, json, sys
print(json.dumps(list(csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8')))))
";

/// What a script prints of a file; nothing without the Python of the peers.
fn printed(script: &str, path: &Path) -> Option<serde_json::Value> {
    let python = test_data::find_peers_python()?;
    let output = Command::new(python)
        .args(["-c", script])
        .arg(path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn pyarrow_reads_the_rows_and_their_types() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(&path);
    let Some(read) = printed(PRINT_PARQUET, &path) else {
        return;
    };
    assert_eq!(
        read["types"],
        serde_json::json!({
            "word": "string",
            "text": "large_string",
            "day": "date32[day]",
            "at": "timestamp[ms, tz=UTC]",
            "count": "int64",
            "ratio": "double",
            "is_so": "bool",
        })
    );
    assert_eq!(
        read["rows"],
        serde_json::json!([
            {
                "word": "a,\"b\"",
                "text": "Item 7\r\nSales \"rose\",\n\u{00e9}\u{4e2d}\u{1f600} \\ end",
                "day": "2019-02-15",
                "at": "2019-02-15T21:30:12+00:00",
                "count": -9_007_199_254_740_993_i64,
                "ratio": 0.1,
                "is_so": true,
            },
            { "word": null, "text": null, "day": null, "at": null, "count": null, "ratio": null, "is_so": null },
            {
                "word": " ",
                "text": "=1+1",
                "day": "0001-01-01",
                "at": "1996-07-04T13:00:00+00:00",
                "count": 0,
                "ratio": null,
                "is_so": false,
            },
        ])
    );
}

#[test]
fn python_reads_the_rows_of_a_csv_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    write(&path);
    let Some(read) = printed(PRINT_CSV, &path) else {
        return;
    };
    assert_eq!(read.as_array().unwrap().len(), 3);
    assert_eq!(
        read[0]["text"],
        "Item 7\r\nSales \"rose\",\n\u{00e9}\u{4e2d}\u{1f600} \\ end"
    );
    assert_eq!(read[0]["count"], "-9007199254740993");
    assert_eq!(read[1]["word"], "");
}

#[test]
fn a_row_that_does_not_fit_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let short = vec![Value::Null; 6];
    let long = vec![Value::Null; 8];
    let mut other = vec![Value::Null; 7];
    other[4] = Value::Number(1.0);
    for (row, column) in [(short, "is_so"), (long, "behind the last"), (other, "count")] {
        let refused = write_new_file::<ColumnsError>(&path, &columns(), |file| file.add(&row)).unwrap_err();
        assert!(refused.to_string().contains(column), "{refused}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_without_rows_has_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.parquet", "t.csv", "t.jsonl"] {
        let path = folder.path().join(name);
        write_new_file::<ColumnsError>(&path, &columns(), |_| Ok(())).unwrap();
    }
    let csv = std::fs::read_to_string(folder.path().join("t.csv")).unwrap();
    assert_eq!(csv, "word,text,day,at,count,ratio,is_so\n");
    if let Some(read) = printed(PRINT_PARQUET, &folder.path().join("t.parquet")) {
        assert_eq!(read["rows"], serde_json::json!([]));
        assert_eq!(read["types"]["text"], "large_string");
    }
}
