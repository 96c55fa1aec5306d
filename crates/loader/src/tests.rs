//! The loader over a corpus on disk: who gets what, in which order, with which digest.

mod evaluation;
mod whole_word;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::test_corpus::{SEQUENCE_LENGTH, SHORT_LENGTH, TestCorpus, config};
use crate::{
    GlobalIndex, Loader, LoaderConfig, LoaderError, MicroBatch, Phase, SkippedSteps, Step, StepBatches,
};

const GRID: [(u64, u64); 4] = [(12, 1), (12, 2), (12, 3), (12, 12)];

/// All ranks' batches of a step.
fn step_of_all_ranks(loader: &Loader, step: u64, world_size: u32) -> Vec<StepBatches> {
    (0..world_size)
        .map(|rank| loader.step_batches(Step(step), rank, world_size).unwrap())
        .collect()
}

/// The row of every slot in order, as the model sees it.
fn rows(batches: &[MicroBatch]) -> Vec<Vec<i64>> {
    let all = batches
        .iter()
        .flat_map(|batch| batch.input_ids.chunks_exact(batch.sequence_length));
    all.map(<[i64]>::to_vec).collect()
}

#[test]
fn the_number_of_ranks_changes_neither_order_nor_masks_nor_micro_batches() {
    let test = TestCorpus::new();
    for (global_batch_size, micro_batch_size) in GRID {
        let loader = test.loader(config(global_batch_size, micro_batch_size)).unwrap();
        for step in [0, 1, 7, 1000] {
            let alone = step_of_all_ranks(&loader, step, 1).remove(0);
            for world_size in [1, 2, 3, 4, 6, 12] {
                if !loader.num_micro_batches().is_multiple_of(u64::from(world_size)) {
                    continue;
                }
                let ranks = step_of_all_ranks(&loader, step, world_size);
                let shares: Vec<usize> = ranks.iter().map(|rank| rank.micro_batches.len()).collect();
                assert!(shares.iter().all(|&share| share == shares[0]));
                let digest = ranks
                    .iter()
                    .fold(0_u64, |sum, rank| sum.wrapping_add(rank.digest));
                assert_eq!(digest, alone.digest);
                let batches: Vec<MicroBatch> =
                    ranks.into_iter().flat_map(|rank| rank.micro_batches).collect();
                assert_eq!(batches, alone.micro_batches);
            }
        }
    }
}

#[test]
fn the_micro_batch_size_changes_neither_order_nor_masks_nor_digest() {
    let test = TestCorpus::new();
    let steps = GRID.map(|(global_batch_size, micro_batch_size)| {
        let loader = test.loader(config(global_batch_size, micro_batch_size)).unwrap();
        let step = loader.step_batches(Step(5), 0, 1).unwrap();
        (step.digest, rows(&step.micro_batches))
    });
    assert!(steps.iter().all(|step| *step == steps[0]));
    assert_eq!(steps[0].1.len(), 12);
}

#[test]
fn the_batch_size_changes_only_where_a_step_ends() {
    let test = TestCorpus::new();
    let ids = |batch_size: u64, steps: u64| -> Vec<Vec<i64>> {
        let loader = test.loader(config(batch_size, 1)).unwrap();
        (0..steps)
            .flat_map(|step| rows(&loader.step_batches(Step(step), 0, 1).unwrap().micro_batches))
            .collect()
    };
    assert_eq!(ids(4, 6), ids(8, 3));
}

#[test]
fn an_epoch_holds_every_token_of_the_corpus_and_separators() {
    let test = TestCorpus::new();
    let num_rows = test.packing.num_rows() as u64;
    let loader = test.loader(config(num_rows, 1)).unwrap();
    let step = loader.step_batches(Step(3), 0, 1).unwrap();
    let tokens: u64 = step.micro_batches.iter().map(|batch| batch.tokens).sum();
    let eos = i64::from(test.tokenizer.special().eos);
    let all_rows = rows(&step.micro_batches);
    let separators = all_rows.iter().flatten().filter(|&&id| id == eos).count() as u64;
    assert_eq!(
        tokens - num_rows - separators,
        test.corpus.manifest().num_tokens()
    );
    for (row, batch) in all_rows.iter().zip(&step.micro_batches) {
        let length = batch.lengths[0] as usize;
        assert_eq!(row[0], i64::from(test.tokenizer.special().bos));
        assert_eq!(row[length - 1], eos);
        assert!(
            row[length..]
                .iter()
                .all(|&id| id == i64::from(test.tokenizer.special().pad))
        );
    }
}

