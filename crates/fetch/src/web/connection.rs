//! Who asks an archive, how fast, and where.

use std::net::IpAddr;

use super::pacer::RequestRate;
use super::user_agent::UserAgent;

/// How often a request is tried again by default: with the back-off, for about two minutes after
/// an outage and three quarters of an hour after throttling.
pub const RETRIES: u32 = 6;

/// Who asks, how fast, and where.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Sent with every request.
    pub user_agent: UserAgent,
    /// Over all threads.
    pub rate: RequestRate,
    /// How often a request is tried again.
    pub retries: u32,
    /// Takes the place of the archive's own address: a mirror, or a server of one's own.
    pub base_url: Option<String>,
}

/// Whether a base address is one, without a user in it.
pub(super) fn is_web_address(url: &str) -> bool {
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let names_a_user = |host: &str| host.split('/').next().is_some_and(|host| host.contains('@'));
    host.is_some_and(|host| {
        !host.is_empty() && !names_a_user(host) && host.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

/// A proxy cannot reach this machine's own servers.
pub(super) fn is_loopback(base_url: &str) -> bool {
    let Ok(url) = base_url.parse::<ureq::http::Uri>() else {
        return false;
    };
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}
