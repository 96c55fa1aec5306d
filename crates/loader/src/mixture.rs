//! Which source a global index belongs to, and which of the source's turns it is.
//!
//! With integer weights of sum W, the W indices of a period visit every residue once: index
//! g goes to residue (g m) mod W, m coprime to W, and a source owns as many residues as its
//! weight. With m near W divided by the golden ratio, any run of indices holds each source
//! within a few of its share (Kuipers and Niederreiter, "Uniform distribution of sequences",
//! 1974, chapter 2.3: the discrepancy of such a sequence is bounded by the partial quotients
//! of m / W, which [`multiplier`] keeps small). How many earlier indices went to the same
//! source is a difference of two floor sums, so nothing is stored and any step is O(log W).

use crate::error::LoaderError;

/// The largest sum of weights: products of two residues must fit 64 bits.
pub(crate) const MAX_TOTAL_WEIGHT: u64 = 1 << 31;

/// A deterministic interleaving of sources by weight.
#[derive(Debug, Clone)]
pub(crate) struct Mixture {
    /// `bounds[s]..bounds[s + 1]` are the residues of source s.
    bounds: Vec<u64>,
    total: u64,
    multiplier: u64,
}

/// One turn of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Index of the source.
    pub(crate) source: usize,
    /// How many earlier global indices went to it.
    pub(crate) turn: u64,
}

impl Mixture {
    /// Interleaves sources by `weights`.
    ///
    /// # Errors
    /// [`LoaderError::Weights`] if all are zero, or if their sum, reduced by their greatest
    /// common divisor, exceeds [`MAX_TOTAL_WEIGHT`].
    pub(crate) fn new(weights: &[u64]) -> Result<Self, LoaderError> {
        let divisor = weights.iter().fold(0, |a, &b| greatest_common_divisor(a, b));
        if divisor == 0 {
            return Err(LoaderError::Weights {
                problem: "every source has weight 0".to_owned(),
            });
        }
        let total = weights
            .iter()
            .try_fold(0_u64, |sum, weight| sum.checked_add(weight / divisor))
            .filter(|&total| total <= MAX_TOTAL_WEIGHT);
        let Some(total) = total else {
            return Err(LoaderError::Weights {
                problem: format!(
                    "their sum, reduced by the common divisor {divisor}, exceeds {MAX_TOTAL_WEIGHT}"
                ),
            });
        };
        let mut bounds = vec![0];
        for weight in weights {
            bounds.push(bounds[bounds.len() - 1] + weight / divisor);
        }
        Ok(Self {
            bounds,
            total,
            multiplier: multiplier(total),
        })
    }

    /// Whose turn global index `global` is.
    pub(crate) fn turn(&self, global: u64) -> Turn {
        let (period, index) = (global / self.total, global % self.total);
        let residue = index * self.multiplier % self.total;
        let source = self.bounds.partition_point(|&bound| bound <= residue) - 1;
        Turn {
            source,
            turn: self.turns_in(source, period, index),
        }
    }

    /// How many of the first `num` global indices go to `source`.
    pub(crate) fn num_turns(&self, source: usize, num: u64) -> u64 {
        self.turns_in(source, num / self.total, num % self.total)
    }

    /// Turns of `source` in so many periods and the first `index` indices of the next.
    fn turns_in(&self, source: usize, num_periods: u64, index: u64) -> u64 {
        let (low, high) = (self.bounds[source], self.bounds[source + 1]);
        let in_part = self.num_residues_from(low, index) - self.num_residues_from(high, index);
        num_periods * (high - low) + in_part
    }

    /// How many of the first `num` indices of a period have a residue of at least `bound`:
    /// the sum of floor((i m + W - bound) / W) - floor(i m / W), whose second sum cancels in
    /// [`Mixture::turn`] and is therefore left out.
    fn num_residues_from(&self, bound: u64, num: u64) -> u64 {
        floor_sum(num, self.total, self.multiplier, self.total - bound)
    }
}

/// The sum of floor((a i + b) / m) over i in 0..n, for a, b <= m, n < m <= 2^31.
fn floor_sum(mut n: u64, mut m: u64, mut a: u64, mut b: u64) -> u64 {
    let mut sum = 0;
    while n > 0 {
        sum += n * (n - 1) / 2 * (a / m) + n * (b / m);
        (a, b) = (a % m, b % m);
        // Count the lattice points under the line by columns of the other axis.
        let last = a * n + b;
        if last < m {
            break;
        }
        (n, b) = (last / m, last % m);
        (m, a) = (a, m);
    }
    sum
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// How far around the golden section multipliers are tried.
const SEARCH_RADIUS: u64 = 64;

/// A number coprime to `total` near its golden section, of the candidates the one whose
/// ratio to `total` has the smallest sum of partial quotients.
fn multiplier(total: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below `total`, which is far below 2^53"
    )]
    let section = (total as f64 * 0.618_033_988_749_895) as u64;
    let candidates = section.saturating_sub(SEARCH_RADIUS).max(1)..=section + SEARCH_RADIUS;
    candidates
        .filter(|&candidate| candidate < total)
        .filter_map(|candidate| {
            let quotients = sum_of_partial_quotients(candidate, total)?;
            Some((quotients, candidate.abs_diff(section), candidate))
        })
        .min()
        .map_or(1, |(_, _, candidate)| candidate)
}

