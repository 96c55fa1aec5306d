//! Sends requests: paced, patient, and told what an error page is.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;

use super::answer::{self, Fault};
use super::clock::Clock;
use super::connection::{Connection, is_loopback, is_web_address};
use super::error::FetchError;
use super::limits::{Limited, PAGE_BYTES};
use super::pacer::Pacer;
use super::redirect::{Allowed, MOST_REDIRECTS};
use super::transfer::{Failure, Stopped, Transfer};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The archives think for many seconds about rare files.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);
/// A transfer of any length goes on as long as something arrives.
const SILENCE_TIMEOUT: Duration = Duration::from_mins(1);
/// What is looked at of an error page, and for how long.
const ERROR_PAGE_BYTES: u64 = 64 << 10;
const ERROR_PAGE_TIME: Duration = Duration::from_secs(30);

/// A request: an address, the byte to begin at, and how long an answer may be.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(crate) url: &'a str,
    pub(crate) first_byte: u64,
    /// As it is sent, and as it is unpacked.
    pub(crate) most_bytes: u64,
}

/// Sends requests one after the other or from many threads.
#[derive(Debug)]
pub(crate) struct Client {
    agent: ureq::Agent,
    allowed: Allowed,
    pacer: Pacer,
    pub(crate) clock: Arc<dyn Clock>,
    retries: u32,
    num_requests: AtomicU64,
    num_retries: AtomicU64,
}

