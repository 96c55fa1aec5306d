//! Which path answers what.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use embedding::{Sequence, Sequencer};
use serde::Serialize;
use serde_json::{Value, json};

use super::batching::Queue;
use super::error::ApiError;
use super::metrics::Metrics;
use super::requests::{EmbeddingsBody, EncodingFormat, Input, Invocation, JSON, JSON_LINES, read_body};

const PATHS: &str = "/ping, /health, /info, /metrics, /execution-parameters, /invocations, \
                     /endpoints/NAME/invocations and /v1/embeddings";
/// How many texts of a request were longer than the model takes, and were cut.
const TRUNCATED: HeaderName = HeaderName::from_static("x-tenk-truncated-texts");
/// Requests that a batch transform job should keep open: as many as short texts fill a batch.
const TRANSFORMS: usize = 32;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) sequencer: Sequencer,
    pub(crate) queue: Queue,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) info: Value,
    pub(crate) model_name: String,
    pub(crate) dimension: usize,
    pub(crate) max_body_bytes: usize,
}

type Shared = State<Arc<Server>>;

pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/ping", get(health))
        .route("/health", get(health))
        .route("/info", get(info))
        .route("/metrics", get(metrics))
        .route("/execution-parameters", get(execution_parameters))
        .route("/invocations", post(invocations))
        .route("/endpoints/{name}/invocations", post(invocations))
        .route("/v1/embeddings", post(embeddings))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&server), count))
        // `read_body` has its own limit, which says what to do.
        .layer(DefaultBodyLimit::disable())
        .with_state(server)
}

async fn health() -> Response {
    to_json(&json!({"status": "ok"}))
}

async fn info(State(server): Shared) -> Response {
    to_json(&server.info)
}

async fn metrics(State(server): Shared) -> Result<Response, ApiError> {
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let rendered = server.metrics.render().map_err(|error| unwritten(&error))?;
    Ok((text, rendered).into_response())
}

/// What `SageMaker`'s batch transform asks. One record a request, because lines of `x-text` joined into
/// one request would be one text; batches are made here.
async fn execution_parameters(State(server): Shared) -> Response {
    to_json(&json!({
        "MaxConcurrentTransforms": TRANSFORMS,
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": server.max_body_bytes >> 20,
    }))
}

/// `{"embedding": [...]}` for a text, `{"embedding": [[...], ...]}` for a list.
async fn invocations(State(server): Shared, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let body = read_body(body, server.max_body_bytes).await?;
    let invocation = Invocation::parse(&headers, &body)?;
    let shapes: Vec<Option<usize>> = invocation.inputs.iter().map(Input::num_texts).collect();
    let texts = invocation.inputs.into_iter().flat_map(Input::into_texts);
    let vectors = server.embed(texts.collect()).await?;

    let mut rows = vectors.rows();
    let mut lines = Vec::with_capacity(shapes.len());
    for shape in shapes {
        let embedding = match shape {
            None => serde_json::to_string(rows.next().unwrap_or_default()),
            Some(count) => serde_json::to_string(&rows.by_ref().take(count).collect::<Vec<_>>()),
        };
        lines.push(format!(
            "{{\"embedding\":{}}}",
            embedding.map_err(|error| unwritten(&error))?
        ));
    }
    let content_type = if invocation.is_lines { JSON_LINES } else { JSON };
    Ok(vectors.answer(content_type, lines.join("\n")))
}

/// What `OpenAI`'s clients ask.
async fn embeddings(State(server): Shared, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let body = read_body(body, server.max_body_bytes).await?;
    let request = EmbeddingsBody::parse(&headers, &body, server.dimension)?;
    let vectors = server.embed(request.input.into_texts()).await?;
    let data = vectors.rows().enumerate().map(|(index, vector)| EmbeddingObject {
        object: "embedding",
        index,
        embedding: Vector::new(vector, request.encoding_format),
    });
    let list = EmbeddingList {
        object: "list",
        data: data.collect(),
        model: &server.model_name,
        usage: json!({"prompt_tokens": vectors.num_tokens, "total_tokens": vectors.num_tokens}),
    };
    let body = serde_json::to_string(&list).map_err(|error| unwritten(&error))?;
    Ok(vectors.answer(JSON, body))
}

#[derive(Serialize)]
struct EmbeddingList<'a> {
    object: &'static str,
    data: Vec<EmbeddingObject<'a>>,
    model: &'a str,
    usage: Value,
}

#[derive(Serialize)]
struct EmbeddingObject<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Float(&'a [f32]),
    Base64(String),
}

impl<'a> Vector<'a> {
    fn new(values: &'a [f32], format: EncodingFormat) -> Self {
        match format {
            EncodingFormat::Float => Self::Float(values),
            EncodingFormat::Base64 => {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                Self::Base64(STANDARD.encode(bytes))
            }
        }
    }
}

/// The vectors of a request's texts.
#[derive(Debug)]
struct Vectors {
    values: Vec<f32>,
    dimension: usize,
    num_tokens: usize,
    num_truncated: usize,
}

impl Vectors {
    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimension)
    }

    fn answer(&self, content_type: &'static str, body: String) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (TRUNCATED, HeaderValue::from(self.num_truncated)),
        ];
        (headers, body).into_response()
    }
}

impl Server {
    async fn embed(&self, texts: Vec<String>) -> Result<Vectors, ApiError> {
        let sequencer = self.sequencer.clone();
        let sequences = tokio::task::spawn_blocking(move || sequencer.sequences(&texts))
            .await
            .map_err(|error| ApiError::Model {
                message: format!("their tokens were not made: {error}"),
            })?;
        let num_truncated = sequences
            .iter()
            .filter(|sequence| sequence.is_truncated())
            .count();
        let num_tokens = sequences.iter().map(Sequence::num_tokens).sum();
        let values = if sequences.is_empty() {
            Vec::new()
        } else {
            self.queue
                .submit(sequences)?
                .await
                .unwrap_or(Err(ApiError::Stopped))?
        };
        Ok(Vectors {
            values,
            dimension: self.dimension,
            num_tokens,
            num_truncated,
        })
    }
}

async fn no_such_path(uri: Uri) -> ApiError {
    ApiError::NoSuchPath {
        path: uri.path().to_owned(),
        paths: PATHS,
    }
}

async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    ApiError::Method {
        path: uri.path().to_owned(),
        method: method.to_string(),
    }
}

/// Counts and times a request under the path of its route: what clients invent is one label.
async fn count(State(server): Shared, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let path = path.as_ref().map_or("other", MatchedPath::as_str);
    let status = response.status().as_u16();
    server.metrics.answered(path, status, begun.elapsed());
    tracing::info!(path, status, seconds = begun.elapsed().as_secs_f64(), "answered");
    response
}

fn to_json(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, JSON)], value.to_string()).into_response()
}

fn unwritten(error: &dyn std::error::Error) -> ApiError {
    ApiError::Unwritten {
        message: error.to_string(),
    }
}
