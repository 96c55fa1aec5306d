//! Frames of rows: how many rows each has, and how large one may be.

use std::path::Path;

use crate::ShardError;

/// Rows of a frame; the last frame may have fewer.
pub const ROWS_PER_FRAME: usize = 1024;
/// What errors call a row.
pub(super) const WHAT: &str = "a row of documents.jsonl.zst";

/// Most bytes of a frame, packed or unpacked, and of the seek table. A frame of 1,024 usual rows has
/// a third of a MiB; a foreign file may claim 4 GiB, which is refused before memory is taken.
pub(super) const MAX_PIECE_BYTES: usize = 64 << 20;

/// Refuses what would take too much memory.
pub(super) fn refuse_large(path: &Path, what: &str, bytes: usize) -> Result<(), ShardError> {
    if bytes <= MAX_PIECE_BYTES {
        return Ok(());
    }
    Err(problem(
        path,
        format!("{what} has {bytes} bytes, more than the {MAX_PIECE_BYTES} that are read"),
    ))
}

/// Something that is wrong with the file.
pub(super) fn problem(path: &Path, problem: String) -> ShardError {
    ShardError::Documents {
        path: path.to_path_buf(),
        problem,
    }
}
