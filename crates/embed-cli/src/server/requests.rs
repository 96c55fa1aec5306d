//! What a request asks: its texts, and the form that their vectors shall have.

use axum::http::{HeaderMap, header};

use super::answers::Form;
use super::error::{ApiError, bad};
use super::json::{self, EmbeddingsObject, Input, Invocation, Room};
use super::media_type::{JSON, JSON_LINES, TEXT};
use crate::lines::BYTE_ORDER_MARK;

/// The texts of a request and the form of its answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) texts: Vec<String>,
    pub(crate) form: Form,
}

/// The body of a request for vectors, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `/invocations`: one text.
    Text,
    /// `/invocations`: a text or a list of texts.
    Json,
    /// `/invocations`: such a one a line.
    JsonLines,
    /// `/v1/embeddings`.
    Embeddings,
}

impl Kind {
    /// What `/invocations` is asked by a body of this content type.
    ///
    /// # Errors
    /// [`ApiError::ContentType`].
    pub(crate) fn of_invocation(headers: &HeaderMap) -> Result<Self, ApiError> {
        let content_type = content_type(headers)?;
        match content_type.as_str() {
            TEXT => Ok(Self::Text),
            JSON => Ok(Self::Json),
            JSON_LINES => Ok(Self::JsonLines),
            _ => Err(ApiError::ContentType {
                found: content_type,
                expected: "application/x-text, application/json or application/jsonlines",
            }),
        }
    }

    /// What `/v1/embeddings` is asked by a body of this content type.
    ///
    /// # Errors
    /// [`ApiError::ContentType`].
    pub(crate) fn of_embeddings(headers: &HeaderMap) -> Result<Self, ApiError> {
        let content_type = content_type(headers)?;
        if content_type == JSON {
            return Ok(Self::Embeddings);
        }
        Err(ApiError::ContentType {
            found: content_type,
            expected: JSON,
        })
    }

    /// Reads a body. `dimension` is the length of the model's vectors.
    ///
    /// # Errors
    /// [`ApiError::TooManyTexts`], or [`ApiError::BadRequest`] with the place.
    pub(crate) fn parse(self, body: &[u8], dimension: usize) -> Result<Asked, ApiError> {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let room = Room::new();
        match self {
            Self::Text => {
                let texts = vec![text(body)?.to_owned()];
                Ok(Asked {
                    texts,
                    form: Form::One(None),
                })
            }
            Self::Json => {
                let input = json::parse(body, Invocation(&room), &room, None)?;
                let form = Form::One(input.num_texts());
                Ok(Asked {
                    texts: input.into_texts(),
                    form,
                })
            }
            Self::JsonLines => lines(body, &room),
            Self::Embeddings => embeddings(body, &room, dimension),
        }
    }
}

/// A request for each line. Blank ones at the end are none: many writers leave one.
fn lines(body: &[u8], room: &Room) -> Result<Asked, ApiError> {
    let body = body.trim_ascii_end();
    let num_lines = if body.is_empty() { 0 } else { usize::MAX };
    let mut asked = Asked {
        texts: Vec::new(),
        form: Form::Lines(Vec::new()),
    };
    for (index, line) in body.split(|&byte| byte == b'\n').enumerate().take(num_lines) {
        let input = json::parse(line, Invocation(room), room, Some(index + 1))?;
        if let Form::Lines(counts) = &mut asked.form {
            counts.push(input.num_texts());
        }
        asked.texts.extend(input.into_texts());
    }
    Ok(asked)
}

fn embeddings(body: &[u8], room: &Room, dimension: usize) -> Result<Asked, ApiError> {
    let parsed = json::parse(body, EmbeddingsObject(room), room, None)?;
    let is_own = |&asked: &u64| usize::try_from(asked) == Ok(dimension);
    match parsed.dimensions.filter(|asked| !is_own(asked)) {
        Some(asked) => Err(bad(format!(
            "dimensions = {asked}: this model's vectors have {dimension} numbers and are not cut; leave \
             dimensions out"
        ))),
        None => Ok(Asked {
            texts: Input::into_texts(parsed.input),
            form: Form::OpenAi(parsed.encoding_format),
        }),
    }
}

/// The content type in small letters, without parameters. Text is UTF-8 or refused.
fn content_type(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let text = match (values.next(), values.next()) {
        (None, _) => "(none)",
        (Some(value), None) => value.to_str().unwrap_or("(not text)"),
        (Some(_), Some(_)) => "(several)",
    };
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

#[cfg(test)]
mod tests;
