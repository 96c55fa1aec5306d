//! How far a long command is, told to whoever shows it. It draws nothing itself.

/// Receives the progress of a command, one phase after the other.
///
/// Calls come in the order `start`, `advance` ..., `finish`; `advance` from any thread.
pub trait Progress: Sync {
    /// A phase begins; `total` in the unit of [`advance`](Progress::advance), where it is known.
    fn start(&self, what: &str, total: Option<u64>);
    /// `n` more units are done.
    fn advance(&self, n: u64);
    /// The phase has ended.
    fn finish(&self);
    /// What the user should hear once.
    fn note(&self, text: &str);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _what: &str, _total: Option<u64>) {}
    fn advance(&self, _n: u64) {}
    fn finish(&self) {}
    fn note(&self, _text: &str) {}
}
