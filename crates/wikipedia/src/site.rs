//! What a dump says about its wiki: the names of its namespaces and where its pages are.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Namespace numbers that `MediaWiki` fixes.
const MEDIA: i32 = -2;
const FILE: i32 = 6;
const CATEGORY: i32 = 14;

/// Names that every wiki understands, whatever its language.
const CANONICAL: [(&str, i32); 5] = [
    ("file", FILE),
    ("image", FILE),
    ("media", MEDIA),
    ("category", CATEGORY),
    ("special", -1),
];
/// Prefixes of two or three letters that look like a language but link into the text.
const NOT_LANGUAGES: [&str; 8] = ["doi", "wp", "usa", "rfc", "hdl", "irc", "ppc", "vol"];

/// The `siteinfo` of a dump; the default knows the names common to all wikis.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SiteInfo {
    /// Database name (`enwiki`).
    pub database: Option<String>,
    /// Address of the main page.
    pub base: Option<String>,
    /// Namespaces other than the articles': lower-case name and number.
    pub namespaces: Vec<(String, i32)>,
}

impl SiteInfo {
    /// The address of the page `title`, when the dump says where its wiki is.
    pub fn page_url(&self, title: &str) -> Option<String> {
        let (folder, _) = self.base.as_deref()?.rsplit_once('/')?;
        let mut url = format!("{folder}/");
        for byte in title.replace(' ', "_").bytes() {
            let is_plain = byte.is_ascii_alphanumeric() || b"-_.~()',:!*;@/".contains(&byte);
            if is_plain {
                url.push(char::from(byte));
            } else {
                let _ = write!(url, "%{byte:02X}");
            }
        }
        Some(url)
    }

    /// The namespace of a name before a colon, in any case.
    pub(crate) fn namespace(&self, prefix: &str) -> Option<i32> {
        if prefix.len() > 80 {
            return None;
        }
        let name = prefix.trim().replace('_', " ").to_lowercase();
        let known = self
            .namespaces
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, number)| *number);
        known.or_else(|| {
            CANONICAL
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, number)| *number)
        })
    }

    /// Whether a link leaves no text: files, categories, and other languages' pages.
    pub(crate) fn is_dropped_link(&self, target: &str, has_text: bool) -> bool {
        let Some(colon) = memchr::memchr(b':', &target.as_bytes()[..target.len().min(100)]) else {
            return false;
        };
        let prefix = &target[..colon];
        if matches!(self.namespace(prefix), Some(MEDIA | FILE | CATEGORY)) {
            return true;
        }
        !has_text && is_language(prefix)
    }
}

/// `de`, `simple`, `zh-min-nan`: codes of other languages' wikis.
fn is_language(prefix: &str) -> bool {
    if prefix == "simple" {
        return true;
    }
    let is_code =
        |part: &str| (2..=6).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut parts = prefix.split('-');
    let first = parts.next().unwrap_or("");
    let has_variant = prefix.contains('-');
    let is_first = (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_classical = has_variant && (first == "be" || is_first);
    (is_first || is_classical)
        && parts.all(|part| part == "x" || is_code(part))
        && !NOT_LANGUAGES.contains(&prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_language_are_known_from_the_dump() {
        let site = SiteInfo {
            namespaces: vec![("файл".to_owned(), FILE)],
            ..SiteInfo::default()
        };
        assert_eq!(site.namespace("Файл"), Some(FILE));
        assert_eq!(site.namespace("IMAGE"), Some(FILE));
        assert_eq!(site.namespace("Star Trek"), None);
    }

    #[test]
    fn other_languages_leave_no_text_but_titles_with_colons_do() {
        let site = SiteInfo::default();
        for dropped in ["de:Ding", "be-x-old:X", "zh-min-nan:Y", "simple:Z", "Category:A"] {
            assert!(site.is_dropped_link(dropped, false), "{dropped}");
        }
        for shown in [
            "2001: A Space Odyssey",
            "wikt:word",
            "doi:10.1",
            "Ben-Hur: A Tale",
        ] {
            assert!(!site.is_dropped_link(shown, false), "{shown}");
        }
    }

    #[test]
    fn addresses_follow_the_base_of_the_dump() {
        let site = SiteInfo {
            base: Some("https://en.wikipedia.org/wiki/Main_Page".to_owned()),
            ..SiteInfo::default()
        };
        assert_eq!(
            site.page_url("Café au lait").as_deref(),
            Some("https://en.wikipedia.org/wiki/Caf%C3%A9_au_lait")
        );
    }
}