#[test]
fn a_batch_larger_than_the_corpus_straddles_epochs() {
    let test = TestCorpus::new();
    let num_rows = test.packing.num_rows() as u64;
    let loader = test.loader(config(num_rows * 2 + 3, 1)).unwrap();
    let epochs: Vec<u64> = (0..num_rows * 2 + 3)
        .map(|g| loader.sample(GlobalIndex(g)).epoch)
        .collect();
    for epoch in [0, 1] {
        assert_eq!(epochs.iter().filter(|&&e| e == epoch).count() as u64, num_rows);
    }
    assert!(loader.micro_batch(Step(0), num_rows * 2 + 2).is_ok());
}

#[test]
fn another_epoch_and_another_seed_mask_differently() {
    let test = TestCorpus::new();
    let num_rows = test.packing.num_rows() as u64;
    let masks = |seed: u64, step: u64| -> BTreeSet<Vec<i64>> {
        let loader = test
            .loader(LoaderConfig {
                seed,
                ..config(num_rows, 1)
            })
            .unwrap();
        rows(&loader.step_batches(Step(step), 0, 1).unwrap().micro_batches)
            .into_iter()
            .collect()
    };
    let base = masks(17, 0);
    for other in [masks(17, 1), masks(18, 0)] {
        let same = other.intersection(&base).count();
        assert!(
            same * 4 < base.len(),
            "{same} of {} rows are the same",
            base.len()
        );
    }
}

#[test]
fn prefetched_steps_are_those_that_are_asked_for_directly() {
    let test = TestCorpus::new();
    let loader = test.loader(config(12, 2)).unwrap();
    for depth in [0, 1, 4] {
        let steps = Arc::clone(&loader)
            .steps((1, 3), (Step(4), Step(11)), depth)
            .unwrap();
        let steps: Vec<StepBatches> = steps.map(Result::unwrap).collect();
        let direct: Vec<StepBatches> = (4..11)
            .map(|step| loader.step_batches(Step(step), 1, 3).unwrap())
            .collect();
        assert_eq!(steps, direct);
    }
}

#[test]
fn what_is_made_of_a_step_is_made_on_the_loader_s_thread_and_its_error_ends_the_steps() {
    let test = TestCorpus::new();
    let loader = test.loader(config(12, 2)).unwrap();
    let prepare = |batches: StepBatches| {
        if batches.step.0 == 2 {
            return Err(LoaderError::EmptyBatch);
        }
        let thread = std::thread::current().name().map(str::to_owned);
        Ok((batches.step.0, thread.unwrap_or_default()))
    };
    let steps = loader
        .prepared_steps((0, 1), (Step(0), Step(9)), 2, prepare)
        .unwrap();
    let made: Vec<_> = steps.collect();
    let loader_at = |step: u64| (step, "loader".to_owned());
    assert_eq!(made.len(), 3);
    assert_eq!(made[0].as_ref().unwrap(), &loader_at(0));
    assert_eq!(made[1].as_ref().unwrap(), &loader_at(1));
    assert!(matches!(made[2], Err(LoaderError::EmptyBatch)));
}

#[test]
fn a_token_outside_the_vocabulary_is_an_error_that_names_shard_and_block() {
    let test = TestCorpus::with_foreign_token(60_000);
    let num_rows = test.packing.num_rows() as u64;
    let loader = test.loader(config(num_rows, num_rows)).unwrap();
    let error = loader.micro_batch(Step(0), 0).unwrap_err();
    let LoaderError::Sequence {
        path,
        block: 0,
        token_offset: 0,
        source,
    } = &error
    else {
        panic!("{error}");
    };
    assert!(path.ends_with("shard-00001-of-00003"), "{}", path.display());
    assert!(source.to_string().contains("60000"), "{source}");
    let mut steps = Arc::clone(&loader).steps((0, 1), (Step(0), Step(2)), 2).unwrap();
    assert!(matches!(steps.next(), Some(Err(LoaderError::Sequence { .. }))));
    assert!(steps.next().is_none());
}

#[test]
fn a_loader_tells_its_sources_and_how_many_micro_batches_a_step_has() {
    let test = TestCorpus::new();
    for (global_batch_size, micro_batch_size, expected) in [(12, 1, 12), (12, 3, 4), (12, 12, 1)] {
        let loader = test.loader(config(global_batch_size, micro_batch_size)).unwrap();
        assert_eq!(loader.num_micro_batches(), expected);
        let (names, num_rows): (Vec<&str>, Vec<u64>) = loader.sources().unzip();
        assert_eq!(names, ["10-K", "wiki"]);
        assert_eq!(num_rows.iter().sum::<u64>(), test.packing.num_rows() as u64);
    }
}

