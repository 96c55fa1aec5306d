//! What is counted, in Prometheus' text format.

use std::time::Duration;

use anyhow::{Context, Result};
use embedding::Sequence;
use prometheus::{
    Counter, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder, core::Collector,
};

/// Seconds: a short text on an idle server to a long request behind a full queue.
const SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0,
];
const TEXTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Longest wait that is asked of a client which finds the queue full.
const MAX_RETRY_S: f64 = 60.0;

/// Counters and histograms of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    texts: IntCounter,
    truncated_texts: IntCounter,
    tokens: IntCounter,
    model_seconds: Counter,
    texts_together: Histogram,
    queued_tokens: IntGauge,
    closed_connections: IntCounterVec,
    open_connections: IntGauge,
    held_bytes: IntGauge,
}

impl Metrics {
    /// # Errors
    /// Where two of them have one name, which no input brings about.
    pub(crate) fn new() -> Result<Self> {
        let registry = Registry::new();
        let counter = |name, help| register(&registry, IntCounter::new(name, help));
        let gauge = |name, help| register(&registry, IntGauge::new(name, help));
        Ok(Self {
            requests: requests(&registry)?,
            request_seconds: request_seconds(&registry)?,
            texts: counter("tenk_texts_total", "Texts embedded.")?,
            truncated_texts: counter(
                "tenk_truncated_texts_total",
                "Texts that were cut because the model takes no more tokens.",
            )?,
            tokens: counter("tenk_tokens_total", "Tokens embedded, without padding.")?,
            model_seconds: register(
                &registry,
                Counter::new("tenk_model_seconds_total", "Time that the model computed."),
            )?,
            texts_together: texts_together(&registry)?,
            queued_tokens: gauge(
                "tenk_queued_tokens",
                "Tokens of requests that are not embedded yet.",
            )?,
            closed_connections: closed_connections(&registry)?,
            open_connections: gauge("tenk_open_connections", "Connections that are open.")?,
            held_bytes: gauge("tenk_held_bytes", "Bytes of bodies and answers that are held.")?,
            registry,
        })
    }

    /// A request was answered.
    pub(crate) fn answered(&self, path: &str, status: u16, took: Duration) {
        self.requests
            .with_label_values(&[path, &status.to_string()])
            .inc();
        self.request_seconds
            .with_label_values(&[path])
            .observe(took.as_secs_f64());
    }

    /// So many tokens wait now.
    pub(crate) fn queued(&self, tokens: usize) {
        self.queued_tokens.set(i64::try_from(tokens).unwrap_or(i64::MAX));
    }

    /// The server closed a connection.
    pub(crate) fn closed(&self, reason: &str) {
        self.closed_connections.with_label_values(&[reason]).inc();
    }

    /// So many connections are open and so many bytes held now.
    pub(crate) fn holding(&self, connections: usize, bytes: usize) {
        self.open_connections
            .set(i64::try_from(connections).unwrap_or(i64::MAX));
        self.held_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Sequences went through the model together.
    pub(crate) fn encoded(&self, sequences: &[&Sequence], took: Duration) {
        let truncated = sequences
            .iter()
            .filter(|sequence| sequence.is_truncated())
            .count();
        let tokens: usize = sequences.iter().map(|sequence| sequence.num_tokens()).sum();
        self.texts.inc_by(sequences.len() as u64);
        self.truncated_texts.inc_by(truncated as u64);
        self.tokens.inc_by(tokens as u64);
        self.model_seconds.inc_by(took.as_secs_f64());
        self.texts_together.observe(sequences.len() as f64);
    }

    /// Whole seconds that so many tokens take at the rate so far, 1 to 60.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped before"
    )]
    pub(crate) fn seconds_for(&self, tokens: usize) -> u64 {
        let seconds = tokens as f64 * self.model_seconds.get() / self.tokens.get().max(1) as f64;
        seconds.ceil().clamp(1.0, MAX_RETRY_S) as u64
    }

    /// All of them as text.
    ///
    /// # Errors
    /// Where one of them has no samples or no name.
    pub(crate) fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn requests(registry: &Registry) -> Result<IntCounterVec> {
    let options = Opts::new("tenk_requests_total", "Requests by path and status.");
    register(registry, IntCounterVec::new(options, &["path", "status"]))
}

fn request_seconds(registry: &Registry) -> Result<HistogramVec> {
    let options = HistogramOpts::new(
        "tenk_request_seconds",
        "From the head of a request to its answer.",
    );
    let options = options.buckets(SECONDS.to_vec());
    register(registry, HistogramVec::new(options, &["path"]))
}

fn texts_together(registry: &Registry) -> Result<Histogram> {
    let options = HistogramOpts::new(
        "tenk_texts_together",
        "Texts that went through the model together.",
    );
    register(registry, Histogram::with_opts(options.buckets(TEXTS.to_vec())))
}

fn closed_connections(registry: &Registry) -> Result<IntCounterVec> {
    let options = Opts::new(
        "tenk_closed_connections_total",
        "Connections that the server closed, by reason.",
    );
    register(registry, IntCounterVec::new(options, &["reason"]))
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> Result<C> {
    let collector = collector.context("a metric has no valid name")?;
    registry
        .register(Box::new(collector.clone()))
        .context("two metrics have the same name")?;
    Ok(collector)
}
