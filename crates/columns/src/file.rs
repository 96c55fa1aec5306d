//! A file of rows in one of the formats, which appears whole or not at all. It does not know what
//! the rows say.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use durable::{DISK, DurableError, commit_new_file};

use crate::column::{Column, Value};
use crate::error::{ColumnsError, write_error};
use crate::json_lines::JsonLines;
use crate::parquet_file::ParquetFile;

/// The formats, by the ending of a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// `.parquet`, compressed by zstd.
    Parquet,
    /// `.csv`: commas, a line of names first, quotes where they are needed (RFC 4180).
    Csv,
    /// `.jsonl`: a JSON object a line.
    JsonLines,
}

/// Takes rows and writes them to a file.
pub struct TableFile<'f> {
    path: PathBuf,
    columns: &'f [Column],
    rows: Rows<'f>,
    num_rows: u64,
}

enum Rows<'f> {
    Parquet(Box<ParquetFile<'f>>),
    Csv(Box<csv::Writer<&'f mut dyn Write>>),
    JsonLines(JsonLines<'f>),
}

impl TableFormat {
    /// All, with the endings of their names.
    const ENDINGS: [(&'static str, Self); 3] = [
        (".parquet", Self::Parquet),
        (".csv", Self::Csv),
        (".jsonl", Self::JsonLines),
    ];

    /// The format that the name of a file asks for.
    ///
    /// # Errors
    /// [`ColumnsError::UnknownFormat`] when it has none of the endings.
    pub fn of(path: &Path) -> Result<Self, ColumnsError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let named = Self::ENDINGS
            .iter()
            .find(|(ending, _)| name.ends_with(ending) && name.len() > ending.len());
        named.map(|(_, format)| *format).ok_or_else(|| {
            let [first, second, third] = Self::ENDINGS.map(|(ending, _)| ending);
            ColumnsError::UnknownFormat {
                path: path.to_path_buf(),
                known: format!("{first}, {second} or {third}"),
            }
        })
    }
}

/// Makes a file of the rows that `fill` adds, in the format that its name asks for. It appears whole
/// or not at all, and never in the place of another file.
///
/// # Errors
/// [`ColumnsError::UnknownFormat`]; [`ColumnsError::Durable`] when there is something at `path`,
/// before `fill` is called and again at the end, or when it cannot be written; what `fill` returns.
pub fn write_new_file<E: From<ColumnsError>>(
    path: &Path,
    columns: &[Column],
    fill: impl FnOnce(&mut TableFile<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let format = TableFormat::of(path)?;
    refuse_existing(path)?;
    let mut failure = None;
    let written = commit_new_file(&DISK, path, |out| {
        let made = TableFile::create(path, format, columns, out).map_err(E::from);
        let filled = made.and_then(|mut file| {
            fill(&mut file)?;
            Ok(file.finish()?)
        });
        filled.map_err(|error| {
            failure = Some(error);
            io::Error::other("the rows could not be written")
        })
    });
    match failure {
        Some(error) => Err(error),
        None => written.map_err(|error| ColumnsError::from(error).into()),
    }
}

/// Before any work is done.
fn refuse_existing(path: &Path) -> Result<(), ColumnsError> {
    match path.symlink_metadata() {
        Ok(_) => Err(DurableError::AlreadyExists {
            path: path.to_path_buf(),
        }
        .into()),
        // What else is wrong with the place is said when the file is made.
        Err(_) => Ok(()),
    }
}

impl<'f> TableFile<'f> {
    fn create(
        path: &Path,
        format: TableFormat,
        columns: &'f [Column],
        out: &'f mut dyn Write,
    ) -> Result<Self, ColumnsError> {
        let rows = match format {
            TableFormat::Parquet => Rows::Parquet(Box::new(ParquetFile::create(path, columns, out)?)),
            TableFormat::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                let names = columns.iter().map(|column| &column.name);
                writer
                    .write_record(names)
                    .map_err(|error| csv_error(path, error))?;
                Rows::Csv(Box::new(writer))
            }
            TableFormat::JsonLines => Rows::JsonLines(JsonLines::new(out, columns)),
        };
        Ok(Self {
            path: path.to_path_buf(),
            columns,
            rows,
            num_rows: 0,
        })
    }

    /// Adds a row: a value for each column, in their order.
    ///
    /// # Errors
    /// [`ColumnsError::Row`] when it does not fit the columns, or when the file cannot be written.
    pub fn add(&mut self, row: &[Value]) -> Result<(), ColumnsError> {
        self.check(row)?;
        self.num_rows += 1;
        match &mut self.rows {
            Rows::Parquet(file) => file.add(row),
            Rows::Csv(writer) => {
                let fields = row.iter().map(csv_field);
                writer
                    .write_record(fields)
                    .map_err(|error| csv_error(&self.path, error))
            }
            Rows::JsonLines(lines) => lines.add(row).map_err(|error| write_error(&self.path, error)),
        }
    }

    /// How many rows were added.
    pub fn num_rows(&self) -> u64 {
        self.num_rows
    }

    fn finish(self) -> Result<(), ColumnsError> {
        match self.rows {
            Rows::Parquet(file) => file.finish(),
            Rows::Csv(mut writer) => writer.flush().map_err(|error| write_error(&self.path, error)),
            Rows::JsonLines(_) => Ok(()),
        }
    }

    fn check(&self, row: &[Value]) -> Result<(), ColumnsError> {
        let mut values = row.iter();
        let misfit = self
            .columns
            .iter()
            .find(|column| !values.next().is_some_and(|value| value.is_of(column.kind)));
        match misfit {
            Some(column) => Err(ColumnsError::Row {
                column: column.name.clone(),
            }),
            None if values.next().is_some() => Err(ColumnsError::Row {
                column: "behind the last".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TableFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A missing value is an empty field.
fn csv_field(value: &Value) -> std::borrow::Cow<'_, [u8]> {
    let written = |text: String| text.into_bytes().into();
    match value {
        Value::Text(text) => text.as_bytes().into(),
        Value::Date(date) => written(date.to_string()),
        Value::Instant(instant) => instant.as_str().as_bytes().into(),
        Value::Integer(number) => written(number.to_string()),
        Value::Number(number) if number.is_finite() => written(number.to_string()),
        Value::Null | Value::Number(_) => (&[][..]).into(),
        Value::Flag(flag) => written(flag.to_string()),
    }
}

fn csv_error(path: &Path, error: csv::Error) -> ColumnsError {
    // Its own conversion hides that a disk is full.
    let source = match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        other => io::Error::other(format!("{other:?}")),
    };
    write_error(path, source)
}

#[cfg(test)]
mod tests;
