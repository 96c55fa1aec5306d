//! Properties and rates of whole sequences: with special tokens, padding and few distinct
//! tokens in the input, where implementations that look right on random text go wrong.

use super::*;
use crate::select::mask_capacity;
use proptest::prelude::*;

use MaskingScheme::{Token, WholeWord};

const SCHEMES: [MaskingScheme; 2] = [Token, WholeWord];

fn scheme() -> impl Strategy<Value = MaskingScheme> {
    proptest::sample::select(SCHEMES.to_vec())
}

const BOS: u32 = 0;
const PAD: u32 = 1;
const EOS: u32 = 2;
const VOCAB_SIZE: usize = 41;
const MASK: u32 = 40;

struct Tables {
    is_special: Vec<bool>,
    word_starts: Vec<bool>,
}

impl Tables {
    /// Specials 0-3 and the last, as in `RoBERTa`; a word begins with the even tokens.
    fn new() -> Self {
        let is_special = (0..VOCAB_SIZE).map(|id| id < 4 || id + 1 == VOCAB_SIZE).collect();
        let word_starts = (0..VOCAB_SIZE).map(|id| id % 2 == 0).collect();
        Self {
            is_special,
            word_starts,
        }
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary::new(MASK, &self.is_special, &self.word_starts).unwrap()
    }
}

fn key(sample: u64) -> MaskKey {
    MaskKey {
        seed: 20,
        epoch: 3,
        sample,
    }
}

/// `<s>`, content of only four distinct tokens with a separator inside, `</s>`, padding.
fn row(num_content: usize, num_padding: usize) -> Vec<u32> {
    let mut ids = vec![BOS];
    ids.extend((0..num_content).map(|i| if i == 20 { EOS } else { 4 + (i % 4) as u32 }));
    ids.push(EOS);
    ids.resize(ids.len() + num_padding, PAD);
    ids
}

fn mask(sample: u64, scheme: MaskingScheme, ids: &[u32]) -> (Vec<u32>, MaskedPositions) {
    let tables = Tables::new();
    let config = MaskingConfig::new(0.15, scheme).unwrap();
    let mut shown = ids.to_vec();
    let mut masked = MaskedPositions::default();
    mask_sequence(key(sample), config, &tables.vocabulary(), &mut shown, &mut masked).unwrap();
    (shown, masked)
}

/// Pearson's statistic, at most five standard deviations above its mean.
fn assert_chi_square(observed: &[u64], expected: impl Fn(usize) -> f64) {
    let statistic: f64 = observed
        .iter()
        .enumerate()
        .map(|(i, &count)| (count as f64 - expected(i)).powi(2) / expected(i))
        .sum();
    let freedom = (observed.len() - 1) as f64;
    let limit = freedom + 5.0 * (2.0 * freedom).sqrt();
    assert!(
        statistic < limit,
        "chi-square {statistic} over {limit}: {observed:?}"
    );
}

#[test]
fn masks_are_a_function_of_seed_epoch_sequence_and_position() {
    let tables = Tables::new();
    let config = MaskingConfig::new(0.15, Token).unwrap();
    let mut reused = MaskedPositions::default();
    let mut run = |key: MaskKey| {
        let mut ids = row(126, 0);
        mask_sequence(key, config, &tables.vocabulary(), &mut ids, &mut reused).unwrap();
        (ids, reused.positions.clone())
    };
    let base = key(5);
    let first = run(base);
    let others = [
        MaskKey { seed: 21, ..base },
        MaskKey {
            seed: 20 + (1 << 40),
            ..base
        },
        MaskKey { epoch: 4, ..base },
        MaskKey {
            epoch: 3 + (1 << 33),
            ..base
        },
        MaskKey { sample: 6, ..base },
        MaskKey {
            sample: 5 + (1 << 33),
            ..base
        },
    ];
    for other in others {
        assert_ne!(run(other).1, first.1, "{other:?}");
    }
    assert_eq!(run(base), first);
}

#[test]
fn the_masks_of_a_known_sequence_never_change() {
    // A change here changes the order promise of every run that exists.
    let (_, masked) = mask(7, Token, &row(62, 0));
    assert_eq!(masked.positions, GOLDEN_POSITIONS);
    let (_, masked) = mask(7, WholeWord, &row(62, 0));
    assert_eq!(masked.positions, GOLDEN_WHOLE_WORD_POSITIONS);
}

