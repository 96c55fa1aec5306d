//! Which path answers what.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, Extension, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use embedding::{Sequence, Sequencer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::answers::{Form, Vectors, max_answer_bytes};
use super::batching::Queue;
use super::body::{BodyLimits, Packed, receive};
use super::budget::{Budget, Charge};
use super::connection::Connection;
use super::connections::Connections;
use super::error::ApiError;
use super::hosts::Hosts;
use super::media_type::{JSON, JSON_LINES};
use super::metrics::Metrics;
use super::requests::{Asked, Kind};

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
    pub(crate) connections: Arc<Connections>,
    pub(crate) budget: Budget,
    /// Places of requests that have arrived whole and are not answered yet.
    pub(crate) requests: Semaphore,
    pub(crate) hosts: Hosts,
    pub(crate) body_limits: BodyLimits,
    pub(crate) info: Value,
    pub(crate) model_name: String,
    pub(crate) dimension: usize,
}

/// The connection that a request came by.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) connection: Arc<Connection>,
    /// The server's address on it.
    pub(crate) local: Option<IpAddr>,
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
        .layer(middleware::from_fn_with_state(Arc::clone(&server), check_host))
        .layer(middleware::from_fn_with_state(Arc::clone(&server), count))
        // `receive` has its own limit, which says what to do.
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
    server
        .metrics
        .holding(server.connections.num_open(), server.budget.held_bytes());
    let rendered = server.metrics.render().map_err(|error| ApiError::Unwritten {
        message: error.to_string(),
    })?;
    Ok((text, rendered).into_response())
}

/// What `SageMaker`'s batch transform asks. One record a request, because lines of `x-text` joined into
/// one request would be one text; batches are made here.
async fn execution_parameters(State(server): Shared) -> Response {
    to_json(&json!({
        "MaxConcurrentTransforms": TRANSFORMS,
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": server.body_limits.max_bytes >> 20,
    }))
}

async fn invocations(server: Shared, peer: Extension<Peer>, request: Request) -> Result<Response, ApiError> {
    answer(server, peer, Kind::of_invocation(request.headers()), request).await
}

/// What `OpenAI`'s clients ask.
async fn embeddings(server: Shared, peer: Extension<Peer>, request: Request) -> Result<Response, ApiError> {
    answer(server, peer, Kind::of_embeddings(request.headers()), request).await
}

/// A request for vectors, from its head to its answer: read, parsed, embedded, written. What it holds
/// is charged before, and what its answer holds until the client has taken it.
async fn answer(
    State(server): Shared,
    Extension(Peer { connection, .. }): Extension<Peer>,
    kind: Result<Kind, ApiError>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let kind = kind.and_then(|kind| server.queue.has_room().map(|()| kind));
    connection.receiving();
    let refusal = kind.as_ref().err().cloned();
    let received = receive(&head.headers, body, refusal, server.body_limits, &server.budget).await;
    connection.working();
    let (packed, kind) = (received?, kind?);
    let _place = server.requests.try_acquire().map_err(|_| ApiError::Busy)?;
    let (asked, body_charge) = server.parse(kind, packed).await?;
    let size = max_answer_bytes(asked.texts.len(), asked.form.num_lists(), server.dimension);
    let charge = server.budget.charge(size).await?;
    let embedded = server.embed(asked.texts, body_charge).await?;
    server.write(embedded, asked.form, charge).await
}

/// The vectors of a request's texts.
#[derive(Debug)]
struct Embedded {
    vectors: Vectors,
    num_truncated: usize,
}

/// The body of an answer, whose room is given back when it has been written.
struct HeldAnswer {
    body: Vec<u8>,
    _charge: Charge,
}

impl AsRef<[u8]> for HeldAnswer {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Server {
    async fn parse(self: &Arc<Self>, kind: Kind, packed: Packed) -> Result<(Asked, Charge), ApiError> {
        let server = Arc::clone(self);
        apart(move || {
            let (body, charge) = packed.unpack(server.body_limits.max_bytes, &server.budget)?;
            Ok((kind.parse(&body, server.dimension)?, charge))
        })
        .await?
    }

    async fn embed(&self, texts: Vec<String>, charge: Charge) -> Result<Embedded, ApiError> {
        let sequencer = self.sequencer.clone();
        let sequences = apart(move || {
            let sequences = sequencer.sequences(&texts);
            drop((texts, charge));
            sequences.map_err(|error| ApiError::of_model(&error.into()))
        })
        .await??;
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
        let vectors = Vectors {
            values,
            dimension: self.dimension,
            num_tokens,
        };
        Ok(Embedded {
            vectors,
            num_truncated,
        })
    }

    async fn write(
        self: &Arc<Self>,
        embedded: Embedded,
        form: Form,
        mut charge: Charge,
    ) -> Result<Response, ApiError> {
        let server = Arc::clone(self);
        let headers = [
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static(content_type(&form)),
            ),
            (TRUNCATED, HeaderValue::from(embedded.num_truncated)),
        ];
        let body = apart(move || {
            let body = embedded.vectors.write(&form, &server.model_name)?;
            charge.keep(body.capacity());
            Ok(HeldAnswer {
                body,
                _charge: charge,
            })
        })
        .await??;
        Ok((headers, Bytes::from_owner(body)).into_response())
    }
}

fn content_type(form: &Form) -> &'static str {
    match form {
        Form::Lines(_) => JSON_LINES,
        Form::One(_) | Form::OpenAi(_) => JSON,
    }
}

/// Does what takes a while on a thread of its own kind: those of HTTP stay free for others.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiError::Model {
        message: format!("the request was not worked on: {error}"),
    })
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

async fn check_host(
    State(server): Shared,
    Extension(Peer { local, .. }): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    server
        .hosts
        .check(request.version(), request.uri(), request.headers(), local)?;
    Ok(next.run(request).await)
}

/// Counts and times a request under the path of its route: what clients invent is one label.
async fn count(
    State(server): Shared,
    Extension(Peer { connection, .. }): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    connection.working();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let path = path.as_ref().map_or("other", MatchedPath::as_str);
    let status = response.status().as_u16();
    connection.answering(response.body().size_hint().lower());
    server.metrics.answered(path, status, begun.elapsed());
    tracing::info!(path, status, seconds = begun.elapsed().as_secs_f64(), "answered");
    response
}

fn to_json(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, JSON)], value.to_string()).into_response()
}
