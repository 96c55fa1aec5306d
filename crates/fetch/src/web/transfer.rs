//! The body of an answer as it arrives, and why an attempt gave none.

use std::io::{self, Read};
use std::time::Instant;

use durable::DurableError;

use super::answer::Fault;
use super::limits::is_drip;

const CHUNK_BYTES: usize = 64 << 10;

/// Why one attempt gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The other side's doing; may be tried again.
    Fault(Fault),
    /// This side's doing: trying again does not help.
    Disk(DurableError),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Why [`Transfer::each_chunk`] stopped early.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The body cannot be read on.
    Transfer(Fault),
    /// The receiver failed.
    Receiver(io::Error),
}

/// An answer of status 200 or 206 whose body has not been read yet.
pub(crate) struct Transfer {
    /// Where the body begins: 0, or the first byte asked for when the server obliged.
    pub(crate) first_byte: u64,
    pub(super) most_bytes: u64,
    pub(super) body: Box<dyn Read>,
}

impl Transfer {
    /// Hands the body on as it arrives.
    pub(crate) fn each_chunk(
        &mut self,
        mut receive: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Stopped> {
        let (begun, mut bytes) = (Instant::now(), 0);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match self.body.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    receive(&chunk[..length]).map_err(Stopped::Receiver)?;
                    bytes += length as u64;
                    if is_drip(begun.elapsed(), bytes) {
                        let error = io::Error::new(io::ErrorKind::TimedOut, "it comes too slowly");
                        return Err(Stopped::Transfer(Fault::cut(&error)));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    let what = format!("longer than the {} bytes that are taken", self.most_bytes);
                    return Err(Stopped::Transfer(Fault::unsound(what)));
                }
                Err(error) => return Err(Stopped::Transfer(Fault::cut(&error))),
            }
        }
    }
}
