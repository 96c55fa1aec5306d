//! What can be wrong with a configuration, each with its place and the way out.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a configuration was not read, written or fingerprinted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such file.
    #[error("there is no configuration file {}; check the path after --config", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The file is there but cannot be read as text.
    #[error("cannot read {} as text (a configuration is a TOML file in UTF-8)", path.display())]
    Unreadable {
        /// The path as given.
        path: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// The text is not TOML.
    #[error("{place}: this is not TOML: {message}")]
    Syntax {
        /// Where it stops being TOML.
        place: Box<Place>,
        /// What the parser says.
        message: String,
    },
    /// An override that is not `section.key=value`.
    #[error("the override `{text}` {reason}; write it as section.key=value, with a TOML value")]
    MalformedOverride {
        /// The override as given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that nothing reads.
    #[error("{place}: unknown key `{key}`; {}", advice(nearest.as_deref(), known, "keys here"))]
    UnknownKey {
        /// Where the key stands.
        place: Box<Place>,
        /// The full key, sections included.
        key: String,
        /// The known key that is spelled most like it, if one is close.
        nearest: Option<String>,
        /// All keys that are known in this section.
        known: Vec<String>,
    },
    /// A key without which the configuration says too little.
    #[error("{}: the key `{key}` is missing; add it there, or give --set {key}=VALUE", origin.display())]
    MissingKey {
        /// The file.
        origin: PathBuf,
        /// The full key, sections included.
        key: String,
    },
    /// A word that is none of the choices.
    #[error("{place}: `{key}` cannot be `{found}`; {}", advice(nearest.as_deref(), known, "choices"))]
    UnknownChoice {
        /// Where the value stands.
        place: Box<Place>,
        /// The full key, sections included.
        key: String,
        /// The word that was given.
        found: String,
        /// The choice that is spelled most like it, if one is close.
        nearest: Option<String>,
        /// All choices.
        known: Vec<String>,
    },
    /// A value of the wrong type or out of range.
    #[error("{place}: `{key}`: {message}")]
    WrongValue {
        /// Where the value stands.
        place: Box<Place>,
        /// The full key, sections included.
        key: String,
        /// What was found and what was expected.
        message: String,
    },
    /// A configuration that TOML or JSON cannot express.
    #[error("the configuration cannot be written: {message}")]
    Unwritable {
        /// What the serializer says.
        message: String,
    },
}

/// Where in a configuration something stands; lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// In an override on the command line.
    Override {
        /// The override as given.
        text: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => {
                write!(f, "{}, line {line}, column {column}", path.display())
            }
            Self::Override { text } => write!(f, "the override `{text}`"),
        }
    }
}

/// "did you mean X?" when something is close, else the list of what there is.
fn advice(nearest: Option<&str>, known: &[String], what: &str) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => format!("there are no {what}; remove it"),
        None => format!("the {what} are `{}`", known.join("`, `")),
    }
}
