//! Why a configuration cannot run.

use std::fmt;

/// Every problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct PlanError {
    /// Each begins with its key, behind the key's place where that is known.
    pub problems: Vec<String>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [problem] => write!(formatter, "the configuration cannot run: {problem}"),
            problems => {
                write!(
                    formatter,
                    "the configuration cannot run, for {} reasons:",
                    problems.len()
                )?;
                problems
                    .iter()
                    .try_for_each(|problem| write!(formatter, "\n  {problem}"))
            }
        }
    }
}
