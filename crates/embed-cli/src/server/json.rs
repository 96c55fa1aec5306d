//! The JSON of requests, read without a tree: every key by name, once, with the place of what is wrong.
//!
//! By hand, because what `serde` derives reads a list as the fields of an object in their order, and
//! forgets which key a value belongs to. Texts are counted as they come: what is too much is not kept.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::{ApiError, bad};
use super::options::MAX_TEXTS;

/// Characters of a client's key that a message repeats.
const SHOWN: usize = 60;

/// One text or several: what comes in decides what goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    One(String),
    Many(Vec<String>),
}

impl Input {
    /// How many texts it is; none stands for one that is no list.
    pub(crate) fn num_texts(&self) -> Option<usize> {
        match self {
            Self::One(_) => None,
            Self::Many(texts) => Some(texts.len()),
        }
    }

    pub(crate) fn into_texts(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// How many more texts and lines a request may have.
#[derive(Debug)]
pub(crate) struct Room {
    left: Cell<usize>,
    is_over: Cell<bool>,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            left: Cell::new(MAX_TEXTS),
            is_over: Cell::new(false),
        }
    }

    /// Takes the place of one text. False where there is none.
    fn take(&self) -> bool {
        let left = self.left.get().checked_sub(1);
        self.is_over.set(left.is_none());
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// One JSON value that `what` reads, and nothing behind it. `line` is its number among several.
///
/// # Errors
/// [`ApiError::TooManyTexts`], or [`ApiError::BadRequest`] with key, line and column.
pub(crate) fn parse<'de, T: DeserializeSeed<'de>>(
    body: &'de [u8],
    what: T,
    room: &Room,
    line: Option<usize>,
) -> Result<T::Value, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = what
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    parsed.map_err(|error| {
        if room.is_over.get() {
            return ApiError::TooManyTexts;
        }
        bad(match line {
            None => format!("the body is not the JSON that is expected here: {error}"),
            Some(line) => {
                let whole = error.to_string();
                let place = format!(" at line {} column {}", error.line(), error.column());
                let message = whole.strip_suffix(&place).unwrap_or(&whole);
                let column = error.column();
                format!("line {line} of the body, column {column}, is not the JSON that is expected here: {message}")
            }
        })
    })
}

/// What `/invocations` takes: a text, a list of texts, or `{"text_inputs": ...}` of one of them, as the
/// text embedding models of `JumpStart` take it; `inputs` is the same key, as Hugging Face's containers
/// have it.
pub(crate) struct Invocation<'a>(pub(crate) &'a Room);

