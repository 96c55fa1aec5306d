//! The places of the model where dropout acts, numbered for its key.

use torch_native::{Dropout, DropoutKey};

/// A place; its number is part of what the mask depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropoutSite {
    Embeddings,
    AttentionProbabilities { layer: u32 },
    AttentionOutput { layer: u32 },
    FeedForwardOutput { layer: u32 },
}

impl DropoutSite {
    /// Four numbers a layer, from 4 on; 0 is the embeddings.
    fn number(self) -> u32 {
        match self {
            Self::Embeddings => 0,
            Self::AttentionProbabilities { layer } => 4 * (layer + 1),
            Self::AttentionOutput { layer } => 4 * (layer + 1) + 1,
            Self::FeedForwardOutput { layer } => 4 * (layer + 1) + 2,
        }
    }

    /// Dropout at this place; none without a key (evaluation) or at probability 0.
    pub(crate) fn dropout(self, probability: f64, key: Option<&DropoutKey>) -> Option<Dropout<'_>> {
        let key = key.filter(|_| probability > 0.0)?;
        Some(Dropout {
            probability,
            key,
            site: self.number(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_own_number() {
        let mut numbers = vec![DropoutSite::Embeddings.number()];
        for layer in 0..3 {
            numbers.push(DropoutSite::AttentionProbabilities { layer }.number());
            numbers.push(DropoutSite::AttentionOutput { layer }.number());
            numbers.push(DropoutSite::FeedForwardOutput { layer }.number());
        }
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
