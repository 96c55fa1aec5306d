use proptest::prelude::*;

use super::*;
use crate::read_sequence;
use crate::small_corpus::{Blocks, documents, numbered, shard_of};

const EOS: u32 = 2;
use PackingMode::{Contiguous, DocSentences, FullSentences};

fn pack(reader: &ShardReader, max_length: u32, mode: PackingMode) -> Vec<PackedSequence> {
    pack_shard(0, reader, 0..reader.num_blocks(), max_length, mode).unwrap()
}

fn read(reader: &ShardReader, row: &PackedSequence) -> Vec<u32> {
    let mut tokens = Vec::new();
    read_sequence(reader, row, EOS, &mut tokens).unwrap();
    tokens
}

/// Lengths of the sequences that documents of these block lengths give at T = 12.
fn lengths(mode: PackingMode, documents: &[Vec<usize>]) -> Vec<u32> {
    let (_folder, reader) = shard_of(&numbered(documents));
    pack(&reader, 12, mode).iter().map(|row| row.length).collect()
}

#[test]
fn modes_have_distinct_names_and_codes_that_read_back() {
    for (code, mode) in (0..).zip(PackingMode::ALL) {
        assert_eq!(mode.code(), code);
        assert_eq!(PackingMode::from_code(code), Some(mode));
        assert_eq!(PackingMode::from_name(mode.name()), Some(mode));
        assert_eq!(
            serde_json::to_string(&mode).unwrap(),
            format!("{:?}", mode.name())
        );
    }
    assert_eq!(PackingMode::from_code(3), None);
    assert_eq!(PackingMode::from_name("full_sentences"), None);
    assert_eq!(PackingMode::default(), FullSentences);
}

#[test]
fn blocks_around_the_capacity_are_packed_whole() {
    for mode in [FullSentences, DocSentences] {
        let lengths = |documents: &[Vec<usize>]| lengths(mode, documents);
        assert_eq!(lengths(&[vec![10]]), [10]);
        assert_eq!(lengths(&[vec![9]]), [9]);
        assert_eq!(lengths(&[vec![11]]), [10, 1]);
        assert_eq!(lengths(&[vec![9, 1, 9, 2]]), [10, 9, 2]);
        assert_eq!(lengths(&[vec![20]]), [10, 10]);
        assert_eq!(lengths(&[vec![21, 9, 1]]), [10, 10, 10, 1]);
    }
}

#[test]
fn a_block_that_does_not_fit_begins_a_sequence_even_when_it_is_cut() {
    assert_eq!(lengths(FullSentences, &[vec![3, 25, 4]]), [3, 10, 10, 9]);
}

#[test]
fn a_separator_takes_the_room_of_a_token() {
    let lengths = |documents: &[Vec<usize>]| lengths(FullSentences, documents);
    assert_eq!(lengths(&[vec![5], vec![4]]), [10]);
    assert_eq!(lengths(&[vec![5], vec![5]]), [5, 5]);
    assert_eq!(
        lengths(&[vec![5], vec![], vec![4]]),
        [10],
        "an empty document adds none"
    );
    assert_eq!(lengths(&[vec![10], vec![1]]), [10, 1]);
}

#[test]
fn a_sequence_of_doc_sentences_ends_with_its_document() {
    let lengths = |documents: &[Vec<usize>]| lengths(DocSentences, documents);
    assert_eq!(lengths(&[vec![2, 3], vec![1], vec![4, 7]]), [5, 1, 4, 7]);
    assert_eq!(lengths(&[vec![12], vec![], vec![1]]), [10, 2, 1]);
}

#[test]
fn a_contiguous_stream_is_cut_at_every_length() {
    let lengths = |documents: &[Vec<usize>]| lengths(Contiguous, documents);
    assert_eq!(lengths(&[vec![3, 25, 4]]), [10, 10, 10, 2]);
    assert_eq!(lengths(&[vec![10], vec![1]]), [10, 1], "a separator never begins");
    assert_eq!(lengths(&[vec![9], vec![3]]), [9, 3], "nor ends a sequence");
    assert_eq!(lengths(&[vec![8], vec![3]]), [10, 2]);
    assert_eq!(lengths(&[vec![2], vec![2], vec![], vec![9]]), [10, 5]);
}

#[test]
fn an_empty_shard_has_no_sequence() {
    for mode in PackingMode::ALL {
        assert!(lengths(mode, &[]).is_empty());
        assert!(lengths(mode, &[vec![], vec![]]).is_empty());
    }
}

#[test]
fn a_sequence_reads_with_its_separators() {
    let (_folder, reader) = shard_of(&[vec![vec![10, 11], vec![12]], vec![], vec![vec![13, 14]]]);
    for mode in [FullSentences, Contiguous] {
        let rows = pack(&reader, 12, mode);
        assert_eq!(
            rows,
            [PackedSequence {
                shard: 0,
                block: 0,
                token_offset: 0,
                length: 6
            }]
        );
        assert_eq!(read(&reader, &rows[0]), [10, 11, 12, EOS, 13, 14]);
    }
}