impl Client {
    /// # Errors
    /// [`FetchError::Options`] for a base address that is none.
    pub(crate) fn new(connection: &Connection, clock: Arc<dyn Clock>) -> Result<Self, FetchError> {
        if let Some(base_url) = connection.base_url.as_deref().filter(|url| !is_web_address(url)) {
            return Err(FetchError::Options {
                reason: format!("--base-url {base_url:?} is no address; give one like http://127.0.0.1:8080"),
            });
        }
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(connection.user_agent.as_str())
            .accept_encoding("gzip")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT));
        if connection.base_url.as_deref().is_some_and(is_loopback) {
            config = config.proxy(None);
        }
        Ok(Self {
            agent: config.build().into(),
            allowed: Allowed::of(connection.base_url.as_deref()),
            pacer: Pacer::new(connection.rate),
            clock,
            retries: connection.retries,
            num_requests: AtomicU64::new(0),
            num_retries: AtomicU64::new(0),
        })
    }

    /// Sends the request until `receive` accepts an answer, with back-off in between.
    ///
    /// # Errors
    /// [`FetchError::GivenUp`] with the last fault; what `receive` says of this side's disk.
    pub(crate) fn fetch<T>(
        &self,
        request: &Request<'_>,
        mut receive: impl FnMut(Transfer) -> Result<T, Failure>,
    ) -> Result<T, FetchError> {
        let mut attempt = 0;
        loop {
            let fault = match self.send(request).map_err(Failure::Fault).and_then(&mut receive) {
                Ok(received) => return Ok(received),
                Err(Failure::Disk(error)) => return Err(error.into()),
                Err(Failure::Fault(fault)) => fault,
            };
            let delay = (attempt < self.retries).then(|| fault.delay(attempt)).flatten();
            attempt += 1;
            let Some(delay) = delay else {
                return Err(FetchError::GivenUp {
                    url: request.url.to_owned(),
                    attempts: attempt,
                    fault,
                });
            };
            self.num_retries.fetch_add(1, Ordering::Relaxed);
            if fault.concerns_everybody() {
                self.pacer.hold(&*self.clock, delay);
            }
            self.clock.sleep(delay);
        }
    }

    /// The whole body in memory; `check` refuses what is not what was asked for.
    pub(crate) fn fetch_bytes<T>(
        &self,
        url: &str,
        check: impl Fn(Vec<u8>) -> Result<T, Fault>,
    ) -> Result<T, FetchError> {
        let request = Request {
            url,
            first_byte: 0,
            most_bytes: PAGE_BYTES,
        };
        self.fetch(&request, |mut transfer| {
            let mut bytes = Vec::new();
            let received = transfer.each_chunk(|chunk| {
                bytes.extend_from_slice(chunk);
                Ok(())
            });
            match received {
                Ok(()) => check(bytes).map_err(Failure::Fault),
                Err(Stopped::Transfer(fault)) => Err(fault.into()),
                Err(Stopped::Receiver(error)) => Err(Fault::cut(&error).into()),
            }
        })
    }

    /// Requests sent, and how many of them repeated another.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.num_requests), count(&self.num_retries))
    }

    /// Sends the request, and again to where the answers lead.
    fn send(&self, request: &Request<'_>) -> Result<Transfer, Fault> {
        let mut url = request.url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.ask(&url, request.first_byte)?;
            let Some(location) = location(&response) else {
                return self.open(response, request);
            };
            url = self.allowed.follow(&url, &location)?;
        }
        Err(Fault::redirect(&url, "and on and on from there"))
    }

    fn ask(&self, url: &str, first_byte: u64) -> Result<Response, Fault> {
        self.pacer.wait(&*self.clock);
        self.num_requests.fetch_add(1, Ordering::Relaxed);
        let mut call = self.agent.get(url);
        if first_byte > 0 {
            call = call
                .header("Range", format!("bytes={first_byte}-"))
                .header("Accept-Encoding", "identity");
        }
        call.call().map_err(|error| Fault::from_call(&error))
    }

    /// The body of a good answer, which has not been read yet.
    fn open(&self, response: Response, request: &Request<'_>) -> Result<Transfer, Fault> {
        let (parts, body) = response.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let status = parts.status.as_u16();
        let most_bytes = request.most_bytes;
        let body = body.into_with_config().limit(u64::MAX).reader();
        if status == 200 || (status == 206 && request.first_byte > 0) {
            let first_byte = if status == 206 {
                range_start(header("content-range"))?
            } else {
                0
            };
            let body = Limited::new(body, most_bytes);
            let body: Box<dyn Read> = match header("content-encoding").map(str::trim) {
                None | Some("" | "identity") => Box::new(body),
                Some("gzip") => Box::new(Limited::new(MultiGzDecoder::new(body), most_bytes)),
                Some(other) => {
                    return Err(Fault::unsound(format!(
                        "packed by {other}, which was not asked for"
                    )));
                }
            };
            return Ok(Transfer {
                first_byte,
                most_bytes,
                body,
            });
        }
        Err(Fault::of_answer(
            status,
            header("retry-after").and_then(|value| answer::retry_after(value, self.clock.now())),
            &error_page(body),
        ))
    }
}

type Response = ureq::http::Response<ureq::Body>;

/// Where a redirect leads.
fn location(response: &Response) -> Option<String> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get("location").filter(|_| is_redirect)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// The beginning of a page. One that cannot be read whole, or comes too slowly, is judged by its status
/// and what there is of it.
fn error_page(body: impl Read) -> String {
    let (begun, mut page, mut chunk) = (Instant::now(), Vec::new(), [0; 4096]);
    let mut body = body.take(ERROR_PAGE_BYTES);
    while let Ok(length) = body.read(&mut chunk) {
        page.extend_from_slice(&chunk[..length]);
        if length == 0 || begun.elapsed() > ERROR_PAGE_TIME {
            break;
        }
    }
    String::from_utf8_lossy(&page).into_owned()
}

/// The first byte in `bytes 100-199/200`.
fn range_start(content_range: Option<&str>) -> Result<u64, Fault> {
    content_range
        .and_then(|value| {
            value
                .trim()
                .strip_prefix("bytes ")?
                .split_once('-')?
                .0
                .trim()
                .parse()
                .ok()
        })
        .ok_or_else(|| Fault::unsound("a partial answer that does not say where it begins"))
}
