//! What is masked, how much of it, and by what.

use serde::{Deserialize, Serialize};

use crate::error::MaskingError;
use crate::replace::ReplacementShares;

/// What is masked or left as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskingScheme {
    /// Each token by itself, as `RoBERTa` does.
    #[default]
    Token,
    /// All tokens of a word or none of them; a word is what white space separates.
    WholeWord,
}

/// How many tokens are masked, by which scheme, and by what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskingConfig {
    mlm_probability: f64,
    scheme: MaskingScheme,
    shares: ReplacementShares,
}

impl MaskingConfig {
    /// Masks a share `mlm_probability` of the tokens, chosen by `scheme`. 80 % of them become
    /// the mask, 10 % a random token.
    ///
    /// # Errors
    /// [`MaskingError::Probability`] unless it lies between 0 and 1.
    pub fn new(mlm_probability: f64, scheme: MaskingScheme) -> Result<Self, MaskingError> {
        if !(0.0..=1.0).contains(&mlm_probability) {
            return Err(MaskingError::Probability {
                probability: mlm_probability,
            });
        }
        Ok(Self {
            mlm_probability,
            scheme,
            shares: ReplacementShares::BERT,
        })
    }

    /// Shows the mask in a share `mask_replace_prob` of the masked positions, a random token in
    /// `random_replace_prob`, and the token itself in the rest.
    ///
    /// # Errors
    /// [`MaskingError::Replacement`] unless both and their sum lie between 0 and 1.
    pub fn with_replacement(
        self,
        mask_replace_prob: f64,
        random_replace_prob: f64,
    ) -> Result<Self, MaskingError> {
        let shares = ReplacementShares::new(mask_replace_prob, random_replace_prob)?;
        Ok(Self { shares, ..self })
    }

    /// Share of the tokens that is masked.
    pub fn mlm_probability(self) -> f64 {
        self.mlm_probability
    }

    /// What is masked or left as one.
    pub fn scheme(self) -> MaskingScheme {
        self.scheme
    }

    /// The shares of what stands at a masked position.
    pub(crate) fn shares(self) -> ReplacementShares {
        self.shares
    }
}
