//! Held-out sequences: all of them, the same at every evaluation, shared by the ranks.

use std::collections::BTreeSet;

use super::rows;
use crate::test_corpus::{TestCorpus, config};
use crate::{EVALUATION_MASK_SEED, LoaderConfig, LoaderError, MicroBatch};

#[test]
fn evaluation_covers_the_held_out_file_with_the_same_masks_every_time() {
    let test = TestCorpus::new();
    let loader = test.loader(config(10, 5)).unwrap();
    let collect = |limit| -> Vec<MicroBatch> {
        let evaluations = loader.held_out(limit, EVALUATION_MASK_SEED).unwrap();
        assert_eq!(evaluations.len(), 1);
        assert_eq!(evaluations[0].source(), "10-K");
        let batches = 0..evaluations[0].num_micro_batches();
        let batches: Vec<MicroBatch> = batches
            .map(|index| evaluations[0].micro_batch(index).unwrap())
            .collect();
        let num_sequences: usize = batches.iter().map(|batch| batch.sequences).sum();
        assert_eq!(evaluations[0].num_sequences(), num_sequences);
        batches
    };
    let batches = collect(None);
    assert_eq!(batches, collect(None));
    let tokens: u64 = batches.iter().map(|batch| batch.tokens).sum();
    let sequences: usize = batches.iter().map(|batch| batch.sequences).sum();
    let file = &test.corpus.manifest().held_out.sources["10-K"];
    let eos = i64::from(test.tokenizer.special().eos);
    let separators = rows(&batches).iter().flatten().filter(|&&id| id == eos).count();
    assert_eq!(tokens, file.tokens + (sequences + separators) as u64);
    assert!(batches.iter().map(|batch| batch.masked_tokens).sum::<u64>() > 0);

    let few = collect(Some(3));
    assert_eq!(few.iter().map(|batch| batch.sequences).sum::<usize>(), 3);
    let all: BTreeSet<Vec<i64>> = rows(&batches).into_iter().collect();
    assert!(
        rows(&few).iter().all(|row| all.contains(row)),
        "a limit changed a mask"
    );
}

#[test]
fn ranks_share_an_evaluation_without_gap_or_overlap() {
    let test = TestCorpus::new();
    let evaluation = test
        .loader(config(12, 1))
        .unwrap()
        .held_out(None, EVALUATION_MASK_SEED)
        .unwrap()
        .remove(0);
    for world_size in 1..=7 {
        let mut next = 0;
        for rank in 0..world_size {
            let run = evaluation.micro_batches_of_rank(rank, world_size);
            assert_eq!(run.start, next);
            next = run.end;
        }
        assert_eq!(next, evaluation.num_micro_batches());
    }
    let past = evaluation.micro_batch(evaluation.num_micro_batches());
    assert!(matches!(past, Err(LoaderError::OutOfRange { .. })));
}

#[test]
fn masks_of_evaluation_are_those_of_their_own_seed_and_not_of_the_runs() {
    let test = TestCorpus::new();
    let rows_of = |seed, micro_batch_size, mask_seed| {
        let own = LoaderConfig {
            seed,
            ..config(12, micro_batch_size)
        };
        let evaluation = test
            .loader(own)
            .unwrap()
            .held_out(None, mask_seed)
            .unwrap()
            .remove(0);
        let batches = (0..evaluation.num_micro_batches()).map(|index| evaluation.micro_batch(index).unwrap());
        rows(&batches.collect::<Vec<_>>())
    };
    let fixed = rows_of(1, 3, EVALUATION_MASK_SEED);
    for seed in [2, 17, u64::MAX] {
        assert_eq!(rows_of(seed, 4, EVALUATION_MASK_SEED), fixed, "{seed}");
        assert_ne!(rows_of(seed, 3, seed), fixed, "{seed}");
    }
    assert_eq!(rows_of(2, 3, 17), rows_of(3, 3, 17));
}
