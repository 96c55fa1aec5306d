//! The columns that every table of documents has, and the files that hold them.
//!
//! [`DocumentColumns`] says which columns a table has and what a document has in them; other tables
//! name [`Column`]s of their own. [`write_new_file`] writes the rows as Parquet, CSV or JSON lines,
//! by the ending of the file's name. Whoever writes or reads such a table needs this crate and
//! `documents`; it knows neither sources nor models.
//!
//! ```
//! use columns::{Column, ColumnsError, Kind, Value, write_new_file};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("rows.csv");
//! let columns = [Column::new("id", Kind::Word), Column::new("tokens", Kind::Integer)];
//! write_new_file::<ColumnsError>(&path, &columns, |file| {
//!     file.add(&[Value::Text("a".into()), Value::Integer(7)])?;
//!     file.add(&[Value::Text("b".into()), Value::Null])
//! })?;
//! assert_eq!(std::fs::read_to_string(&path)?, "id,tokens\na,7\nb,\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod column;
mod document_columns;
mod error;
mod file;
mod json_lines;
mod members;
mod parquet_file;
mod table;

pub use column::{Column, Instant, Kind, Value};
pub use document_columns::{Amendments, DocumentColumns, DocumentRow};
pub use error::ColumnsError;
pub use file::{TableFile, TableFormat, write_new_file};
pub use members::Members;
pub use table::{TableOptions, TableReport, write_table};
