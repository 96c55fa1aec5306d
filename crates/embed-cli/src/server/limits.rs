//! How much the server takes on, checked once at the start.

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, getrlimit};

use super::answers::max_answer_bytes;
use super::options::{MAX_TEXTS, ServerOptions};

/// Connections that are open together, where the process may open as many files.
const CONNECTIONS: usize = 1024;
/// Files that the process needs besides its connections.
const OTHER_FILES: usize = 64;
/// Connections that never wait for the model all together, so that there is always one that can be
/// answered at once or closed.
const SPARE_CONNECTIONS: usize = 16;
/// Bytes of bodies and answers that are held together.
const HELD_BYTES: usize = 512 << 20;
/// A body is held as it came, unpacked, and as texts: as many times its largest size, its buffers'
/// unused halves included.
const BODY_COPIES: usize = 4;

/// Most of what one server has together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) held_bytes: usize,
    pub(crate) body_bytes: usize,
}

impl Limits {
    /// `dimension` is the length of the model's vectors.
    ///
    /// # Errors
    /// Where the process may not open so many files, or the largest request would never fit.
    pub(crate) fn new(options: &ServerOptions, dimension: usize) -> Result<Self> {
        // None stands for no limit.
        let files = getrlimit(Resource::Nofile).current;
        let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
        let body = options.max_body_bytes;
        Ok(Self {
            connections: max_connections(options.max_connections, files)?,
            held_bytes: max_held_bytes(options.max_held_bytes, body, dimension)?,
            body_bytes: body,
        })
    }

    /// Requests that the model's queue and its threads hold together.
    pub(crate) fn max_requests(&self) -> usize {
        self.connections - SPARE_CONNECTIONS
    }
}

fn max_connections(asked: Option<usize>, files: usize) -> Result<usize> {
    let most = files.saturating_sub(OTHER_FILES);
    let least = SPARE_CONNECTIONS + 1;
    ensure!(
        most >= least,
        "this process may open {files} files, and the server needs at least {}: raise `ulimit -n`",
        OTHER_FILES + least
    );
    let Some(asked) = asked else {
        return Ok(most.min(CONNECTIONS));
    };
    ensure!(asked >= least, "--max-connections {asked}: give at least {least}");
    ensure!(
        asked <= most,
        "--max-connections {asked}: this process may open {files} files and keeps {OTHER_FILES} for itself; \
         give at most {most}, or raise `ulimit -n`"
    );
    Ok(asked)
}

fn max_held_bytes(asked: Option<usize>, max_body_bytes: usize, dimension: usize) -> Result<usize> {
    let answer = max_answer_bytes(MAX_TEXTS, MAX_TEXTS, dimension);
    let largest = max_body_bytes
        .checked_mul(BODY_COPIES)
        .and_then(|body| body.checked_add(answer));
    let largest = largest.context("--max-body-mib is too large for this machine's addresses")?;
    let Some(asked) = asked else {
        return Ok(HELD_BYTES.max(largest.saturating_mul(2)));
    };
    ensure!(
        asked >= largest,
        "--memory-mib {}: the largest request and its answer take {} MiB; give at least that much, or a \
         smaller --max-body-mib",
        asked >> 20,
        largest.div_ceil(1 << 20)
    );
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_as_many_as_the_open_files_allow() {
        assert_eq!(max_connections(None, 1024).unwrap(), 960);
        assert_eq!(max_connections(None, usize::MAX).unwrap(), 1024);
        assert_eq!(max_connections(Some(3000), 4096).unwrap(), 3000);
        for (asked, files, words) in [
            (Some(961), 1024, ["at most 960", "ulimit -n"]),
            (Some(16), 1024, ["at least 17", "--max-connections"]),
            (None, 80, ["at least 81", "ulimit -n"]),
        ] {
            let said = max_connections(asked, files).unwrap_err().to_string();
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        }
    }

    #[test]
    fn the_largest_request_fits_or_the_server_does_not_start() {
        assert_eq!(max_held_bytes(None, 6 << 20, 768).unwrap(), HELD_BYTES);
        let large = max_held_bytes(None, 200 << 20, 768).unwrap();
        assert!(large > 1600 << 20, "{large}");
        let said = max_held_bytes(Some(8 << 20), 6 << 20, 16)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("--memory-mib 8") && said.contains("--max-body-mib"),
            "{said}"
        );
        assert!(max_held_bytes(None, usize::MAX / 2, 16).is_err());
    }
}
