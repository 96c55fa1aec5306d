//! Which names the server answers to.
//!
//! A page of a foreign site can let its own name lead to 127.0.0.1, and then read what answers there
//! (DNS rebinding). Its requests carry the site's name, so a server that listens on this machine alone
//! answers to names of this machine alone. An address cannot be made to lead elsewhere.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version, header};

use super::error::ApiError;

/// The names that requests may give; all where there is no list.
#[derive(Debug, Clone)]
pub(crate) struct Hosts(Option<BTreeSet<String>>);

impl Hosts {
    /// A list where the server listens on the loopback address, or where names are given.
    pub(crate) fn new(host: &str, listens_on: IpAddr, allowed: &[String]) -> Self {
        if allowed.is_empty() && !listens_on.is_loopback() {
            return Self(None);
        }
        let own = ["localhost", host].map(str::to_owned);
        let names = allowed.iter().cloned().chain(own);
        Self(Some(names.map(|name| plain(&name)).collect()))
    }

    /// `local` is the address that the connection came in by.
    ///
    /// # Errors
    /// [`ApiError::Host`], or [`ApiError::BadRequest`] where the request names none or several.
    pub(crate) fn check(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        local: Option<IpAddr>,
    ) -> Result<(), ApiError> {
        let Some(names) = &self.0 else { return Ok(()) };
        let mut hosts = headers.get_all(header::HOST).iter();
        let header = match (hosts.next(), hosts.next()) {
            (None, _) if version == Version::HTTP_10 => None,
            (Some(host), None) => Some(host.to_str().unwrap_or("(not text)")),
            _ => {
                let message = "a request has exactly one Host header".to_owned();
                return Err(ApiError::BadRequest { message });
            }
        };
        // A request to a proxy names its target in the first line, which then counts.
        for found in header.into_iter().chain(uri.authority().map(Authority::as_str)) {
            if !allows(names, found, local) {
                return Err(ApiError::Host {
                    found: found.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn allows(names: &BTreeSet<String>, found: &str, local: Option<IpAddr>) -> bool {
    let Some(name) = without_port(found) else {
        return false;
    };
    let name = plain(name);
    match address(&name) {
        Some(address) => address.is_loopback() || local.is_some_and(|local| local.to_canonical() == address),
        None => names.contains(&name),
    }
}

/// In small letters, without the dot that may end a full name.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_suffix('.').map(str::to_owned).unwrap_or(name)
}

fn address(name: &str) -> Option<IpAddr> {
    let version_6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match version_6 {
        Some(name) => name
            .parse::<Ipv6Addr>()
            .ok()
            .map(|address| address.to_canonical()),
        None => name.parse().ok().map(|address: IpAddr| address.to_canonical()),
    }
}

/// None where what follows the name is no port.
fn without_port(host: &str) -> Option<&str> {
    let end = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, rest) = host.split_at(end);
    let port = rest.strip_prefix(':').unwrap_or(rest);
    (rest.is_empty() || rest.starts_with(':') && port.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const LOOPBACK: &str = "127.0.0.1";

    fn status(hosts: &Hosts, version: Version, uri: &str, given: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for host in given {
            headers.append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        let local = Some("10.1.2.3".parse().unwrap());
        let checked = hosts.check(version, &uri.parse().unwrap(), &headers, local);
        checked.map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    fn hosts(host: &str, listens_on: &str, allowed: &[&str]) -> Hosts {
        let allowed: Vec<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        Hosts::new(host, listens_on.parse().unwrap(), &allowed)
    }

    #[test]
    fn on_the_loopback_address_only_names_of_this_machine_are_answered() {
        let loopback = hosts(LOOPBACK, LOOPBACK, &[]);
        let with = |host: &str| status(&loopback, Version::HTTP_11, "/ping", &[host]);
        for host in [
            "localhost",
            "localhost:8080",
            "LOCALHOST:1",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:99",
            "127.9.9.9",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:1",
            "127.0.0.1:",
        ] {
            assert_eq!(with(host), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            ":8080",
            "localhost:80:80",
            "localhost:x",
            "user@localhost",
            "[::1",
            "::1]",
            "192.168.0.1",
            "[::2]",
            "localhost,evil.example",
            "2130706433",
            "\u{e9}vil.example",
        ] {
            assert_eq!(with(host), 403, "{host}");
        }
    }

    #[test]
    fn no_host_two_hosts_and_the_host_of_a_proxy_request_are_told_apart() {
        let loopback = hosts(LOOPBACK, LOOPBACK, &[]);
        let status = |version, uri: &str, given: &[&str]| status(&loopback, version, uri, given);
        assert_eq!(status(Version::HTTP_10, "/ping", &[]), 200);
        assert_eq!(status(Version::HTTP_11, "/ping", &[]), 400);
        assert_eq!(
            status(Version::HTTP_11, "/ping", &["localhost", "localhost"]),
            400
        );
        assert_eq!(
            status(Version::HTTP_10, "/ping", &["localhost", "evil.example"]),
            400
        );
        assert_eq!(
            status(Version::HTTP_11, "http://evil.example/ping", &["localhost"]),
            403
        );
        assert_eq!(
            status(Version::HTTP_11, "http://localhost:1/ping", &["localhost"]),
            200
        );
    }

    #[test]
    fn elsewhere_there_is_a_list_only_where_one_is_given() {
        let with = |hosts: &Hosts, host: &str| status(hosts, Version::HTTP_11, "/ping", &[host]);
        assert_eq!(with(&hosts("0.0.0.0", "0.0.0.0", &[]), "anything.example"), 200);
        let listed = hosts("0.0.0.0", "0.0.0.0", &["API.example"]);
        for host in ["api.example:443", "localhost", "10.1.2.3:8080"] {
            assert_eq!(with(&listed, host), 200, "{host}");
        }
        assert_eq!(with(&listed, "other.example"), 403);
        let named = hosts("own-name", LOOPBACK, &["more.example"]);
        assert_eq!(with(&named, "own-name:8080"), 200);
        assert_eq!(with(&named, "more.example"), 200);
    }
}
