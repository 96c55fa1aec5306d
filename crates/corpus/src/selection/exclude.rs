//! The ids that a build leaves out. Nothing is decided by them but who is not written: who is
//! held out, who is a duplicate of whom and which shard a document goes to are the same with and
//! without them.

use std::collections::BTreeSet;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use crate::error::CorpusError;

/// Hashes of ids.
#[derive(Debug, Default)]
pub(crate) struct Excluded(BTreeSet<u128>);

impl Excluded {
    /// Reads ids, one a line; empty lines and those that begin with `#` are passed over.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, CorpusError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let ids = std::fs::read_to_string(path).map_err(|source| CorpusError::Read {
            operation: "read",
            path: path.to_path_buf(),
            source,
        })?;
        let ids = ids.trim_start_matches('\u{feff}').lines().map(str::trim);
        let ids = ids.filter(|id| !id.is_empty() && !id.starts_with('#'));
        Ok(Self(ids.map(|id| xxh3_128(id.as_bytes())).collect()))
    }

    pub(crate) fn contains(&self, id_hash: u128) -> bool {
        self.0.contains(&id_hash)
    }

    /// How many different ids there are.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable::{DISK, commit_bytes};

    #[test]
    fn ids_are_read_a_line_each_without_remarks_and_repetitions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids");
        let text = "\u{feff}# a remark\r\nb:1\r\n\r\n  c:1\nb:1\n";
        commit_bytes(&DISK, &path, text.as_bytes()).unwrap();
        let excluded = Excluded::read(Some(&path)).unwrap();
        assert_eq!(excluded.len(), 2);
        for (id, is_out) in [("a:1", false), ("b:1", true), ("c:1", true)] {
            assert_eq!(excluded.contains(xxh3_128(id.as_bytes())), is_out, "{id}");
        }
        assert_eq!(Excluded::read(None).unwrap().len(), 0);
    }

    #[test]
    fn a_missing_file_of_ids_is_named() {
        let error = Excluded::read(Some(Path::new("no/ids"))).unwrap_err();
        assert!(error.to_string().contains("no/ids"), "{error}");
    }
}
