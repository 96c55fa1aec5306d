//! What is compared: two trees, and the runs of a job on both.

use std::path::PathBuf;

use anyhow::Result;

use super::output::Output;

/// One of the two trees that are compared.
#[derive(Debug)]
pub(super) struct Side {
    /// Folder of its release programs, `benches` included.
    pub(super) bin: PathBuf,
    /// Where its jobs write.
    pub(super) out: PathBuf,
}

/// What one run of a job took and wrote.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) processor_seconds: f64,
    pub(super) peak_bytes: f64,
    /// What the job itself measured.
    pub(super) rate: Option<f64>,
    pub(super) output: Output,
}

/// The runs of a job, the earlier commit's and this tree's, or why there are none.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) name: &'static str,
    pub(super) runs: Result<Vec<[Run; 2]>>,
}
