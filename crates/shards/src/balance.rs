//! How evenly tokens are spread over shards: measured, judged, and said in words.

use serde::{Deserialize, Serialize};

/// How far apart shards may be where documents are small enough to even them out.
const EVEN_SPREAD: f64 = 0.02;

/// Documents are small enough when the mean shard has this many times the tokens of the largest.
const EVEN_FROM_DOCUMENTS: f64 = 50.0;

/// How evenly tokens are spread over the shards, as the manifest states it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The mean shard has at least 50 times the tokens of the largest document, and all shards
    /// are within 2 % of each other.
    WithinTwoPercent,
    /// As even as whole documents allow.
    #[default]
    WholeDocuments,
}

/// How even shards came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Mean tokens a shard.
    pub mean_tokens: f64,
    /// Tokens of the smallest shard.
    pub smallest_tokens: u64,
    /// Tokens of the largest one.
    pub largest_tokens: u64,
    /// Tokens of the largest document.
    pub largest_document_tokens: u64,
    /// Largest less smallest shard, as a share of the mean (0 for an empty corpus).
    pub spread: f64,
}

impl Spread {
    /// Measures shards by their tokens.
    pub fn of(shard_tokens: &[u64], largest_document_tokens: u64) -> Self {
        let total: u64 = shard_tokens
            .iter()
            .fold(0, |sum, &tokens| sum.saturating_add(tokens));
        let mean_tokens = total as f64 / shard_tokens.len().max(1) as f64;
        let smallest = shard_tokens.iter().min().copied().unwrap_or(0);
        let largest = shard_tokens.iter().max().copied().unwrap_or(0);
        let spread = if total == 0 {
            0.0
        } else {
            (largest - smallest) as f64 / mean_tokens
        };
        Self {
            mean_tokens,
            smallest_tokens: smallest,
            largest_tokens: largest,
            largest_document_tokens,
            spread,
        }
    }

    /// Whether documents are small enough beside a shard for shards to come out even.
    pub fn is_even_possible(&self) -> bool {
        self.mean_tokens >= EVEN_FROM_DOCUMENTS * self.largest_document_tokens as f64
    }

    /// Whether shards are within 2 % of each other.
    pub fn is_even(&self) -> bool {
        self.spread <= EVEN_SPREAD
    }

    /// What the manifest says of it.
    pub fn balance(&self) -> Balance {
        if self.is_even_possible() && self.is_even() {
            Balance::WithinTwoPercent
        } else {
            Balance::WholeDocuments
        }
    }

    /// The same in words.
    pub fn describe(&self) -> String {
        let spread = 100.0 * self.spread;
        if self.is_even_possible() || self.is_even() {
            format!("shards differ by {spread:.2} % of the mean shard")
        } else {
            format!(
                "shards of {} to {} tokens are as even as whole documents allow, which is no fault: the \
                 largest document ({} tokens) is more than a fiftieth of the mean shard ({:.0} tokens); fewer shards \
                 would be more even",
                self.smallest_tokens, self.largest_tokens, self.largest_document_tokens, self.mean_tokens
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_within_two_percent_of_each_other_are_even_and_others_are_not() {
        let even = Spread::of(&[1000, 1010, 990], 20);
        assert!((even.balance() == Balance::WithinTwoPercent) && (even.spread - 0.02).abs() < 1e-9);
        let spread = Spread::of(&[1000, 1020, 990], 20);
        assert_eq!(spread.balance(), Balance::WholeDocuments);
        let said = spread.describe();
        assert!(!said.contains("fewer shards"), "small documents");
        assert!(said.contains("differ by 2.99 %"), "{said}");
    }

    #[test]
    fn a_large_document_is_given_as_the_reason() {
        let large = Spread::of(&[1000, 1000], 21);
        assert_eq!(large.balance(), Balance::WholeDocuments, "2 x 50 x 21 > 2000");
        let said = Spread::of(&[10, 30, 0], 30).describe();
        assert!(
            said.contains("0 to 30 tokens") && said.contains("no fault") && said.contains("fewer shards"),
            "{said}"
        );
    }

    #[test]
    fn an_empty_corpus_is_even() {
        assert!(Spread::of(&[0; 4], 0).spread.abs() < 1e-12);
        assert!(Spread::of(&[], 0).is_even());
    }
}
