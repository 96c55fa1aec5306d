//! One test a way in which a shard can be broken; round trips in both modes of reading.

use proptest::prelude::*;

use super::*;
use crate::small_corpus::{change, documents, shard_of, write_shard};

const MODES: [ReadMode; 2] = [ReadMode::Mmap, ReadMode::Pread];

/// Two documents of 2 and 1 blocks.
fn sound() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard");
    write_shard(
        &path,
        TokenWidth::U16,
        &[vec![vec![1, 2], vec![3]], vec![vec![4, 5, 6]]],
    );
    (folder, path)
}

/// The error of opening a shard whose `extension` was edited, the same in both modes.
fn broken(extension: &str, edit: impl Fn(&mut Vec<u8>)) -> ShardError {
    let (_folder, path) = sound();
    change(&with_extension(&path, extension), edit);
    let [mapped, read] = MODES.map(|mode| ShardReader::open_with(&path, mode).unwrap_err());
    assert_eq!(mapped.to_string(), read.to_string());
    mapped
}

fn broken_column(at: usize, value: u8) -> (&'static str, usize) {
    match broken("idx", |bytes| bytes[at] = value) {
        ShardError::Column { column, index, .. } => (column, index),
        other => panic!("{other}"),
    }
}

const LENGTHS: usize = 34;
const POINTERS: usize = LENGTHS + 3 * 4;
const DOCUMENTS: usize = POINTERS + 3 * 8;

#[test]
fn an_index_of_a_tebibyte_is_not_read_into_memory() {
    let (_folder, path) = sound();
    let index = with_extension(&path, "idx");
    change(&index, |_| {});
    let file = std::fs::OpenOptions::new().write(true).open(&index).unwrap();
    file.set_len(1 << 40).unwrap();
    match ShardReader::open_with(&path, ReadMode::Pread) {
        Err(ShardError::Read { path: named, source }) => {
            assert_eq!(named, index);
            assert!(source.to_string().contains("8589934592"), "{source}");
        }
        other => panic!("{other:?}"),
    }
    let mapped = ShardReader::open_with(&path, ReadMode::Mmap).unwrap_err();
    assert!(matches!(mapped, ShardError::Length { .. }), "{mapped}");
}

#[test]
fn a_negative_length_is_named() {
    assert_eq!(broken_column(LENGTHS + 4 + 3, 0x80), ("length", 1));
}

#[test]
fn a_pointer_that_does_not_follow_is_named() {
    assert_eq!(broken_column(POINTERS, 2), ("pointer", 0));
    assert_eq!(broken_column(POINTERS + 8, 2), ("pointer", 1));
    assert_eq!(broken_column(LENGTHS, 1), ("pointer", 1));
}

#[test]
fn a_document_index_that_falls_or_goes_too_far_is_named() {
    assert_eq!(broken_column(DOCUMENTS, 1), ("document index", 0));
    assert_eq!(broken_column(DOCUMENTS + 8, 4), ("document index", 1));
    assert_eq!(broken_column(DOCUMENTS + 8 + 7, 0x80), ("document index", 1));
    assert_eq!(broken_column(DOCUMENTS + 16, 2), ("document index", 2));
    assert_eq!(broken_column(DOCUMENTS + 16, 1), ("document index", 2));
}

#[test]
fn a_bin_of_another_length_is_refused() {
    let shorter = broken("bin", |bytes| bytes.truncate(11));
    assert!(matches!(
        shorter,
        ShardError::Length {
            expected_bytes: 12,
            found_bytes: 11,
            ..
        }
    ));
    let longer = broken("bin", |bytes| bytes.push(0));
    assert!(matches!(
        longer,
        ShardError::Length {
            expected_bytes: 12,
            found_bytes: 13,
            ..
        }
    ));
    let empty = broken("bin", Vec::clear);
    assert!(matches!(
        empty,
        ShardError::Length {
            expected_bytes: 12,
            found_bytes: 0,
            ..
        }
    ));
}

