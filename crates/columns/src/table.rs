//! A documents folder as a table with a row a document: read, turned into rows on all threads,
//! written in the order of the folder. Memory does not grow with the number of documents.

use std::collections::BTreeMap;
use std::path::PathBuf;

use documents::{DocumentLine, DocumentReader, Item, Progress, map_documents};
use serde::Serialize;

use crate::column::{Column, Value};
use crate::document_columns::{Amendments, DocumentColumns, DocumentRow, TICKER};
use crate::error::ColumnsError;
use crate::file::write_new_file;
use crate::members::Members;

/// What to write and where.
#[derive(Debug, Clone)]
pub struct TableOptions {
    /// The documents folder.
    pub docs: PathBuf,
    /// The file to make; its ending says the format.
    pub out: PathBuf,
    /// The items that have columns.
    pub items: Vec<Item>,
    /// A table of members, whose tickers of the day of filing take the place of those on the covers.
    pub members: Option<PathBuf>,
    /// Worker threads; 0 means one a core.
    pub threads: usize,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Rows, and so documents.
    pub rows: u64,
    /// Rows with a ticker.
    pub with_ticker: u64,
    /// Spells of the table of members that have no CIK, so that no filing is known as theirs; nothing
    /// without such a table.
    pub members_without_cik: Option<u64>,
    /// Documents by item and by its status there; those of which nothing is said are not counted.
    pub items: BTreeMap<String, BTreeMap<String, u64>>,
    /// Dates of documents that are none, whose places are empty.
    pub unreadable_dates: u64,
}

/// Writes the documents of a folder to a new file, whole or not at all. Its bytes depend on the
/// folder and the options alone.
///
/// # Errors
/// When the folder cannot be read or has no items that were asked for, when something is at `out`,
/// or when it cannot be written.
pub fn write_table(options: &TableOptions, progress: &dyn Progress) -> Result<TableReport, ColumnsError> {
    let mut report = TableReport::default();
    let mut table = DocumentColumns::with_items(&options.items);
    if let Some(path) = &options.members {
        let members = Members::read(path)?;
        report.members_without_cik = Some(members.without_cik());
        table = table.and_members(members);
    }
    let columns = table.columns();
    let reader = DocumentReader::open(&options.docs)?;
    if !table.items().is_empty() {
        reader.manifest().refuse_without_items(&options.docs)?;
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .thread_name(|index| format!("table-{index}"))
        .build()
        .map_err(|source| ColumnsError::Threads { source })?;
    write_new_file::<ColumnsError>(&options.out, &columns, |file| {
        progress.start("writing rows", Some(reader.wanted_bytes()));
        let mut amendments = Amendments::default();
        let to_row = |line: &DocumentLine| Ok(table.row(&line.parse()?));
        map_documents(reader, &pool, progress, to_row, |mut row: DocumentRow| {
            amendments.complete(&mut row.values);
            report.count(&columns, &row);
            file.add(&row.values)
        })?;
        progress.finish();
        Ok(())
    })?;
    Ok(report)
}

impl TableReport {
    fn count(&mut self, columns: &[Column], row: &DocumentRow) {
        self.rows += 1;
        self.with_ticker += u64::from(row.values[TICKER] != Value::Null);
        self.unreadable_dates += row.unreadable_dates;
        for (column, value) in columns.iter().zip(&row.values) {
            let item = column.name.strip_prefix("item_");
            let item = item.and_then(|item| item.strip_suffix("_status"));
            if let (Some(item), Value::Text(status)) = (item, value) {
                let of_item = self.items.entry(item.to_owned()).or_default();
                *of_item.entry(status.clone()).or_default() += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use documents::NoProgress;

    /// A filing and a text, as `ingest` wrote them when documents had no items.
    const FORMAT_2: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/documents_format_2"
    );

    fn options(out: &Path, items: &[&str]) -> TableOptions {
        TableOptions {
            docs: FORMAT_2.into(),
            out: out.to_path_buf(),
            items: items.iter().map(|item| item.parse().unwrap()).collect(),
            members: None,
            threads: 1,
        }
    }

    #[test]
    fn a_folder_of_before_items_becomes_a_table_without_them_alone() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("t.jsonl");
        let refused = write_table(&options(&out, &["7"]), &NoProgress).unwrap_err();
        assert!(refused.to_string().contains("tenk-corpus ingest"), "{refused}");
        assert!(!out.exists());
        let report = write_table(&options(&out, &[]), &NoProgress).unwrap();
        assert_eq!(report.rows, 2);
        let text = std::fs::read_to_string(&out).unwrap();
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn what_is_there_is_not_replaced_and_a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("t.csv");
        durable::commit_bytes(&durable::DISK, &out, b"mine").unwrap();
        let refused = write_table(&options(&out, &[]), &NoProgress).unwrap_err();
        assert!(refused.to_string().contains("already exists"), "{refused}");
        assert_eq!(std::fs::read(&out).unwrap(), b"mine");
        for name in ["t.xlsx", "csv", ".csv", "t.parquet.gz"] {
            let refused = write_table(&options(&folder.path().join(name), &[]), &NoProgress).unwrap_err();
            assert!(
                refused.to_string().contains(".parquet, .csv or .jsonl"),
                "{refused}"
            );
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