#[test]
fn too_short_a_sequence_length_is_refused() {
    let (_folder, reader) = shard_of(&[vec![vec![1]]]);
    for max_length in 0..3 {
        let error = pack_shard(0, &reader, 0..1, max_length, FullSentences).unwrap_err();
        assert!(matches!(error, ShardError::SequenceLength { .. }));
    }
    assert_eq!(pack(&reader, 3, FullSentences).len(), 1);
    let error = pack_shard(0, &reader, 0..2, 12, FullSentences).unwrap_err();
    assert!(matches!(error, ShardError::OutOfRange { .. }));
}

/// Tokens of documents in order, a separator before each but the first that has any.
fn stream(documents: &[Blocks]) -> Vec<u32> {
    let texts = documents
        .iter()
        .map(|blocks| blocks.concat())
        .filter(|text| !text.is_empty());
    texts.collect::<Vec<_>>().join(&EOS)
}

fn any_mode() -> impl Strategy<Value = PackingMode> {
    prop::sample::select(PackingMode::ALL.to_vec())
}

proptest! {
    #[test]
    fn every_token_comes_once_and_in_order(
        documents in documents(40), max_length in 3u32..20, mode in any_mode(),
    ) {
        let (_folder, reader) = shard_of(&documents);
        let rows = pack(&reader, max_length, mode);
        let sequences: Vec<Vec<u32>> = rows.iter().map(|row| read(&reader, row)).collect();
        let mut expected = stream(&documents).into_iter().peekable();
        for (row, tokens) in rows.iter().zip(&sequences) {
            prop_assert_eq!(tokens.len(), row.length as usize);
            prop_assert!(!tokens.is_empty() && row.length <= max_length - 2);
            prop_assert!(tokens[0] != EOS && *tokens.last().unwrap() != EOS);
            // a separator at a sequence's start is left out
            expected.next_if_eq(&EOS);
            for &token in tokens {
                prop_assert_eq!(Some(token), expected.next());
            }
        }
        prop_assert_eq!(expected.next(), None);
    }

    #[test]
    fn no_sequence_could_take_the_next_block(
        documents in documents(15), max_length in 3u32..20, within_documents: bool,
    ) {
        let mode = if within_documents { DocSentences } else { FullSentences };
        let (_folder, reader) = shard_of(&documents);
        let rows = pack(&reader, max_length, mode);
        for pair in rows.windows(2) {
            let (row, next) = (pair[0], pair[1]);
            if next.token_offset > 0 {
                prop_assert_eq!(row.length, max_length - 2, "a cut block fills its sequence");
                continue;
            }
            let block = next.block as usize;
            let new_document = reader.document_of_block(block) != reader.document_of_block(block - 1);
            let needed = reader.block_length(block) + usize::from(new_document);
            let is_full = row.length as usize + needed > max_length as usize - 2;
            prop_assert!(is_full || (within_documents && new_document));
        }
    }

    #[test]
    fn doc_sentences_never_cross_a_document(documents in documents(40), max_length in 3u32..20) {
        let (_folder, reader) = shard_of(&documents);
        for row in pack(&reader, max_length, DocSentences) {
            let own: Vec<usize> =
                crate::pieces(&reader, &row).map(|piece| piece.unwrap().document).collect();
            prop_assert!(own.iter().all(|&document| document == own[0]));
        }
    }

    #[test]
    fn contiguous_sequences_are_full_but_the_last_and_before_a_separator(
        documents in documents(40), max_length in 3u32..20,
    ) {
        let (_folder, reader) = shard_of(&documents);
        let rows = pack(&reader, max_length, Contiguous);
        for pair in rows.windows(2) {
            let next = pair[1];
            let begins_document = next.token_offset == 0
                && reader.document_blocks(reader.document_of_block(next.block as usize)).start
                    == next.block as usize;
            let missing = max_length - 2 - pair[0].length;
            prop_assert!(missing == 0 || (missing == 1 && begins_document), "{:?}", pair);
        }
    }

    #[test]
    fn a_source_is_packed_from_its_own_blocks_alone(
        documents in documents(12), cut in 0usize..8, mode in any_mode(),
    ) {
        let (_folder, reader) = shard_of(&documents);
        let cut = cut.min(documents.len());
        let block = documents[..cut].iter().map(Vec::len).sum();
        let parts = [(0..block, &documents[..cut]), (block..reader.num_blocks(), &documents[cut..])];
        for (blocks, own) in parts {
            let rows = pack_shard(3, &reader, blocks, 12, mode).unwrap();
            let read: Vec<u32> =
                rows.iter().flat_map(|row| read(&reader, row)).filter(|&token| token != EOS).collect();
            let own: Vec<u32> = own.iter().flatten().flatten().copied().collect();
            prop_assert_eq!(read, own);
            prop_assert!(rows.iter().all(|row| row.shard == 3));
        }
    }
}
