//! The numbers that must not mix: steps, global indices, sequences.

use std::fmt;

/// Optimizer steps that are finished. The batch that takes step N to step N + 1 is drawn at
/// `Step(N)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step(pub u64);

/// Number of a training sequence in the order of the run: step x global batch size + slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlobalIndex(pub u64);

/// Row of the packing index: one sequence among those of all sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleIndex(pub u64);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for GlobalIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SampleIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_numbers() {
        let shown = format!("{} {} {:>3}", Step(7), GlobalIndex(8), SampleIndex(9));
        assert_eq!(shown, "7 8   9");
    }
}
