//! Rows as Parquet: a row group whenever so many bytes of rows are there, so memory does not grow
//! with their number. A thread encodes a row group while the rows of the next one arrive.
//!
//! Points in time are stored in UTC. Text has no dictionary and no statistics, which cost time
//! and say nothing about prose; words have both.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, LargeStringBuilder,
    StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use jiff::civil::Date;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::column::{Column, Kind, Value};
use crate::error::ColumnsError;
use crate::error::write_error;

/// Bytes of rows in a row group: some hundred filings. Two of them are in memory.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// The zone of points in time, as Arrow names it.
const UTC: &str = "UTC";

/// Writes rows to a file.
pub(crate) struct ParquetFile<'f> {
    path: PathBuf,
    out: &'f mut dyn Write,
    schema: SchemaRef,
    /// The rows of the row group that is being filled, by column.
    builders: Vec<Builder>,
    /// What they take.
    bytes: usize,
    row_group_bytes: usize,
    encoder: Encoder,
}

/// The thread that encodes; rows go in, bytes of the file come out.
struct Encoder {
    rows: SyncSender<RecordBatch>,
    encoded: Receiver<Vec<u8>>,
    thread: JoinHandle<Result<(), ParquetError>>,
}

enum Builder {
    Word(StringBuilder),
    Text(LargeStringBuilder),
    Date(Date32Builder),
    Instant(TimestampMillisecondBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
}

impl<'f> ParquetFile<'f> {
    pub(crate) fn create(
        path: &Path,
        columns: &[Column],
        out: &'f mut dyn Write,
    ) -> Result<Self, ColumnsError> {
        Self::with_row_groups(path, columns, ROW_GROUP_BYTES, out)
    }

    fn with_row_groups(
        path: &Path,
        columns: &[Column],
        row_group_bytes: usize,
        out: &'f mut dyn Write,
    ) -> Result<Self, ColumnsError> {
        let fields = columns
            .iter()
            .map(|column| Field::new(&column.name, data_type(column.kind), true));
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self {
            path: path.to_path_buf(),
            encoder: Encoder::start(&schema, properties(columns))
                .map_err(|source| ColumnsError::EncoderThread { source })?,
            builders: columns.iter().map(|column| Builder::new(column.kind)).collect(),
            out,
            schema,
            bytes: 0,
            row_group_bytes,
        })
    }

    pub(crate) fn add(&mut self, row: &[Value]) -> Result<(), ColumnsError> {
        for (builder, value) in self.builders.iter_mut().zip(row) {
            builder.append(value);
            self.bytes += value.bytes();
        }
        if self.bytes < self.row_group_bytes {
            return Ok(());
        }
        let batch = self.take_rows().map_err(|error| self.error(error))?;
        // Where the thread has ended, `finish` says why.
        if self.encoder.rows.send(batch).is_err() {
            return Ok(());
        }
        self.write_encoded()
    }

    pub(crate) fn finish(mut self) -> Result<(), ColumnsError> {
        if self.bytes > 0 {
            let batch = self.take_rows().map_err(|error| self.error(error))?;
            // As above.
            let _ = self.encoder.rows.send(batch);
        }
        let Self {
            path, out, encoder, ..
        } = self;
        drop(encoder.rows);
        for bytes in encoder.encoded {
            out.write_all(&bytes)
                .map_err(|source| write_error(&path, source))?;
        }
        let ended = encoder.thread.join().unwrap_or_else(|_| {
            let problem = "the thread that encodes has panicked".to_owned();
            Err(ParquetError::General(problem))
        });
        ended.map_err(|source| ColumnsError::Parquet { path, source })
    }

