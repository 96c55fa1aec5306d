use durable::DISK;

use super::*;
use crate::read_sequence;
use crate::small_corpus::{change, mode_bits, small_corpus};

const MODE: PackingMode = PackingMode::FullSentences;

fn written() -> (crate::small_corpus::SmallCorpus, PathBuf) {
    let small = small_corpus();
    let corpus = Corpus::open(&small.folder).unwrap();
    Packing::open_or_build(&DISK, &corpus, MODE, 10).unwrap();
    let path = small.folder.join("packing-full-sentences-10.idx");
    (small, path)
}

fn broken(edit: impl FnOnce(&mut Vec<u8>)) -> ShardError {
    let (_small, path) = written();
    change(&path, edit);
    Packing::open(&path).unwrap_err()
}

#[test]
fn rows_are_grouped_by_source_in_the_order_of_the_shards() {
    let small = small_corpus();
    let corpus = Corpus::open(&small.folder).unwrap();
    let packing = Packing::build(&corpus, MODE, 10).unwrap();
    let names: Vec<&str> = packing.sources().map(|(name, _)| name).collect();
    assert_eq!(names, ["10-K", "10-K/A", "wiki"]);
    for source in names {
        let mut tokens = Vec::new();
        for index in packing.for_source(source).unwrap() {
            let row = packing.row(index).unwrap();
            read_sequence(corpus.shard(row.shard).unwrap(), &row, 2, &mut tokens).unwrap();
        }
        tokens.retain(|&token| token != 2);
        let documents = small.shards.iter().flatten().filter(|(name, _)| *name == source);
        let expected: Vec<u32> = documents.flat_map(|(_, blocks)| blocks.concat()).collect();
        assert_eq!(tokens, expected, "{source}");
    }
    assert_eq!(packing.for_source("10-Q"), None);
    assert_eq!((packing.mode(), packing.max_length()), (MODE, 10));
}

#[test]
fn a_written_packing_opens_as_it_was_built() {
    let (small, path) = written();
    let corpus = Corpus::open(&small.folder).unwrap();
    let built = Packing::build(&corpus, MODE, 10).unwrap();
    for mode in [ReadMode::Mmap, ReadMode::Pread] {
        let opened = Packing::open_with(&path, mode).unwrap();
        assert_eq!(opened.hash(), built.hash());
        assert_eq!(opened.num_rows(), built.num_rows());
        assert!((0..built.num_rows()).all(|row| opened.row(row).unwrap() == built.row(row).unwrap()));
        opened.verify().unwrap();
        opened.check_corpus(&corpus).unwrap();
    }
    assert_eq!(mode_bits(&path) & 0o222, 0);
    assert_eq!(built.hash().len(), 64);
    let other = Packing::build(&corpus, MODE, 11).unwrap();
    assert_ne!(other.hash(), built.hash());
}

#[test]
fn every_malformed_header_is_named() {
    let field = |edit: fn(&mut Vec<u8>)| match broken(edit) {
        ShardError::Header { field, .. } => field,
        other => panic!("{other}"),
    };
    assert_eq!(field(|bytes| bytes[0] = b'X'), "magic");
    assert_eq!(field(|bytes| bytes[8] = 2), "version");
    assert_eq!(field(|bytes| bytes[12] = 9), "mode");
    assert_eq!(field(|bytes| bytes[24] ^= 1), "number of rows");
    assert_eq!(field(|bytes| bytes[32] = 0), "offset of the rows");
    assert_eq!(field(|bytes| bytes[104] = 1), "first row of a source");
    assert_eq!(field(|bytes| bytes[124] = 0xFF), "source name");
}

#[test]
fn a_file_of_another_length_is_refused() {
    for edit in [
        |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1),
        |bytes: &mut Vec<u8>| bytes.push(0),
        |bytes: &mut Vec<u8>| bytes.truncate(110),
        |bytes: &mut Vec<u8>| bytes.clear(),
    ] {
        assert!(matches!(broken(edit), ShardError::Length { .. }));
    }
}

#[test]
fn a_header_of_a_tebibyte_is_refused_before_memory_is_taken_for_it() {
    let (_small, path) = written();
    change(&path, |bytes| {
        bytes[32..40].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    });
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    for mode in [ReadMode::Mmap, ReadMode::Pread] {
        let error = Packing::open_with(&path, mode).unwrap_err();
        assert!(error.to_string().contains("at most 16777216"), "{error}");
    }
}

#[test]
fn changed_rows_are_found_by_verify() {
    let (_small, path) = written();
    change(&path, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let error = Packing::open(&path).unwrap().verify().unwrap_err();
    assert!(matches!(error, ShardError::Damaged { .. }));
}

#[test]
fn a_packing_of_another_corpus_is_refused() {
    let (small, path) = written();
    change(&path, |bytes| bytes[40] ^= 1);
    let corpus = Corpus::open(&small.folder).unwrap();
    let error = Packing::open_or_build(&DISK, &corpus, MODE, 10).unwrap_err();
    assert!(matches!(error, ShardError::PackingOfOtherCorpus { .. }));
    assert!(error.to_string().contains(corpus.corpus_hash()), "{error}");
}

#[test]
fn every_mode_is_built_written_and_read_alike() {
    let small = small_corpus();
    for read_mode in [ReadMode::Mmap, ReadMode::Pread] {
        let corpus = Corpus::open_with(&small.folder, read_mode).unwrap();
        for mode in PackingMode::ALL {
            let built = Packing::build(&corpus, mode, 10).unwrap();
            let kept = Packing::open_or_build(&DISK, &corpus, mode, 10).unwrap();
            assert_eq!((built.mode(), kept.mode()), (mode, mode));
            assert_eq!(built.hash(), kept.hash());
            built.verify().unwrap();
            kept.verify().unwrap();
            let rows = |packing: &Packing| -> Vec<_> {
                (0..packing.num_rows())
                    .map(|row| packing.row(row).unwrap())
                    .collect()
            };
            assert_eq!(rows(&built), rows(&kept));
            let past = built.row(built.num_rows()).unwrap_err();
            assert!(matches!(past, ShardError::OutOfRange { what: "row", .. }));
        }
    }
}

#[test]
fn a_full_disk_leaves_no_packing() {
    use durable::testing::at_every_call;
    let small = small_corpus();
    let corpus = Corpus::open(&small.folder).unwrap();
    let path = small.folder.join("packing-contiguous-10.idx");
    let num_calls = at_every_call(|storage| {
        let written = Packing::write(storage, &corpus, (PackingMode::Contiguous, 10), &path);
        if written.is_ok() || path.exists() {
            Packing::open(&path).unwrap().verify().unwrap();
            std::fs::remove_file(&path).unwrap();
        }
    });
    assert!(num_calls > 3);
}

#[test]
fn a_corpus_that_cannot_be_packed_leaves_its_own_error() {
    let small = small_corpus();
    let corpus = Corpus::open(&small.folder).unwrap();
    let path = small.folder.join("packing-contiguous-2.idx");
    let error = Packing::write(&DISK, &corpus, (PackingMode::Contiguous, 2), &path).unwrap_err();
    assert!(
        matches!(error, ShardError::SequenceLength { max_length: 2 }),
        "{error}"
    );
    assert!(!path.exists());
}