/// The sum of the partial quotients of a / b, if the two are coprime.
fn sum_of_partial_quotients(mut a: u64, mut b: u64) -> Option<u64> {
    let mut sum = 0;
    while b != 0 {
        sum += a / b;
        (a, b) = (b, a % b);
    }
    (a == 1).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Walks the indices in order and checks turn, share and discrepancy of each prefix.
    fn check_prefixes(weights: &[u64], num: u64) {
        let mixture = Mixture::new(weights).unwrap();
        let total: u64 = weights.iter().sum();
        let mut counts = vec![0_u64; weights.len()];
        for global in 0..num {
            let turn = mixture.turn(global);
            assert_eq!(turn.turn, counts[turn.source], "index {global} of {weights:?}");
            counts[turn.source] += 1;
            assert_eq!(mixture.num_turns(turn.source, global + 1), turn.turn + 1);
            for (&count, &weight) in counts.iter().zip(weights) {
                let share = (global + 1) as f64 * weight as f64 / total as f64;
                let limit = 2.0 + 0.5 * (total as f64).log2();
                let off = (count as f64 - share).abs();
                assert!(off <= limit, "{off} of {limit} off at {global} for {weights:?}");
            }
        }
    }

    #[test]
    fn a_single_source_takes_every_turn() {
        check_prefixes(&[1], 50);
        check_prefixes(&[1_000_003], 5000);
    }

    #[test]
    fn a_source_of_weight_zero_has_no_turn() {
        let mixture = Mixture::new(&[0, 3, 0, 1, 0]).unwrap();
        let sources: Vec<usize> = (0..8).map(|global| mixture.turn(global).source).collect();
        assert_eq!(sources.iter().filter(|&&source| source == 1).count(), 6);
        assert_eq!(sources.iter().filter(|&&source| source == 3).count(), 2);
    }

    #[test]
    fn a_period_covers_every_weight_exactly() {
        let weights = [970, 14, 233, 1];
        let mixture = Mixture::new(&weights).unwrap();
        let mut counts = [0; 4];
        for global in 0..weights.iter().sum() {
            counts[mixture.turn(global).source] += 1;
        }
        assert_eq!(counts, weights);
    }

    #[test]
    fn weights_that_cannot_be_mixed_are_refused() {
        for weights in [&[][..], &[0, 0], &[1, MAX_TOTAL_WEIGHT], &[u64::MAX, 2]] {
            let error = Mixture::new(weights).unwrap_err();
            assert!(error.to_string().contains("data.weights"), "{error}");
        }
        assert!(Mixture::new(&[1 << 40, 1 << 41]).is_ok());
        check_prefixes(&[MAX_TOTAL_WEIGHT - 1, 1], 100);
    }

    #[test]
    fn the_last_indices_of_the_largest_period_count_exactly() {
        let weights = [MAX_TOTAL_WEIGHT - 700_000_001, 700_000_001];
        let mixture = Mixture::new(&weights).unwrap();
        let last: Vec<Turn> = (MAX_TOTAL_WEIGHT - 40..MAX_TOTAL_WEIGHT)
            .map(|global| mixture.turn(global))
            .collect();
        for (source, &weight) in weights.iter().enumerate() {
            let turns: Vec<u64> = last
                .iter()
                .filter(|t| t.source == source)
                .map(|t| t.turn)
                .collect();
            let first = weight - turns.len() as u64;
            assert_eq!(turns, (first..weight).collect::<Vec<_>>());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn turns_are_exact_counts_and_every_prefix_is_near_its_share(
            weights in proptest::collection::vec(0_u64..4000, 1..6)
                .prop_filter("one source", |weights| weights.iter().any(|&w| w > 0)),
        ) {
            check_prefixes(&weights, 3000);
        }

        #[test]
        fn turns_far_from_the_start_follow_each_other(
            weights in proptest::collection::vec(1_u64..400_000, 2..5), start in 0_u64..1 << 45,
        ) {
            let mixture = Mixture::new(&weights).unwrap();
            let mut next: Vec<Option<u64>> = vec![None; weights.len()];
            for global in start..start + 300 {
                let turn = mixture.turn(global);
                if let Some(expected) = next[turn.source] {
                    prop_assert_eq!(turn.turn, expected);
                }
                next[turn.source] = Some(turn.turn + 1);
            }
        }
    }
}