#[test]
fn what_a_known_sequence_shows_at_its_masked_positions_never_changes() {
    // 99 tokens and 15 masks: neither fills the last four calls of the generator.
    let (shown, masked) = mask(7, Token, &row(97, 0));
    let at_masks: Vec<(u32, u32)> = masked.positions.iter().map(|&p| (p, shown[p as usize])).collect();
    assert_eq!(at_masks, GOLDEN_SHOWN);
}

const GOLDEN_POSITIONS: [u32; 9] = [3, 7, 12, 22, 34, 40, 44, 47, 51];
const GOLDEN_WHOLE_WORD_POSITIONS: [u32; 9] = [3, 4, 7, 8, 22, 47, 48, 51, 52];
const GOLDEN_SHOWN: [(u32, u32); 15] = [
    (3, MASK),
    (7, MASK),
    (12, MASK),
    (22, MASK),
    (40, MASK),
    (44, MASK),
    (47, MASK),
    (51, MASK),
    (67, 6),
    (73, MASK),
    (78, MASK),
    (82, MASK),
    (86, MASK),
    (88, 18),
    (97, MASK),
];

#[test]
fn short_and_special_sequences_are_masked_without_fault() {
    for scheme in SCHEMES {
        for ids in [
            vec![],
            vec![BOS],
            vec![BOS, EOS],
            vec![PAD; 9],
            row(1, 0),
            row(1, 5),
        ] {
            let masked = (0..200).map(|sample| mask(sample, scheme, &ids).1.positions.len());
            assert!(masked.max().unwrap() <= 1);
        }
    }
}

#[test]
fn a_token_outside_the_vocabulary_is_refused_and_nothing_touched() {
    let tables = Tables::new();
    let config = MaskingConfig::new(1.0, Token).unwrap();
    let mut ids = [BOS, 5, 6, 41, EOS];
    let mut masked = MaskedPositions::default();
    let error = mask_sequence(key(0), config, &tables.vocabulary(), &mut ids, &mut masked);
    assert_eq!(
        error,
        Err(MaskingError::TokenOutsideVocabulary {
            token: 41,
            position: 3,
            vocab_size: 41
        })
    );
    assert_eq!(ids, [BOS, 5, 6, 41, EOS]);
}

#[test]
fn other_shares_of_mask_and_random_tokens_are_met() {
    let tables = Tables::new();
    let vocabulary = tables.vocabulary();
    let config = MaskingConfig::new(0.3, Token).unwrap();
    let config = config.with_replacement(0.5, 0.25).unwrap();
    let (mut kinds, mut masked) = ([0_u64; 3], MaskedPositions::default());
    for sample in 0..20_000 {
        let mut ids = row(126, 30);
        mask_sequence(key(sample), config, &vocabulary, &mut ids, &mut masked).unwrap();
        for (&position, &label) in masked.positions.iter().zip(&masked.labels) {
            let shown = ids[position as usize];
            let kind = if shown == MASK {
                0
            } else {
                1 + usize::from(shown == label)
            };
            kinds[kind] += 1;
        }
    }
    let total = kinds.iter().sum::<u64>() as f64;
    let shares = [0.5, 0.25 * 35.0 / 36.0, 0.25 + 0.25 / 36.0];
    assert_chi_square(&kinds, |i| shares[i] * total);
    assert!(config.with_replacement(0.9, 0.2).is_err());
}

#[test]
fn a_configuration_says_what_it_was_made_of() {
    for (mlm_probability, scheme) in [(0.3, WholeWord), (0.15, Token)] {
        let config = MaskingConfig::new(mlm_probability, scheme).unwrap();
        assert!((config.mlm_probability() - mlm_probability).abs() < 1e-12);
        assert_eq!(config.scheme(), scheme);
    }
}

#[test]
fn a_probability_that_is_none_is_refused() {
    for probability in [-0.1, 1.1, f64::NAN] {
        let error = MaskingConfig::new(probability, Token).unwrap_err();
        assert!(error.to_string().contains("masking.mlm_probability"));
    }
}

#[test]
fn every_position_is_masked_equally_often() {
    let ids = row(102, 7);
    let mut observed = vec![0_u64; ids.len()];
    // 10^7 tokens
    let num_samples = 90_100;
    let mut total = 0;
    for sample in 0..num_samples {
        for position in mask(sample, Token, &ids).1.positions {
            observed[position as usize] += 1;
            total += 1;
        }
    }
    let maskable: Vec<u64> = (0..ids.len())
        .filter(|&p| ids[p] > 3)
        .map(|p| observed[p])
        .collect();
    assert_eq!(maskable.iter().sum::<u64>(), total, "a special token was masked");
    let expected = 0.15 * num_samples as f64;
    assert_chi_square(&maskable, |_| expected);
    let rate = total as f64 / (num_samples as f64 * maskable.len() as f64);
    assert!((rate - 0.15).abs() < 2e-4, "rate {rate}");
}