#[test]
fn a_replayed_step_has_the_digest_of_training_and_tells_documents_and_masks() {
    let test = TestCorpus::new();
    let loader = test.loader(config(12, 3)).unwrap();
    let step = loader.step_batches(Step(9), 0, 1).unwrap();
    let described: Vec<_> = (0..12)
        .map(|slot| loader.describe(Step(9), slot).unwrap())
        .collect();
    assert_eq!(
        described
            .iter()
            .fold(0_u64, |sum, slot| sum.wrapping_add(slot.digest)),
        step.digest
    );
    let masked: u64 = step.micro_batches.iter().map(|batch| batch.masked_tokens).sum();
    let visible: usize = described.iter().map(|slot| slot.text.matches('⟦').count()).sum();
    assert_eq!(visible as u64, masked);
    for slot in &described {
        assert_eq!(slot.global_index, GlobalIndex(9 * 12 + slot.slot));
        // One document more for every `</s>` inside.
        assert_eq!(
            slot.documents.len(),
            slot.text.matches("</s>").count(),
            "{}",
            slot.text
        );
        assert!(
            slot.documents
                .iter()
                .all(|part| part.row.source == slot.source && !part.excluded)
        );
        let first = &slot.documents[0].row;
        let blocks = first.first_block..first.first_block + first.blocks;
        assert!(blocks.contains(&u64::from(slot.packed.block)));
        let tokens: u64 = slot.documents.iter().map(|part| part.num_tokens).sum();
        let separators = slot.documents.len() as u64 - 1;
        assert_eq!(tokens + separators, u64::from(slot.packed.length));
        for (index, part) in slot.documents.iter().enumerate() {
            assert!(part.first_token + part.num_tokens <= part.row.tokens);
            assert!(index == 0 || part.first_token == 0);
            let ends = part.first_token + part.num_tokens == part.row.tokens;
            assert!(index + 1 == slot.documents.len() || ends);
        }
    }
    assert!(matches!(
        loader.describe(Step(0), 12),
        Err(LoaderError::OutOfRange { .. })
    ));
}

#[test]
fn parts_that_do_not_fit_each_other_are_refused_by_name() {
    let test = TestCorpus::new();
    let longer = LoaderConfig {
        sequence_length: SEQUENCE_LENGTH + 1,
        ..config(12, 2)
    };
    let text = test.loader(longer).unwrap_err().to_string();
    assert!(
        text.contains("sequences of 25 tokens") && text.contains("[12, 24]"),
        "{text}"
    );

    let other = tokenizer::train(["another text altogether".to_owned()].into_iter(), 300).unwrap();
    let (corpus, packings) = (Arc::clone(&test.corpus), [Arc::clone(&test.packing)]);
    let text = Loader::new(config(12, 2), corpus, &packings, Arc::new(other))
        .unwrap_err()
        .to_string();
    assert!(text.contains("tokenizer"), "{text}");

    assert!(matches!(
        test.loader(config(12, 5)),
        Err(LoaderError::MicroBatchSize { .. })
    ));
    let loader = test.loader(config(12, 2)).unwrap();
    assert!(matches!(
        loader.micro_batch(Step(0), 6),
        Err(LoaderError::OutOfRange { .. })
    ));
    for late in [u64::MAX, u64::MAX / 12 + 1] {
        assert!(matches!(
            loader.micro_batch(Step(late), 5),
            Err(LoaderError::OutOfRange { what: "step", .. })
        ));
        assert!(matches!(
            loader.describe(Step(late), 11),
            Err(LoaderError::OutOfRange { what: "step", .. })
        ));
    }
}

#[test]
fn a_part_of_a_document_is_named_by_its_first_token() {
    let test = TestCorpus::new();
    let num_rows = test.packing.num_rows() as u64;
    let loader = test.loader(config(num_rows, 1)).unwrap();
    let mut next = std::collections::BTreeMap::new();
    let mut described = loader.describe_slots(Step(0), 0..num_rows).unwrap();
    described.sort_by_key(|slot| slot.row);
    for slot in described {
        assert!(
            slot.shard
                .ends_with(format!("shard-0000{}-of-00003", slot.packed.shard))
        );
        for part in slot.documents {
            let expected = next.entry(part.row.id.clone()).or_insert(0);
            assert_eq!(part.first_token, *expected, "{}", part.row.id);
            *expected += part.num_tokens;
        }
    }
    assert_eq!(next.len(), 30, "every document of the corpus is in an epoch");
}

