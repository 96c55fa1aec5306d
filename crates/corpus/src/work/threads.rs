//! The worker threads of a command.

use crate::error::CorpusError;

/// The worker threads of one command; `threads` 0 means one a core.
pub(crate) fn worker_threads(threads: usize) -> Result<rayon::ThreadPool, CorpusError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("tenk-corpus-{index}"))
        .build()
        .map_err(|source| CorpusError::Threads { source })
}
