//! Bodies of requests: read up to a limit within a time, held within the server's budget, unpacked.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use flate2::bufread::MultiGzDecoder;
use http_body_util::BodyExt;

use super::budget::{Budget, Charge};
use super::error::{ApiError, bad};

/// A body that is refused is read so many times its largest size before the connection is closed,
/// because a client that is still sending does not read the answer that says so.
const READ_ON: usize = 8;
/// Bytes are charged twice: once as they are, once as the texts that are made of them.
const CHARGED: usize = 2;
/// Where a buffer begins.
const FIRST_BYTES: usize = 4 << 10;

/// How much of a body is taken, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) max_bytes: usize,
    pub(crate) time: Duration,
}

/// Bytes with their charge.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    charge: Charge,
}

impl Held {
    /// Its size after `more` bytes have come, where that is another one.
    fn larger(&self, more: usize, max_bytes: usize) -> Option<usize> {
        let needed = self.bytes.len() + more;
        let doubled = self
            .bytes
            .capacity()
            .saturating_mul(2)
            .max(FIRST_BYTES)
            .min(max_bytes);
        (needed > self.bytes.capacity()).then(|| needed.max(doubled))
    }

    fn push(&mut self, data: &[u8], size: Option<usize>, charge: Charge) {
        if let Some(size) = size {
            self.bytes.reserve_exact(size - self.bytes.len());
        }
        self.charge.add(charge);
        self.bytes.extend_from_slice(data);
    }

    fn missing(&self, size: Option<usize>) -> usize {
        size.map_or(0, |size| (size - self.bytes.capacity()) * CHARGED)
    }
}

/// The body of a request as it came.
#[derive(Debug)]
pub(crate) struct Packed {
    held: Held,
    is_gzip: bool,
}

/// Reads a body. Where `refusal` says why it is not taken, or something else does, the rest is read and
/// dropped, so that the client hears of it.
///
/// # Errors
/// `refusal`; [`ApiError::Encoding`], [`ApiError::TooLarge`], [`ApiError::NoRoom`], [`ApiError::Slow`];
/// [`ApiError::BadRequest`] where the connection breaks, which nobody is there to read.
pub(crate) async fn receive(
    headers: &HeaderMap,
    mut body: Body,
    refusal: Option<ApiError>,
    limits: BodyLimits,
    budget: &Budget,
) -> Result<Packed, ApiError> {
    let (is_gzip, refusal) = match (is_gzip(headers), refusal) {
        (Ok(is_gzip), refusal) => (is_gzip, refusal),
        (Err(error), refusal) => (false, Some(refusal.unwrap_or(error))),
    };
    if let Some(refusal) = &refusal
        && headers.contains_key(header::EXPECT)
    {
        // The client waits with its body until it is asked for it.
        return Err(refusal.clone());
    }
    let mut receiver = Receiver {
        held: Ok(Held::default()),
        seen: 0,
        limits,
        budget,
    };
    if let Some(refusal) = refusal {
        receiver.held = Err(refusal);
    }
    let read = tokio::time::timeout(limits.time, receiver.read(&mut body)).await;
    let slow = ApiError::Slow {
        seconds: limits.time.as_secs(),
    };
    let held = match (receiver.held, read) {
        (Err(refusal), _) | (Ok(_), Ok(Err(refusal))) => return Err(refusal),
        (Ok(_), Err(_)) => return Err(slow),
        (Ok(held), Ok(Ok(()))) => held,
    };
    Ok(Packed { held, is_gzip })
}

struct Receiver<'a> {
    held: Result<Held, ApiError>,
    seen: usize,
    limits: BodyLimits,
    budget: &'a Budget,
}

impl Receiver<'_> {
    async fn read(&mut self, body: &mut Body) -> Result<(), ApiError> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| bad(format!("the body broke off: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            self.seen = self.seen.saturating_add(data.len());
            if self.seen > self.limits.max_bytes.saturating_mul(READ_ON) {
                break;
            }
            if let Err(refusal) = self.take(&data).await {
                // What was held is given back at once.
                self.held = Err(refusal);
            }
        }
        Ok(())
    }

    async fn take(&mut self, data: &[u8]) -> Result<(), ApiError> {
        let max_bytes = self.limits.max_bytes;
        let Ok(held) = &mut self.held else { return Ok(()) };
        if self.seen > max_bytes {
            return Err(ApiError::TooLarge { max_bytes });
        }
        let size = held.larger(data.len(), max_bytes);
        let charge = match held.missing(size) {
            0 => Charge::default(),
            missing => self.budget.charge(missing).await?,
        };
        held.push(data, size, charge);
        Ok(())
    }
}

/// Whether a body is packed by gzip, once.
fn is_gzip(headers: &HeaderMap) -> Result<bool, ApiError> {
    let mut names = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let value = value.to_str().unwrap_or("(not text)").to_ascii_lowercase();
        names.extend(value.split(',').map(|name| name.trim().to_owned()));
    }
    names.retain(|name| !name.is_empty() && name != "identity");
    match names.as_slice() {
        [] => Ok(false),
        [name] if name == "gzip" || name == "x-gzip" => Ok(true),
        _ => Err(ApiError::Encoding {
            found: names.join(", "),
        }),
    }
}

impl Packed {
    /// The body, unpacked up to the largest size that a body may have. Takes a while.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`], [`ApiError::NoRoom`]; [`ApiError::BadRequest`] where it is no whole gzip.
    pub(crate) fn unpack(self, max_bytes: usize, budget: &Budget) -> Result<(Vec<u8>, Charge), ApiError> {
        let held = if self.is_gzip {
            unzip(&self.held.bytes, max_bytes, budget)?
        } else {
            self.held
        };
        Ok((held.bytes, held.charge))
    }
}

fn unzip(packed: &[u8], max_bytes: usize, budget: &Budget) -> Result<Held, ApiError> {
    let broken = |error: std::io::Error| {
        bad(format!(
            "the body is not the gzip that its content encoding says: {error}; nothing may be missing or follow"
        ))
    };
    if packed.is_empty() {
        return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
    }
    let mut decoder = MultiGzDecoder::new(packed);
    let (mut held, mut buffer) = (Held::default(), [0; 8 << 10]);
    loop {
        let count = decoder.read(&mut buffer).map_err(broken)?;
        if count == 0 {
            return Ok(held);
        }
        if held.bytes.len() + count > max_bytes {
            return Err(ApiError::TooLarge { max_bytes });
        }
        let size = held.larger(count, max_bytes);
        let charge = budget.try_charge(held.missing(size))?;
        held.push(&buffer[..count], size, charge);
    }
}

#[cfg(test)]
mod tests;
