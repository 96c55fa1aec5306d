//! SHA-256 of bytes, of files, and of what passes through a writer.

use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{DurableError, Operation, open_file};

const READ_BUFFER_BYTES: usize = 1 << 20;

/// SHA-256 of `bytes` as 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// SHA-256 of a file's contents as 64 hex digits; memory does not grow with the file.
///
/// # Errors
/// [`DurableError::Missing`] or [`DurableError::Io`] when the file cannot be read.
pub fn sha256_file(path: &Path) -> Result<String, DurableError> {
    open_file(path)
        .and_then(hash)
        .map_err(|source| DurableError::new(Operation::Read, path, source))
}

fn hash(mut file: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(format!("{:x}", hasher.finalize())),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A writer that hashes and counts what passes through it.
#[derive(Debug)]
pub struct Sha256Writer<W> {
    inner: W,
    hasher: Sha256,
    num_bytes: u64,
}

impl<W: Write> Sha256Writer<W> {
    /// Wraps `inner`; nothing has passed yet.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            num_bytes: 0,
        }
    }

    /// Bytes that have passed so far.
    pub fn num_bytes(&self) -> u64 {
        self.num_bytes
    }

    /// Gives back the inner writer, the hash as 64 hex digits and the number of bytes.
    pub fn finish(self) -> (W, String, u64) {
        (
            self.inner,
            format!("{:x}", self.hasher.finalize()),
            self.num_bytes,
        )
    }
}

impl<W: Write> Write for Sha256Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.num_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DISK, commit_bytes};

    /// FIPS 180-4, the example of one block.
    const HASH_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const HASH_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_published_hashes_come_out() {
        assert_eq!(sha256_hex(b"abc"), HASH_OF_ABC);
        assert_eq!(sha256_hex(b""), HASH_OF_NOTHING);
    }

    #[test]
    fn a_file_hashes_like_its_bytes_around_the_buffer_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for length in [
            0,
            1,
            READ_BUFFER_BYTES - 1,
            READ_BUFFER_BYTES,
            READ_BUFFER_BYTES + 1,
        ] {
            let bytes = vec![7; length];
            commit_bytes(&DISK, &path, &bytes).unwrap();
            assert_eq!(sha256_file(&path).unwrap(), sha256_hex(&bytes), "{length}");
        }
    }

    #[test]
    fn a_writer_hashes_only_what_the_inner_writer_took() {
        /// Takes at most two bytes a call, as a nearly full pipe does.
        struct Narrow(Vec<u8>);
        impl Write for Narrow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let taken = bytes.len().min(2);
                self.0.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = Sha256Writer::new(Narrow(Vec::new()));
        writer.write_all(b"abc").unwrap();
        let (inner, hash, num_bytes) = writer.finish();
        assert_eq!(
            (inner.0.as_slice(), hash.as_str(), num_bytes),
            (&b"abc"[..], HASH_OF_ABC, 3)
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = sha256_file(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(message.contains("/no/such/file"), "{message}");
    }
}
