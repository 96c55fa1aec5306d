//! Who asks, in the words that the archives want: a name and an e-mail address.

use std::fmt;
use std::str::FromStr;

use super::error::FetchError;

/// A user agent that declares its user, as the SEC demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAgent {
    text: String,
}

impl UserAgent {
    /// # Errors
    /// [`FetchError::UserAgent`] when the text lacks a name or an e-mail address.
    pub fn new(text: &str) -> Result<Self, FetchError> {
        let refuse = |lacks| FetchError::UserAgent {
            found: text.to_owned(),
            lacks,
        };
        if !text.chars().all(|letter| (' '..='~').contains(&letter)) {
            return Err(refuse(
                "has letters that a request cannot carry (plain ASCII only)",
            ));
        }
        let words = || {
            text.split_whitespace()
                .map(|word| word.trim_matches(['(', ')', '<', '>', ',', ';']))
        };
        if !words().any(is_address) {
            return Err(refuse("has no e-mail address"));
        }
        let is_name =
            |word: &str| !word.contains('@') && word.chars().any(|letter| letter.is_ascii_alphabetic());
        if !words().any(is_name) {
            return Err(refuse("has no name beside the e-mail address"));
        }
        Ok(Self {
            text: text.trim().to_owned(),
        })
    }

    /// The text as it is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for UserAgent {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        Self::new(text)
    }
}

impl fmt::Display for UserAgent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn is_address(word: &str) -> bool {
    let Some((user, host)) = word.split_once('@') else {
        return false;
    };
    let has_domain = host.split('.').count() >= 2 && host.split('.').all(|label| !label.is_empty());
    !user.is_empty() && has_domain && !host.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_without_a_name_or_an_address_is_refused_with_the_reason() {
        for (text, lacks) in [
            ("", "no e-mail address"),
            ("Example Research", "no e-mail address"),
            ("Example Research someone@", "no e-mail address"),
            ("Example someone@host", "no e-mail address"),
            ("someone@example.com", "no name"),
            ("<someone@example.com> 1.0", "no name"),
            ("Example\r\nX: someone@example.com", "plain ASCII"),
        ] {
            let error = UserAgent::new(text).unwrap_err();
            assert!(error.to_string().contains(lacks), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_declared_user_agent_is_sent_as_given() {
        for text in [
            "Example Research someone@example.com",
            "tenk/0.1 (someone@mail.example.org)",
        ] {
            assert_eq!(UserAgent::new(text).unwrap().as_str(), text);
        }
    }
}
