//! `documents.jsonl.zst`: which document lies where, a JSON object a line, in zstd frames of
//! 1,024 rows with a seek table, so that one row costs one frame.
//!
//! Rows stand in the order of the shards and of the documents in each, then those of the
//! held-out files in the order of their sources.

mod frame;
mod reader;
mod row;
mod writer;

pub use frame::ROWS_PER_FRAME;
pub use reader::DocumentsReader;
pub use row::{DocumentPlace, DocumentRow, DocumentsFile};
pub use writer::DocumentsWriter;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::path::PathBuf;

    use durable::DISK;

    use super::frame::MAX_PIECE_BYTES;
    use super::*;
    use crate::seek_table::{self, FOOTER_BYTES, FrameSize};
    use crate::small_corpus::change;
    use crate::{DOCUMENTS_FILE, DocumentSpan, ShardError};

    fn row(number: u32) -> DocumentRow {
        let span = DocumentSpan {
            document: number,
            first_block: u64::from(number) * 2,
            blocks: 2,
            token_offset: u64::from(number) * 30,
            tokens: 30,
            checksum: format!("{number:016x}"),
        };
        DocumentRow {
            company: Some("A \"quoted\" name\n".into()),
            ..DocumentRow::new("id", "10-K", Some(0), &span)
        }
    }

    fn written(rows: u32) -> (tempfile::TempDir, DocumentsFile, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = DocumentsWriter::create(&DISK, folder.path()).unwrap();
        (0..rows).for_each(|number| writer.push(&row(number)).unwrap());
        let file = writer.finish().unwrap();
        let path = folder.path().join(DOCUMENTS_FILE);
        (folder, file, path)
    }

    #[test]
    fn rows_are_found_by_number_around_the_frame_size() {
        for rows in [0, 1, 1023, 1024, 1025, 2048, 2049] {
            let (_folder, file, path) = written(rows);
            let reader = DocumentsReader::open(&path).unwrap();
            assert_eq!(
                (file.rows, file.frames),
                (rows.into(), rows.div_ceil(1024).into())
            );
            assert_eq!(reader.num_frames() as u64, file.frames);
            for number in [0, 1, 1023, 1024, 2047, 2048] {
                match reader.row(number.into()) {
                    Ok(found) => assert_eq!(found, row(number)),
                    Err(ShardError::OutOfRange { .. }) => assert!(number >= rows),
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(
                reader.rows().map(|row| row.unwrap().document).collect::<Vec<_>>(),
                (0..rows).collect::<Vec<_>>()
            );
            let places: Vec<u32> = reader.places().map(|place| place.unwrap().document).collect();
            assert_eq!(places, (0..rows).collect::<Vec<_>>());
            let some = (0..u64::from(rows)).step_by(700);
            let found = reader.rows_at(some.clone()).unwrap();
            assert!(
                some.zip(found)
                    .all(|(number, row)| u64::from(row.document) == number)
            );
        }
    }

    #[test]
    fn any_zstd_program_reads_the_whole_file() {
        let (_folder, file, path) = written(1500);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, file.bytes);
        assert_eq!(durable::sha256_hex(&bytes), file.sha256);
        let text = String::from_utf8(zstd::stream::decode_all(&bytes[..]).unwrap()).unwrap();
        let rows: Vec<DocumentRow> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(rows.len(), 1500);
        assert_eq!(rows[1200], row(1200));
    }

    #[test]
    fn damage_is_named_with_its_frame() {
        let (_folder, _, path) = written(1500);
        change(&path, |bytes| bytes[100] ^= 1);
        let reader = DocumentsReader::open(&path).unwrap();
        let error = reader.row(3).unwrap_err();
        assert!(error.to_string().contains("frame 0 at byte 0"), "{error}");
        assert_eq!(reader.row(1024).unwrap(), row(1024), "the next frame is sound");
    }

    /// One zstd frame and a seek table that claims `claimed` for it.
    fn crafted(frame: &[u8], claimed: FrameSize) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DOCUMENTS_FILE);
        let mut bytes = frame.to_vec();
        bytes.extend(seek_table::encode(&[claimed]));
        durable::commit_bytes(&DISK, &path, &bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_frame_that_claims_or_unpacks_to_more_than_is_read_is_refused_before_it_is_unpacked() {
        let frame = zstd::bulk::compress(&vec![b' '; MAX_PIECE_BYTES + 1], 1).unwrap();
        let compressed = u32::try_from(frame.len()).unwrap();
        for (claimed, expected) in [
            (u32::MAX, "4294967295 bytes, more than"),
            (67_108_865, "67108865 bytes, more than"),
            // The table lies: the frame has more than it says.
            (100, "is damaged"),
        ] {
            let size = FrameSize {
                compressed,
                decompressed: claimed,
            };
            let (_folder, path) = crafted(&frame, size);
            let error = DocumentsReader::open(&path).unwrap().frame(0).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("frame 0 at byte 0") && text.contains(expected),
                "{text}"
            );
            assert!(text.contains(DOCUMENTS_FILE), "{text}");
        }
    }

    #[test]
    fn a_compressed_frame_or_a_table_of_gigabytes_in_a_file_of_holes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DOCUMENTS_FILE);
        let size = FrameSize {
            compressed: u32::MAX,
            decompressed: 1,
        };
        let table = seek_table::encode(&[size]);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        file.write_all_at(&table, u64::from(u32::MAX)).unwrap();
        let error = DocumentsReader::open(&path).unwrap().frame(0).unwrap_err();
        assert!(error.to_string().contains("4294967295 bytes"), "{error}");

        // A footer that claims 2^31 frames: a table of 16 GiB.
        let mut footer = table[table.len() - FOOTER_BYTES..].to_vec();
        footer[..4].copy_from_slice(&(1_u32 << 31).to_le_bytes());
        file.write_all_at(&footer, 17 << 30).unwrap();
        let error = DocumentsReader::open(&path).unwrap_err();
        assert!(error.to_string().contains("its seek table has"), "{error}");
    }

    #[test]
    fn a_cut_file_is_refused_at_opening() {
        for length in [0, 5, 40] {
            let (_folder, _, path) = written(10);
            change(&path, |bytes| bytes.truncate(length));
            let error = DocumentsReader::open(&path).unwrap_err();
            assert!(matches!(error, ShardError::Documents { .. }), "{error}");
        }
        let (_folder, _, path) = written(10);
        change(&path, |bytes| drop(bytes.drain(..10)));
        let error = DocumentsReader::open(&path).unwrap_err();
        assert!(error.to_string().contains("seek table"), "{error}");
    }
}
