//! Where an answer may lead. Pure.
//!
//! Redirects are followed here and not by the client, so that no answer leads to a host that serves
//! neither EDGAR nor Wikimedia, nor from https down to http.

use ureq::http::Uri;

use super::answer::Fault;

/// More in a row are a circle.
pub(super) const MOST_REDIRECTS: u32 = 5;
/// The domains of the archives.
const ARCHIVES: [&str; 2] = ["sec.gov", "wikimedia.org"];

/// The hosts that an answer may lead to.
#[derive(Debug)]
pub(super) enum Allowed {
    /// Those of the archives.
    Archives,
    /// That of `--base-url` alone: host and port, as the address has them.
    Base(String),
}

impl Allowed {
    /// With `--base-url` or without.
    pub(super) fn of(base_url: Option<&str>) -> Self {
        let authority = |url: &str| Some(url.parse::<Uri>().ok()?.authority()?.to_string());
        base_url.map_or(Self::Archives, |url| {
            Self::Base(authority(url).unwrap_or_default())
        })
    }

    /// The address that `location`, the header of the answer from `url`, leads to.
    pub(super) fn follow(&self, url: &str, location: &str) -> Result<String, Fault> {
        self.target(url, location)
            .map_err(|why| Fault::redirect(location, why))
    }

    fn target(&self, url: &str, location: &str) -> Result<String, &'static str> {
        const NONE: &str = "which is no address";
        let from: Uri = url.parse().map_err(|_| NONE)?;
        let (scheme, authority) = from.scheme_str().zip(from.authority()).ok_or(NONE)?;
        let whole = if location.starts_with("//") {
            format!("{scheme}:{location}")
        } else if location.starts_with('/') {
            format!("{scheme}://{authority}{location}")
        } else {
            location.to_owned()
        };
        let to: Uri = whole.parse().map_err(|_| NONE)?;
        match to.scheme_str() {
            Some("https") => {}
            Some("http") if scheme == "http" => {}
            Some("http") => return Err("which is not encrypted"),
            _ => return Err(NONE),
        }
        let target = to.authority().ok_or(NONE)?;
        if target.as_str().contains('@') {
            return Err("which names a user");
        }
        if self.has(target.as_str()) {
            Ok(whole)
        } else {
            Err("a host that does not serve the archive")
        }
    }

    fn has(&self, authority: &str) -> bool {
        match self {
            Self::Base(base) => authority.eq_ignore_ascii_case(base),
            Self::Archives => {
                let name = authority.to_ascii_lowercase();
                let of = |domain: &&str| {
                    name.strip_suffix(*domain)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                };
                ARCHIVES.iter().any(of)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "https://www.sec.gov/Archives/a.txt";

    fn why(allowed: &Allowed, url: &str, location: &str) -> String {
        allowed.follow(url, location).unwrap_err().to_string()
    }

    #[test]
    fn an_answer_leads_to_the_archives_and_nowhere_else() {
        let archives = Allowed::of(None);
        for (location, to) in [
            ("https://data.sec.gov/b", "https://data.sec.gov/b"),
            ("https://SEC.gov/b", "https://SEC.gov/b"),
            ("//dumps.wikimedia.org/b", "https://dumps.wikimedia.org/b"),
            ("/b?c=d", "https://www.sec.gov/b?c=d"),
        ] {
            assert_eq!(archives.follow(FROM, location).unwrap(), to);
        }
        for location in [
            "https://evil.example/b",
            "https://notsec.gov/b",
            "https://sec.gov.evil.example/b",
            "https://www.sec.gov:8443/b",
            "//evil.example/b",
            "https://127.0.0.1/b",
        ] {
            assert!(
                why(&archives, FROM, location).contains("does not serve"),
                "{location}"
            );
        }
        assert!(why(&archives, FROM, "http://www.sec.gov/b").contains("not encrypted"));
        assert!(why(&archives, FROM, "https://www.sec.gov@evil.example/b").contains("names a user"));
        for location in [
            "",
            "b",
            "file:///etc/passwd",
            "https://",
            "https://a b/",
            "ftp://sec.gov/b",
        ] {
            assert!(
                why(&archives, FROM, location).contains("no address"),
                "{location}"
            );
        }
    }

    #[test]
    fn with_a_base_address_only_its_own_host_and_port_are_followed() {
        let base = Allowed::of(Some("http://127.0.0.1:8080/mirror"));
        let from = "http://127.0.0.1:8080/mirror/a";
        assert_eq!(base.follow(from, "/b").unwrap(), "http://127.0.0.1:8080/b");
        assert!(base.follow(from, "https://127.0.0.1:8080/b").is_ok());
        for location in [
            "http://127.0.0.1:8081/b",
            "http://127.0.0.1/b",
            "https://www.sec.gov/b",
        ] {
            assert!(
                why(&base, from, location).contains("does not serve"),
                "{location}"
            );
        }
    }
}
