//! What goes wrong with a request, and how it is said: one JSON object, in the shape that `OpenAI`'s
//! clients expect, with what is wrong, where, and the way out.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use embedding::EmbeddingError;
use serde_json::json;

use super::requests::JSON;

/// Why a request gets no vectors.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ApiError {
    /// The body is not what the content type says, or asks for what is not there.
    #[error("{message}")]
    BadRequest { message: String },
    /// The content type is missing or none of those known.
    #[error("content type {found} is not known here: send {expected}")]
    ContentType { found: String, expected: &'static str },
    /// The body is too large.
    #[error(
        "the body has more than {max_bytes} bytes: send fewer texts a request, or start the server \
         with a larger --max-body-mib"
    )]
    TooLarge { max_bytes: usize },
    /// The request has too many texts.
    #[error("{found} texts in one request, at most {max} are taken: send them in several requests")]
    TooManyTexts { found: usize, max: usize },
    /// The body did not come in time.
    #[error("the body did not arrive within {seconds} s: send the request again")]
    Slow { seconds: u64 },
    /// The queue is full.
    #[error("{queued_tokens} tokens wait already: try again in {retry_after_s} s")]
    Full {
        queued_tokens: usize,
        retry_after_s: u64,
    },
    /// The server ends before it could answer.
    #[error("the server is stopping: send the request to another one")]
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
    #[error("there is no {path} here; there are {paths}")]
    NoSuchPath { path: String, paths: &'static str },
    /// The path takes another method.
    #[error("{path} does not take {method}")]
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

    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::TooManyTexts { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Full { .. } | Self::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            Self::Model { .. } | Self::NotFinite | Self::Unwritten { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::NoSuchPath { .. } => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let kind = if status.is_client_error() {
            "invalid_request_error"
        } else {
            "server_error"
        };
        let error = json!({"message": self.to_string(), "type": kind, "param": null, "code": null});
        let body = json!({"error": error}).to_string();
        let mut response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
        if let Self::Full { retry_after_s, .. } = self {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        response
    }
}