#[test]
fn phases_change_weights_and_length_at_their_step_and_nothing_after_the_last() {
    let test = TestCorpus::new();
    let weights = |filings: u64, wiki: u64| {
        let pairs = [("10-K".to_owned(), filings), ("wiki".to_owned(), wiki)];
        Some(pairs.into_iter().collect())
    };
    let phases = vec![
        Phase {
            until_step: Step(2),
            weights: weights(0, 1),
            sequence_length: Some(SHORT_LENGTH),
        },
        Phase {
            until_step: Step(5),
            weights: None,
            sequence_length: None,
        },
    ];
    let phased = LoaderConfig {
        phases,
        weights: weights(1, 0),
        ..config(6, 2)
    };
    let loader = test.loader(phased.clone()).unwrap();
    for step in 0..8 {
        let lengths: BTreeSet<usize> = (0..3)
            .map(|index| loader.micro_batch(Step(step), index).unwrap())
            .map(|batch| {
                assert_eq!(batch.input_ids.len(), 2 * batch.sequence_length);
                assert_eq!(batch.labels.len(), 2 * batch.capacity);
                batch.sequence_length
            })
            .collect();
        let expected = if step < 2 { SHORT_LENGTH } else { SEQUENCE_LENGTH };
        assert_eq!(lengths, [expected].into(), "step {step}");
        for slot in loader.describe_slots(Step(step), 0..6).unwrap() {
            assert_eq!(slot.source, if step < 2 { "wiki" } else { "10-K" });
        }
    }
    let lacks = LoaderConfig {
        sequence_length: 99,
        ..phased.clone()
    };
    assert!(matches!(
        test.loader(lacks),
        Err(LoaderError::NoPacking {
            sequence_length: 99,
            ..
        })
    ));
    let mut unordered = phased;
    unordered.phases.reverse();
    assert!(matches!(
        test.loader(unordered),
        Err(LoaderError::Phases { ends }) if ends == [5, 2]
    ));
}

#[test]
fn an_excluded_document_leaves_its_slots_and_nothing_else_changes() {
    let test = TestCorpus::new();
    let num_rows = test.packing.num_rows() as u64;
    let plain = test.loader(config(num_rows, 1)).unwrap();
    let ids = ["10-K:1:3", "wiki:2:0"];
    let excluding = LoaderConfig {
        exclude: ids.map(str::to_owned).to_vec(),
        ..config(num_rows, 1)
    };
    let excluding = test.loader(excluding).unwrap();
    let mut num_changed = 0;
    for slot in 0..num_rows {
        let (before, after) = (
            plain.describe(Step(0), slot).unwrap(),
            excluding.describe(Step(0), slot).unwrap(),
        );
        let excluded = |id: &str| ids.contains(&id);
        let touched = before.documents.iter().any(|part| excluded(&part.row.id));
        assert_eq!(before.digest != after.digest, touched, "slot {slot}");
        assert_eq!((before.row, before.packed), (after.row, after.packed));
        let left: u64 = after
            .documents
            .iter()
            .filter(|part| !part.excluded)
            .map(|part| part.num_tokens)
            .sum();
        for part in &after.documents {
            assert_eq!(part.excluded, excluded(&part.row.id));
        }
        let kept = after.documents.iter().filter(|part| !part.excluded).count() as u64;
        let tokens = excluding.micro_batch(Step(0), slot).unwrap().tokens;
        assert_eq!(tokens, left + kept.saturating_sub(1) + 2);
        num_changed += u64::from(touched);
    }
    assert!(
        num_changed > 1 && num_changed < num_rows / 2,
        "{num_changed} of {num_rows}"
    );
}

#[test]
fn documents_that_cannot_be_excluded_are_named() {
    let test = TestCorpus::new();
    let exclude = ["10-K:0:0", "10-K:9:9", "held-out:101"]
        .map(str::to_owned)
        .to_vec();
    let error = test
        .loader(LoaderConfig {
            exclude,
            ..config(12, 2)
        })
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("data.exclude: the corpus has no document 10-K:9:9 "),
        "{text}"
    );
    assert!(text.contains("held-out:101 is held out"), "{text}");
}

#[test]
fn skipped_steps_are_passed_over_and_the_others_keep_their_batches() {
    let test = TestCorpus::new();
    let skipping = LoaderConfig {
        skip_steps: SkippedSteps::parse(&["6..8", "10"]).unwrap(),
        ..config(12, 2)
    };
    let plain = test.loader(config(12, 2)).unwrap();
    let steps = test
        .loader(skipping)
        .unwrap()
        .steps((0, 1), (Step(3), Step(12)), 2)
        .unwrap();
    let steps: Vec<StepBatches> = steps.map(Result::unwrap).collect();
    let numbers: Vec<u64> = steps.iter().map(|batches| batches.step.0 + 1).collect();
    assert_eq!(numbers, [4, 5, 8, 9, 11, 12]);
    for batches in steps {
        assert_eq!(batches, plain.step_batches(batches.step, 0, 1).unwrap());
    }
}

#[test]
fn a_batch_that_is_asked_for_past_its_step_is_refused() {
    let test = TestCorpus::new();
    let loader = test.loader(config(12, 3)).unwrap();
    assert!(loader.micro_batch(Step(0), 3).is_ok());
    for slots in [12..13, 11..13, u64::MAX..u64::MAX] {
        let described = loader.describe_slots(Step(0), slots.clone());
        assert_eq!(described.is_ok(), slots.is_empty(), "{slots:?}");
    }
    assert!(loader.describe(Step(0), u64::MAX).is_err());
}
