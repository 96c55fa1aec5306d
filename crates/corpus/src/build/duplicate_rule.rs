//! What counts as a duplicate. It looks at no document.

use std::str::FromStr;

use crate::build::minhash::LEAST_SIMILARITY;
use crate::error::CorpusError;

/// Jaccard similarity of five-word shingles above which two documents are nearly the same,
/// unless told otherwise.
pub const DUPLICATE_SIMILARITY: f64 = 0.95;

/// Which documents are compared with each other, beside those of held-out companies, with which
/// all are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DuplicateScope {
    /// Those of one company and form: an amendment may repeat what it amends.
    #[default]
    CompanyAndForm,
    /// Those of one company.
    Company,
    /// All.
    Corpus,
}

/// What counts as a duplicate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DuplicateRule {
    /// Documents above this Jaccard similarity are nearly the same; from 0.8 to 1.
    pub similarity: f64,
    /// Which documents are compared.
    pub scope: DuplicateScope,
}

impl Default for DuplicateRule {
    fn default() -> Self {
        Self {
            similarity: DUPLICATE_SIMILARITY,
            scope: DuplicateScope::default(),
        }
    }
}

impl DuplicateScope {
    /// Its name on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::CompanyAndForm => "company-and-form",
            Self::Company => "company",
            Self::Corpus => "corpus",
        }
    }
}

impl FromStr for DuplicateScope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::CompanyAndForm, Self::Company, Self::Corpus];
        all.into_iter()
            .find(|scope| scope.name() == text)
            .ok_or_else(|| format!("{text} is not one of {}", all.map(Self::name).join(", ")))
    }
}

impl DuplicateRule {
    pub(crate) fn check(&self) -> Result<(), CorpusError> {
        if (LEAST_SIMILARITY..=1.0).contains(&self.similarity) {
            Ok(())
        } else {
            Err(CorpusError::Similarity {
                found: self.similarity,
                least: LEAST_SIMILARITY,
            })
        }
    }
}