impl<'de> DeserializeSeed<'de> for Invocation<'_> {
    type Value = Input;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Input, D::Error> {
        // A line takes a place, whether it has texts or not.
        if !self.0.take() {
            return Err(D::Error::custom("too many lines"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Invocation<'_> {
    type Value = Input;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with the key text_inputs, a text or a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Input, E> {
        Ok(Input::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Input, A::Error> {
        texts(list, self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Input, A::Error> {
        let mut input = None;
        while let Some(key) = map.next_key::<String>()? {
            if !["text_inputs", "inputs"].contains(&key.as_str()) {
                return Err(unknown(&key, "text_inputs, or inputs, which is the same"));
            }
            if input.is_some() {
                return Err(A::Error::custom(format!(
                    "{key}: text_inputs and inputs are one key, which is given once"
                )));
            }
            input = Some(value(&mut map, &key, Texts(self.0))?);
        }
        input.ok_or_else(|| A::Error::custom("the key text_inputs is missing"))
    }
}

/// A text or a list of texts, as the value of a key.
struct Texts<'a>(&'a Room);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = Input;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Input, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = Input;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Input, E> {
        Ok(Input::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Input, A::Error> {
        texts(list, self.0)
    }
}

fn texts<'de, A: SeqAccess<'de>>(mut list: A, room: &Room) -> Result<Input, A::Error> {
    let mut texts = Vec::new();
    loop {
        // The first text has the place of its line.
        let next = list.next_element::<String>();
        let next = next.map_err(|error| A::Error::custom(format!("[{}]: {error}", texts.len())))?;
        let Some(text) = next else {
            return Ok(Input::Many(texts));
        };
        if !texts.is_empty() && !room.take() {
            return Err(A::Error::custom("too many texts"));
        }
        texts.push(text);
    }
}

/// What `/v1/embeddings` takes.
#[derive(Debug)]
pub(crate) struct Embeddings {
    pub(crate) input: Input,
    pub(crate) encoding_format: EncodingFormat,
    pub(crate) dimensions: Option<u64>,
}

/// How vectors are written into JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// Base64 of the little-endian f32.
    Base64,
}

/// Reads [`Embeddings`]: what may be left out may be null.
pub(crate) struct EmbeddingsObject<'a>(pub(crate) &'a Room);

const EMBEDDINGS_KEYS: [&str; 5] = ["input", "model", "encoding_format", "dimensions", "user"];

impl<'de> DeserializeSeed<'de> for EmbeddingsObject<'_> {
    type Value = Embeddings;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Embeddings, D::Error> {
        // The place of the first text.
        if !self.0.take() {
            return Err(D::Error::custom("too many texts"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EmbeddingsObject<'_> {
    type Value = Embeddings;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with the key input")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Embeddings, A::Error> {
        let (mut input, mut format, mut dimensions) = (None, None, None);
        let mut seen = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if !EMBEDDINGS_KEYS.contains(&key.as_str()) {
                return Err(unknown(&key, &EMBEDDINGS_KEYS.join(", ")));
            }
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("{key}: the key is given twice")));
            }
            match key.as_str() {
                "input" => input = Some(value(&mut map, &key, Texts(self.0))?),
                "encoding_format" => format = value(&mut map, &key, Format)?,
                "dimensions" => dimensions = value(&mut map, &key, OrNull::<u64>::NEW)?,
                // There is one model here, and whom the client asks for is of no use.
                _ => drop(value(&mut map, &key, OrNull::<String>::NEW)?),
            }
            seen.push(key);
        }
        Ok(Embeddings {
            input: input.ok_or_else(|| A::Error::custom("the key input is missing"))?,
            encoding_format: format.unwrap_or_default(),
            dimensions,
        })
    }
}

/// A value of this type, or null.
struct OrNull<T>(std::marker::PhantomData<T>);

impl<T> OrNull<T> {
    const NEW: Self = Self(std::marker::PhantomData);
}

impl<'de, T: serde::Deserialize<'de>> DeserializeSeed<'de> for OrNull<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        serde::Deserialize::deserialize(deserializer)
    }
}

/// [`EncodingFormat`] by its name, or null.
struct Format;

impl<'de> DeserializeSeed<'de> for Format {
    type Value = Option<EncodingFormat>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let name: Option<String> = serde::Deserialize::deserialize(deserializer)?;
        match name.as_deref() {
            None => Ok(None),
            Some("float") => Ok(Some(EncodingFormat::Float)),
            Some("base64") => Ok(Some(EncodingFormat::Base64)),
            Some(other) => Err(D::Error::custom(format!(
                "`{}` is neither float nor base64",
                shown(other)
            ))),
        }
    }
}

/// The value of `key`, whose name stands before what is wrong with it.
fn value<'de, A: MapAccess<'de>, T: DeserializeSeed<'de>>(
    map: &mut A,
    key: &str,
    what: T,
) -> Result<T::Value, A::Error> {
    map.next_value_seed(what).map_err(|error| {
        let error = error.to_string();
        let colon = if error.starts_with('[') { "" } else { ": " };
        A::Error::custom(format!("{key}{colon}{error}"))
    })
}

fn unknown<E: Error>(key: &str, expected: &str) -> E {
    E::custom(format!("unknown key `{}`; expected {expected}", shown(key)))
}

fn shown(name: &str) -> String {
    let shown = || name.chars().take(SHOWN);
    if name.chars().nth(SHOWN).is_some() {
        shown().chain("...".chars()).collect()
    } else {
        shown().collect()
    }
}
