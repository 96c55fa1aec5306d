//! Fetches filings from EDGAR and dumps from Wikimedia over HTTP.
//!
//! The only crate with an HTTP client: nothing else of the product connects to other hosts. What it
//! fetches it stores as it came, whole or not at all; it does not read what filings and dumps say.

pub mod edgar;
mod web;
pub mod wikipedia;

pub use web::{
    Connection, Fault, FetchError, MAX_REQUESTS_PER_SECOND, REQUESTS_PER_SECOND, RETRIES, RequestRate,
    UserAgent,
};