#[test]
fn whole_word_masking_masks_the_same_share_of_tokens() {
    let ids = row(102, 7);
    let num_samples = 4000;
    let masked: usize = (0..num_samples)
        .map(|sample| mask(sample, WholeWord, &ids).1.positions.len())
        .sum();
    let rate = masked as f64 / (num_samples as f64 * 101.0);
    // Words of two tokens leave one position unused where the count is odd.
    assert!((0.14..=0.15).contains(&rate), "rate {rate}");
}

#[test]
fn replacements_are_80_10_10_and_uniform_over_the_whole_vocabulary() {
    // Only four distinct tokens in the input; padding and specials beside them.
    let ids = row(126, 30);
    let mut kinds = [0_u64; 3];
    let mut drawn = vec![0_u64; VOCAB_SIZE];
    // 10^7 tokens
    for sample in 0..63_300 {
        let (shown, masked) = mask(sample, Token, &ids);
        for (&position, &label) in masked.positions.iter().zip(&masked.labels) {
            match shown[position as usize] {
                MASK => kinds[0] += 1,
                token if token == label => kinds[2] += 1,
                token => {
                    kinds[1] += 1;
                    drawn[token as usize] += 1;
                }
            }
        }
    }
    let total = kinds.iter().sum::<u64>() as f64;
    // A random token equals the original once in 36: it then counts as unchanged.
    let shares = [0.8, 0.1 * 35.0 / 36.0, 0.1 + 0.1 / 36.0];
    assert_chi_square(&kinds, |i| shares[i] * total);
    let ordinary = &drawn[4..VOCAB_SIZE - 1];
    assert_eq!(
        ordinary.iter().sum::<u64>(),
        kinds[1],
        "a special token was drawn"
    );
    // The four tokens of the input are missed one time in four each, when they are the original.
    let unit = 0.1 * total / 36.0;
    assert_chi_square(ordinary, |i| if i < 4 { unit * 0.75 } else { unit });
}

proptest! {
    #[test]
    fn only_ordinary_tokens_are_masked_and_labels_are_the_originals(
        ids in proptest::collection::vec(0_u32..VOCAB_SIZE as u32, 0..160),
        sample: u64, scheme in scheme(),
    ) {
        let (shown, masked) = mask(sample, scheme, &ids);
        prop_assert!(masked.positions.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(masked.positions.len(), masked.labels.len());
        let mut restored = shown.clone();
        for (&position, &label) in masked.positions.iter().zip(&masked.labels) {
            prop_assert!((4..MASK).contains(&label));
            restored[position as usize] = label;
            let token = shown[position as usize];
            prop_assert!((4..=MASK).contains(&token));
        }
        prop_assert_eq!(restored, ids);
    }

    #[test]
    fn no_sequence_has_more_masks_than_the_capacity(
        num_content in 0_usize..300, num_padding in 0_usize..20,
        sample: u64, scheme in scheme(), probability in 0.0..=1.0,
    ) {
        let tables = Tables::new();
        let config = MaskingConfig::new(probability, scheme).unwrap();
        let mut ids = row(num_content, num_padding);
        let length = ids.len();
        let num_maskable = ids.iter().filter(|&&id| id > 3).count();
        let mut masked = MaskedPositions::default();
        mask_sequence(key(sample), config, &tables.vocabulary(), &mut ids, &mut masked).unwrap();
        prop_assert!(masked.positions.len() <= mask_capacity(length, probability));
        if scheme == Token {
            let exact = probability * num_maskable as f64;
            prop_assert!((masked.positions.len() as f64 - exact).abs() < 1.0 + 1e-9);
        }
    }

    #[test]
    fn whole_word_masking_masks_whole_words_or_nothing(
        ids in proptest::collection::vec(0_u32..VOCAB_SIZE as u32, 0..200), sample: u64,
    ) {
        let (_, masked) = mask(sample, WholeWord, &ids);
        let is_masked = |p: usize| masked.positions.binary_search(&(p as u32)).is_ok();
        for p in 1..ids.len() {
            let inside_one_word = ids[p] > 3 && ids[p] != MASK && ids[p] % 2 == 1
                && ids[p - 1] > 3 && ids[p - 1] != MASK;
            if inside_one_word {
                prop_assert_eq!(is_masked(p), is_masked(p - 1), "word cut at {}", p);
            }
        }
    }
}