    fn take_rows(&mut self) -> Result<RecordBatch, ParquetError> {
        self.bytes = 0;
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// Writes what has been encoded by now.
    fn write_encoded(&mut self) -> Result<(), ColumnsError> {
        for bytes in self.encoder.encoded.try_iter() {
            self.out
                .write_all(&bytes)
                .map_err(|source| write_error(&self.path, source))?;
        }
        Ok(())
    }

    fn error(&self, source: ParquetError) -> ColumnsError {
        ColumnsError::Parquet {
            path: self.path.clone(),
            source,
        }
    }
}

impl Encoder {
    fn start(schema: &SchemaRef, properties: WriterProperties) -> std::io::Result<Self> {
        // No room: when a batch is taken, the one before it has been encoded.
        let (rows, batches) = sync_channel(0);
        let (send, encoded) = channel();
        let schema = Arc::clone(schema);
        let thread = std::thread::Builder::new()
            .name("parquet".to_owned())
            .spawn(move || encode(&batches, &send, schema, properties))?;
        Ok(Self {
            rows,
            encoded,
            thread,
        })
    }
}

/// Encodes each batch as a row group. Nobody hears it where the writer has gone: it has failed by itself.
fn encode(
    batches: &Receiver<RecordBatch>,
    encoded: &std::sync::mpsc::Sender<Vec<u8>>,
    schema: SchemaRef,
    properties: WriterProperties,
) -> Result<(), ParquetError> {
    let bytes = Buffer::default();
    let mut writer = ArrowWriter::try_new(bytes.clone(), schema, Some(properties))?;
    for batch in batches {
        writer.write(&batch)?;
        drop(batch);
        writer.flush()?;
        writer.sync()?;
        if encoded.send(bytes.take()).is_err() {
            return Ok(());
        }
    }
    writer.close()?;
    let _ = encoded.send(bytes.take());
    Ok(())
}

/// What the Parquet writer has written and nobody has taken yet.
#[derive(Debug, Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Word => Self::Word(StringBuilder::new()),
            Kind::Text => Self::Text(LargeStringBuilder::new()),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Instant => Self::Instant(TimestampMillisecondBuilder::new().with_timezone(UTC)),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Number => Self::Number(Float64Builder::new()),
            Kind::Flag => Self::Flag(BooleanBuilder::new()),
        }
    }

    /// Appends a value of its kind, as [`TableFile`](crate::TableFile) has checked; any other is null.
    fn append(&mut self, value: &Value) {
        match self {
            Self::Word(builder) => builder.append_option(as_text(value)),
            Self::Text(builder) => builder.append_option(as_text(value)),
            Self::Date(builder) => builder.append_option(match value {
                Value::Date(date) => Some(days_since_1970(*date)),
                _ => None,
            }),
            Self::Instant(builder) => builder.append_option(match value {
                Value::Instant(instant) => Some(instant.at().as_millisecond()),
                _ => None,
            }),
            Self::Integer(builder) => builder.append_option(match value {
                Value::Integer(number) => Some(*number),
                _ => None,
            }),
            Self::Number(builder) => builder.append_option(match value {
                Value::Number(number) if number.is_finite() => Some(*number),
                _ => None,
            }),
            Self::Flag(builder) => builder.append_option(match value {
                Value::Flag(flag) => Some(*flag),
                _ => None,
            }),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Word(builder) => ArrayBuilder::finish(builder),
            Self::Text(builder) => ArrayBuilder::finish(builder),
            Self::Date(builder) => ArrayBuilder::finish(builder),
            Self::Instant(builder) => ArrayBuilder::finish(builder),
            Self::Integer(builder) => ArrayBuilder::finish(builder),
            Self::Number(builder) => ArrayBuilder::finish(builder),
            Self::Flag(builder) => ArrayBuilder::finish(builder),
        }
    }
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Word => DataType::Utf8,
        // Readers join row groups, and the texts of all filings are more than the 2 GiB of `Utf8`.
        Kind::Text => DataType::LargeUtf8,
        Kind::Date => DataType::Date32,
        Kind::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
        Kind::Integer => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Flag => DataType::Boolean,
    }
}

fn properties(columns: &[Column]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // Row groups end where `add` ends them.
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(None);
    for column in columns.iter().filter(|column| column.kind == Kind::Text) {
        let path = ColumnPath::from(column.name.as_str());
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    properties.build()
}

fn days_since_1970(date: Date) -> i32 {
    date.duration_since(Date::constant(1970, 1, 1))
        .as_hours()
        .div_euclid(24)
        .try_into()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970_backwards_too() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((2000, 3, 1), 11_017),
            ((1, 1, 1), -719_162),
        ] {
            assert_eq!(days_since_1970(Date::constant(date.0, date.1, date.2)), days);
        }
    }

    /// Rows of a word and a text of 1,000 bytes, in row groups of so many bytes.
    fn file_of(rows: usize, row_group_bytes: usize) -> Vec<u8> {
        let columns = [Column::new("id", Kind::Word), Column::new("text", Kind::Text)];
        let mut bytes = Vec::new();
        let mut file =
            ParquetFile::with_row_groups(Path::new("t"), &columns, row_group_bytes, &mut bytes).unwrap();
        for row in 0..rows {
            let text = format!("{row:04}").repeat(250);
            file.add(&[Value::Text(row.to_string()), Value::Text(text)])
                .unwrap();
        }
        file.finish().unwrap();
        bytes
    }

    #[test]
    fn a_row_group_ends_by_bytes_and_no_row_is_lost() {
        use parquet::file::reader::{FileReader, SerializedFileReader};
        let folder = tempfile::tempdir().unwrap();
        for (rows, row_groups) in [(0, 0), (1, 1), (10, 1), (11, 2), (95, 10)] {
            let path = folder.path().join(rows.to_string());
            durable::commit_bytes(&durable::DISK, &path, &file_of(rows, 10 * 1_000)).unwrap();
            let reader = SerializedFileReader::new(durable::open_file(&path).unwrap()).unwrap();
            let metadata = reader.metadata();
            assert_eq!(metadata.num_row_groups(), row_groups, "{rows} rows");
            assert_eq!(metadata.file_metadata().num_rows(), i64::try_from(rows).unwrap());
        }
    }

    #[test]
    fn equal_rows_give_equal_bytes() {
        assert_eq!(file_of(57, 5_000), file_of(57, 5_000));
    }
}
