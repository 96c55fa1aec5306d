//! Bodies of requests: read up to a limit, and parsed into texts with the place of what is wrong.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::ApiError;

pub(crate) const JSON: &str = "application/json";
pub(crate) const JSON_LINES: &str = "application/jsonlines";
const TEXT: &str = "application/x-text";

/// Texts of one request. `OpenAI` takes as many; the answer is held in memory whole.
const MAX_TEXTS: usize = 2048;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_mins(1);
/// A body that is too large is read so many times over before the connection is closed, because a
/// client that is still sending does not read the answer that says so.
const READ_ON: usize = 8;

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

/// By hand, because an untagged enum forgets the line and column of what is wrong.
impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Input;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Input, E> {
                Ok(Input::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Input, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Input::Many(texts))
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

/// `{"text_inputs": ...}`, as the text embedding models of `JumpStart` take it, or `{"inputs": ...}`,
/// as Hugging Face's containers do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InvocationBody {
    #[serde(alias = "inputs")]
    text_inputs: Input,
}

/// What `/invocations` was asked: an answer for each of the inputs.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) inputs: Vec<Input>,
    /// Whether the answers are a line each.
    pub(crate) is_lines: bool,
}

impl Invocation {
    /// # Errors
    /// [`ApiError::ContentType`], or [`ApiError::BadRequest`] with the place.
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, ApiError> {
        const KNOWN: &str = "application/x-text, application/json or application/jsonlines";
        let content_type = content_type(headers)?;
        let inputs = match content_type.as_str() {
            TEXT => vec![Input::One(text(body)?.to_owned())],
            JSON => vec![json::<InvocationBody>(body, "")?.text_inputs],
            JSON_LINES => lines(body)?,
            _ => {
                return Err(ApiError::ContentType {
                    found: content_type,
                    expected: KNOWN,
                });
            }
        };
        check_count(inputs.iter().map(|input| input.num_texts().unwrap_or(1)).sum())?;
        Ok(Self {
            inputs,
            is_lines: content_type == JSON_LINES,
        })
    }
}

/// A request for each line; the last one may end in a line break.
fn lines(body: &[u8]) -> Result<Vec<Input>, ApiError> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let input = |(index, line): (usize, &[u8])| {
        json::<InvocationBody>(line, &format!("line {} of ", index + 1)).map(|body| body.text_inputs)
    };
    body.split(|&byte| byte == b'\n').enumerate().map(input).collect()
}

/// `/v1/embeddings`. The model's name is taken as it comes: there is one model here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbeddingsBody {
    pub(crate) input: Input,
    #[serde(default, rename = "model")]
    _model: Option<String>,
    #[serde(default)]
    pub(crate) encoding_format: EncodingFormat,
    #[serde(default)]
    pub(crate) dimensions: Option<usize>,
    /// Whom the client asks for: of no use here.
    #[serde(default, rename = "user")]
    _user: Option<String>,
}

/// How vectors are written into JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// Base64 of the little-endian f32.
    Base64,
}

impl EmbeddingsBody {
    /// `dimension` is the length of the model's vectors.
    ///
    /// # Errors
    /// [`ApiError::ContentType`], or [`ApiError::BadRequest`] with the place.
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8], dimension: usize) -> Result<Self, ApiError> {
        let content_type = content_type(headers)?;
        if content_type != JSON {
            return Err(ApiError::ContentType {
                found: content_type,
                expected: JSON,
            });
        }
        let parsed: Self = json(body, "")?;
        if let Some(asked) = parsed.dimensions.filter(|&asked| asked != dimension) {
            return Err(bad(format!(
                "dimensions = {asked}: this model's vectors have {dimension} numbers and are not cut; leave \
                 dimensions out"
            )));
        }
        check_count(parsed.input.num_texts().unwrap_or(1))?;
        Ok(parsed)
    }
}

fn check_count(found: usize) -> Result<(), ApiError> {
    if found > MAX_TEXTS {
        return Err(ApiError::TooManyTexts {
            found,
            max: MAX_TEXTS,
        });
    }
    Ok(())
}

/// The content type in small letters, without parameters. Text is UTF-8 or refused.
fn content_type(headers: &HeaderMap) -> Result<String, ApiError> {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value
        .map_or(Ok("(none)"), |value| value.to_str())
        .unwrap_or("(not text)");
    let text = text.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_owned();
    match parts.find_map(|part| part.strip_prefix("charset=")) {
        Some(charset) if !["utf-8", "utf8", "us-ascii"].contains(&charset.trim_matches('"')) => {
            Err(ApiError::ContentType {
                found: text,
                expected: "text in UTF-8",
            })
        }
        _ => Ok(essence),
    }
}

fn text(body: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(body).map_err(|error| {
        bad(format!(
            "the text is not UTF-8 from byte {} on",
            error.valid_up_to()
        ))
    })
}

fn json<T: DeserializeOwned>(body: &[u8], place: &str) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        bad(format!(
            "{place}the body is not the JSON that is expected here: {error}"
        ))
    })
}

fn bad(message: String) -> ApiError {
    ApiError::BadRequest { message }
}

/// Reads a body of at most `max_bytes`.
///
/// # Errors
/// [`ApiError::TooLarge`], [`ApiError::Slow`]; [`ApiError::BadRequest`] where the connection breaks,
/// which nobody is there to read.
pub(crate) async fn read_body(mut body: Body, max_bytes: usize) -> Result<Vec<u8>, ApiError> {
    let read = async {
        let mut bytes = Vec::new();
        let mut seen = 0_usize;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| bad(format!("the body broke off: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            seen = seen.saturating_add(data.len());
            if seen <= max_bytes {
                bytes.extend_from_slice(&data);
            } else if seen > max_bytes.saturating_mul(READ_ON) {
                break;
            }
        }
        if seen > max_bytes {
            return Err(ApiError::TooLarge { max_bytes });
        }
        Ok(bytes)
    };
    let seconds = BODY_TIME.as_secs();
    tokio::time::timeout(BODY_TIME, read)
        .await
        .unwrap_or(Err(ApiError::Slow { seconds }))
}
