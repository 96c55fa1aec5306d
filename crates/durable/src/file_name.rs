//! The name of a file as a manifest may state it.
//!
//! A manifest may come from anybody, and its names are joined to folders that are read and written.
//! So each of them is a [`FileName`]: whoever reads a manifest refuses every other name, and what
//! a name may be is decided here alone.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::DurableError;

/// So much of a refused name is shown.
const SHOWN_CHARS: usize = 60;

/// One normal part of a path: it names something in a folder and never something outside of it.
///
/// It has at least one and at most [`FileName::MAX_BYTES`] bytes, no separator (`/`, nor the `\` of
/// other systems), no control character, and no dot in front: `.` and `..` have one, and so have
/// locks and files that are being written. As JSON it is a string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct FileName(String);

impl FileName {
    /// Longest name. File systems take 255 bytes, and what is being written has up to 80 more
    /// than its name.
    pub const MAX_BYTES: usize = 160;

    /// A name, when it is one.
    ///
    /// # Errors
    /// [`DurableError::NotAFileName`], which says why.
    pub fn new(name: impl Into<String>) -> Result<Self, DurableError> {
        let name = name.into();
        match problem(&name) {
            None => Ok(Self(name)),
            Some(problem) => Err(DurableError::NotAFileName {
                name: shown(&name),
                problem,
            }),
        }
    }

    /// Whether a name may have this character, in front or behind.
    pub fn allows(character: char) -> bool {
        !matches!(character, '/' | '\\' | '\u{2028}' | '\u{2029}') && !character.is_control()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why `name` is not the name of a file.
fn problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.starts_with('.') {
        Some("it begins with a dot")
    } else if name.len() > FileName::MAX_BYTES {
        Some("it has more than 160 bytes")
    } else if name.contains(['/', '\\']) {
        Some("it has a separator of folders in it")
    } else if !name.chars().all(FileName::allows) {
        Some("it has a control character in it")
    } else {
        None
    }
}

/// A name that is not trusted, short and on one line.
fn shown(name: &str) -> String {
    let mut characters = name.chars();
    let begin: String = characters.by_ref().take(SHOWN_CHARS).collect();
    let rest = if characters.next().is_some() { " ..." } else { "" };
    format!("{begin:?}{rest}")
}

impl TryFrom<String> for FileName {
    type Error = DurableError;

    fn try_from(name: String) -> Result<Self, DurableError> {
        Self::new(name)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Deref for FileName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for FileName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for FileName {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl PartialEq<str> for FileName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for FileName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_the_project_writes_are_names() {
        for name in [
            "shard-00017-of-00256",
            "valid-10-K_A",
            "documents.jsonl.zst",
            "model-00001-of-00004.safetensors",
            "MANIFEST.json",
            "1_Pooling",
            "Größe 2",
            "a..b",
        ] {
            assert_eq!(FileName::new(name).unwrap(), name);
            let json = serde_json::to_string(name).unwrap();
            let read: FileName = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
        assert!(FileName::new("x".repeat(FileName::MAX_BYTES)).is_ok());
    }

    #[test]
    fn every_way_out_of_the_folder_is_refused_on_one_line_that_says_why() {
        let long = "x".repeat(FileName::MAX_BYTES + 1);
        for (name, why) in [
            ("", "empty"),
            (".", "dot"),
            ("..", "dot"),
            (".lock", "dot"),
            (".vocab.json.partial-0-1-2-3", "dot"),
            ("/etc/passwd", "separator"),
            ("a/b", "separator"),
            ("a/../../b", "separator"),
            ("a/", "separator"),
            ("..\\b", "dot"),
            ("a\\b", "separator"),
            ("a\0", "control"),
            ("a\nb", "control"),
            ("a\u{1b}[2J", "control"),
            ("a\u{2028}b", "control"),
            (&long, "160 bytes"),
        ] {
            let json = serde_json::to_string(name).unwrap();
            let message = serde_json::from_str::<FileName>(&json).unwrap_err().to_string();
            assert!(message.contains(why), "{name:?}: {message}");
            assert!(message.chars().all(|c| !c.is_control()), "{message:?}");
            assert!(message.len() < 300, "{message}");
        }
        assert!(serde_json::from_str::<FileName>("7").is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_normal_part_of_a_path(name in "[./\\\\a-z\0~:*é\u{2028}]{0,12}|\\PC{0,8}|.{0,200}") {
            let normal = Path::new(&name).components().collect::<Vec<_>>();
            let taken = FileName::new(name.as_str());
            if let Ok(taken) = &taken {
                prop_assert_eq!(normal, [Component::Normal(name.as_ref())]);
                let joined = Path::new("/folder").join(taken);
                prop_assert_eq!(joined.parent(), Some(Path::new("/folder")));
                prop_assert_eq!(joined.file_name().and_then(|name| name.to_str()), Some(name.as_str()));
                prop_assert!(!crate::is_partial(&name) && name != crate::LOCK_FILE);
            }
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<FileName>(&json).is_ok(), taken.is_ok());
        }
    }
}
