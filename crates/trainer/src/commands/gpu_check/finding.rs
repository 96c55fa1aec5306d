//! What a check finds.

use crate::error::TrainError;

/// One line of the report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// What was checked.
    pub what: String,
    /// What was found.
    pub found: String,
    /// Whether it is as it has to be.
    pub passed: bool,
}

/// What a check finds: whether it is as it has to be, and the words for it.
pub(crate) type Found = Result<(bool, String), TrainError>;