#[test]
fn a_damaged_header_is_refused() {
    assert!(matches!(
        broken("idx", Vec::clear),
        ShardError::Length {
            expected_bytes: 34,
            ..
        }
    ));
    assert!(matches!(
        broken("idx", |bytes| bytes[0] = 0),
        ShardError::Header { field: "magic", .. }
    ));
    let cut = broken("idx", |bytes| bytes.truncate(60));
    assert!(matches!(cut, ShardError::Length { found_bytes: 60, .. }));
    let huge = broken("idx", |bytes| bytes[18..26].fill(0xFF));
    assert!(matches!(
        huge,
        ShardError::Header {
            field: "number of sequences",
            ..
        }
    ));
    let documents = broken("idx", |bytes| bytes[26..34].fill(0xFF));
    assert!(matches!(
        documents,
        ShardError::Header {
            field: "number of sequences",
            ..
        }
    ));
}

#[test]
fn a_missing_file_is_named() {
    let (_folder, path) = sound();
    std::fs::remove_file(with_extension(&path, "bin")).unwrap();
    let error = ShardReader::open(&path).unwrap_err();
    assert!(error.to_string().contains("shard.bin: check"), "{error}");
}

#[test]
fn a_block_beyond_the_shard_is_an_error() {
    let (_folder, path) = sound();
    let error = ShardReader::open(&path).unwrap().block(3).unwrap_err();
    assert!(matches!(
        error,
        ShardError::OutOfRange {
            what: "block",
            index: 3,
            count: 3,
            ..
        }
    ));
}

#[test]
fn an_empty_shard_opens() {
    for mode in MODES {
        let (_folder, shard) = shard_of(&[]);
        let shard = ShardReader::open_with(shard.path(), mode).unwrap();
        assert_eq!(
            (shard.num_blocks(), shard.num_documents(), shard.num_tokens()),
            (0, 0, 0)
        );
        assert!(shard.block(0).is_err());
    }
}

#[test]
fn documents_without_blocks_are_passed_over() {
    let (_folder, shard) = shard_of(&[vec![], vec![vec![1]], vec![], vec![vec![2], vec![3]], vec![]]);
    assert_eq!(shard.num_documents(), 5);
    let documents: Vec<usize> = (0..3).map(|block| shard.document_of_block(block)).collect();
    assert_eq!(documents, [1, 3, 3]);
    let blocks: Vec<_> = (0..5).map(|document| shard.document_blocks(document)).collect();
    assert_eq!(blocks, [0..0, 0..1, 1..1, 1..3, 3..3]);
}

proptest! {
    #[test]
    fn what_was_written_is_read(documents in documents(9), wide: bool, pread: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard-00000-of-00001");
        let width = if wide { TokenWidth::I32 } else { TokenWidth::U16 };
        let offset = if wide { 1 << 20 } else { 0 };
        let documents: Vec<Vec<Vec<u32>>> = documents
            .iter()
            .map(|blocks| blocks.iter().map(|b| b.iter().map(|t| t + offset).collect()).collect())
            .collect();
        let summary = write_shard(&path, width, &documents);
        let shard = ShardReader::open_with(&path, MODES[usize::from(pread)]).unwrap();
        prop_assert_eq!(shard.width(), width);
        prop_assert_eq!(shard.num_documents(), documents.len());
        prop_assert_eq!(shard.num_tokens(), summary.tokens);
        let mut before = 0;
        for (index, blocks) in documents.iter().enumerate() {
            let range = shard.document_blocks(index);
            prop_assert_eq!(range.len(), blocks.len());
            for (block, expected) in range.zip(blocks) {
                let tokens = shard.block(block).unwrap();
                prop_assert_eq!(&tokens.to_vec(), expected);
                prop_assert_eq!(tokens.get(expected.len() - 1), *expected.last().unwrap());
                prop_assert_eq!(shard.block_length(block), expected.len());
                prop_assert_eq!(shard.tokens_before(block), before);
                before += expected.len() as u64;
                prop_assert_eq!(shard.document_of_block(block), index);
            }
        }
    }

    #[test]
    fn any_bytes_give_an_error_and_no_panic(idx in prop::collection::vec(any::<u8>(), 0..120), keep_header: bool) {
        let (_folder, path) = sound();
        change(&with_extension(&path, "idx"), |bytes| {
            if keep_header {
                bytes.truncate(18);
                bytes.extend(&idx);
            } else {
                bytes.clone_from(&idx);
            }
        });
        for mode in MODES {
            prop_assert!(ShardReader::open_with(&path, mode).is_err());
        }
    }
}
