//! What goes wrong with a request, and how it is said: one JSON object, in the shape that `OpenAI`'s
//! clients expect, with what is wrong, where, and the way out.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use embedding::EmbeddingError;
use serde_json::json;

use super::media_type::JSON;
use super::options::MAX_TEXTS;

/// Characters of a message: it may repeat what a client sent.
const MAX_MESSAGE: usize = 600;
/// Whole answers are written and taken in about this time.
const BUSY_RETRY_S: u64 = 2;

/// Why a request gets no vectors.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ApiError {
    /// The body is not what the content type says, or asks for what is not there.
    #[error("{message}")]
    BadRequest { message: String },
    /// The content type is missing or none of those known.
    #[error("content type {found} is not supported: send {expected}")]
    ContentType { found: String, expected: &'static str },
    /// The body is too large.
    #[error(
        "the body has more than {max_bytes} bytes: send fewer texts in one request, or start the server \
         with a larger --max-body-mib"
    )]
    TooLarge { max_bytes: usize },
    /// The body is packed in a way that is not undone.
    #[error("content encoding {found} is not supported: compress the body once with gzip, or not at all")]
    Encoding { found: String },
    /// The request has too many texts or lines.
    #[error("the request has more than {MAX_TEXTS} texts or lines: split it into several requests")]
    TooManyTexts,
    /// The server is asked by a name that is not its own.
    #[error(
        "the server does not answer to the name {found}: use localhost or its address, or start the server \
         with this name in --allowed-hosts"
    )]
    Host { found: String },
    /// The body did not come in time.
    #[error("the body did not arrive within {seconds} s: send the request again")]
    Slow { seconds: u64 },
    /// The queue is full.
    #[error("{queued_tokens} tokens are already waiting: try again in {retry_after_s} s")]
    Full {
        queued_tokens: usize,
        retry_after_s: u64,
    },
    /// Bodies and answers take all the memory that is set aside for them.
    #[error("other requests use all the memory for bodies and answers: try again in {BUSY_RETRY_S} s")]
    NoRoom,
    /// As many requests are being answered as there may be.
    #[error("the server already holds as many requests as it can: try again in {BUSY_RETRY_S} s")]
    Busy,
    /// The server ends before it could answer.
    #[error("the server is stopping: send the request to another server")]
    Stopped,
    /// The model failed.
    #[error("the texts could not be embedded: {message}")]
    Model { message: String },
    /// The model gives no numbers.
    #[error("the vectors are not finite: the model's weights are damaged, or its training went wrong")]
    NotFinite,
    /// There is an answer, and it cannot be written.
    #[error("the answer could not be written: {message}")]
    Unwritten { message: String },
    /// There is no such path.
    #[error("the server has no path {path}; it has {paths}")]
    NoSuchPath { path: String, paths: &'static str },
    /// The path takes another method.
    #[error("{path} does not accept {method}")]
    Method { path: String, method: String },
}

impl ApiError {
    /// A failure of the model with its causes.
    pub(crate) fn of_model(error: &EmbeddingError) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self::Model { message }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::Host { .. } => StatusCode::FORBIDDEN,
            Self::ContentType { .. } | Self::Encoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::TooManyTexts => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Full { .. } | Self::NoRoom | Self::Busy | Self::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            Self::Model { .. } | Self::NotFinite | Self::Unwritten { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::NoSuchPath { .. } => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

/// A request that is not what is expected, in words.
pub(crate) fn bad(message: String) -> ApiError {
    ApiError::BadRequest { message }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let kind = if status.is_client_error() {
            "invalid_request_error"
        } else {
            "server_error"
        };
        let mut message = self.to_string();
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.replace_range(end.., " ...");
        }
        let error = json!({"message": message, "type": kind, "param": null, "code": null});
        let body = json!({"error": error}).to_string();
        let mut response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
        let header = match self {
            Self::Full { retry_after_s, .. } => Some((header::RETRY_AFTER, HeaderValue::from(retry_after_s))),
            Self::NoRoom | Self::Busy => Some((header::RETRY_AFTER, HeaderValue::from(BUSY_RETRY_S))),
            Self::Encoding { .. } => Some((
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("gzip, identity"),
            )),
            _ => None,
        };
        response.headers_mut().extend(header);
        response
    }
}
