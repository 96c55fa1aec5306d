//! The one HTTP client of the program: paced, patient, and told what an error page is.
//!
//! Nothing else connects to other hosts, and this does so only for the `fetch` commands. It does
//! not know what it fetches: whoever asks receives the body and judges it.

mod answer;
mod client;
mod clock;
mod connection;
mod error;
mod hex;
mod limits;
mod pacer;
mod redirect;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
mod transfer;
mod user_agent;

pub use answer::Fault;
pub(crate) use answer::short_line;
pub(crate) use client::{Client, Request};
#[cfg(test)]
pub(crate) use clock::testing::TestClock;
pub(crate) use clock::{Clock, SystemClock};
pub use connection::{Connection, RETRIES};
pub use error::FetchError;
pub(crate) use hex::hex;
pub(crate) use limits::{DUMP_BYTES, PAGE_BYTES};
pub use pacer::{MAX_REQUESTS_PER_SECOND, REQUESTS_PER_SECOND, RequestRate};
pub(crate) use transfer::{Failure, Stopped, Transfer};
pub use user_agent::UserAgent;
