//! Rows as JSON, an object a line with every column. It does not open files.

use std::io::{self, Write};

use serde::Serialize;

use crate::column::{Column, Value};

/// Writes rows to a file.
pub(crate) struct JsonLines<'f> {
    out: &'f mut dyn Write,
    /// What stands before each value: `{"id":`, `,"cik":`.
    keys: Vec<String>,
}

impl<'f> JsonLines<'f> {
    pub(crate) fn new(out: &'f mut dyn Write, columns: &[Column]) -> Self {
        let keys = columns.iter().enumerate().map(|(index, column)| {
            let before = if index == 0 { '{' } else { ',' };
            format!("{before}{}:", serde_json::Value::from(column.name.as_str()))
        });
        Self {
            keys: keys.collect(),
            out,
        }
    }

    pub(crate) fn add(&mut self, row: &[Value]) -> io::Result<()> {
        for (key, value) in self.keys.iter().zip(row) {
            self.out.write_all(key.as_bytes())?;
            write_value(self.out, value)?;
        }
        self.out.write_all(b"}\n")
    }
}

fn write_value(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Null => write_json(out, &()),
        Value::Text(text) => write_json(out, text),
        Value::Date(date) => write_json(out, &date.to_string()),
        Value::Instant(instant) => write_json(out, &instant.as_str()),
        Value::Integer(number) => write_json(out, number),
        // A number that JSON does not have becomes null.
        Value::Number(number) => write_json(out, number),
        Value::Flag(flag) => write_json(out, flag),
    }
}

fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    Ok(serde_json::to_writer(out, value)?)
}
