//! `tenk-embed serve`: vectors over HTTP, to the clients of `SageMaker`, of `OpenAI` and to `curl`.
//!
//! HTTP has threads of its own. The model stays on the thread that calls [`serve`] and takes its
//! work from a bounded queue (`batching`); what is asked and answered is in `routes`.

mod batching;
mod error;
mod info;
mod metrics;
mod requests;
mod routes;
mod stop;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::serve::ListenerExt;
use embedding::{EmbeddingModel, EncodeOptions};
use tokio::net::TcpListener;

use self::batching::Queue;
use self::metrics::Metrics;
use self::routes::Server;
use self::stop::Signals;

/// Threads that read and write HTTP; the model's are apart from them.
const HTTP_THREADS: usize = 2;
/// Threads that turn texts into tokens.
const TOKENIZER_THREADS: usize = 2;

/// Where the server listens and how much it takes on.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Name or address to listen on.
    pub host: String,
    /// Port; 0 takes any free one.
    pub port: u16,
    /// How texts become vectors.
    pub encode: EncodeOptions,
    /// While this many tokens wait, new requests are turned away with 503.
    pub max_queued_tokens: usize,
    /// Largest body of a request.
    pub max_body_bytes: usize,
}

/// Serves `model` until SIGTERM or SIGINT, then answers what it has accepted and returns.
/// `listening` hears the address once connections are taken.
///
/// # Errors
/// Where the address cannot be listened on, the model's folder cannot be read any more, or a
/// second signal ended the wait for the last answers.
pub fn serve(
    model: &EmbeddingModel,
    options: &ServerOptions,
    listening: impl FnOnce(SocketAddr) -> Result<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(HTTP_THREADS)
        .max_blocking_threads(TOKENIZER_THREADS)
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    let listener = runtime.block_on(listen(&options.host, options.port))?;
    let address = listener.local_addr().context("the socket has no address")?;
    let metrics = Arc::new(Metrics::new()?);
    let (queue, work) = batching::queue(options.max_queued_tokens, Arc::clone(&metrics));
    let server = Server {
        sequencer: model.sequencer(),
        queue: queue.clone(),
        metrics,
        info: info::info(model)?,
        model_name: info::name(model),
        dimension: model.dimension(),
        max_body_bytes: options.max_body_bytes,
    };
    let signals = runtime.block_on(async { Signals::new() })?;
    let http = runtime.spawn(http(listener, server, signals, queue));
    listening(address)?;
    work.run(options.encode.max_batch_tokens, |sequences| {
        model.encode_sequences(sequences, options.encode)
    });
    let ended = runtime.block_on(http);
    // Connections that never sent a whole request would hold it up.
    runtime.shutdown_background();
    ended.context("the server failed")?
}

/// Answers until a signal; lets the model's thread go, however it ends.
async fn http(listener: TcpListener, server: Server, signals: Signals, queue: Queue) -> Result<()> {
    let _release = queue.stop_when_dropped();
    // Answers are small and whole: nothing is won by holding back the last packet of one.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!("a connection stays with Nagle's algorithm: {error}");
        }
    });
    let (stopping, watch) = tokio::sync::watch::channel(false);
    let stopped = async move {
        let mut watch = watch;
        // An error says that the sender is gone, which is the end as well.
        let _ = watch.wait_for(|&stopping| stopping).await;
    };
    let served = axum::serve(listener, routes::router(Arc::new(server))).with_graceful_shutdown(stopped);
    tokio::select! {
        served = async { served.await } => served.context("the server cannot take connections any more"),
        ended = stop::stop_in_time(signals, stopping, queue) => ended,
    }
}

async fn listen(host: &str, port: u16) -> Result<TcpListener> {
    TcpListener::bind((host, port)).await.with_context(|| format!("cannot listen on {host} port {port}")).map_err(|error| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        let way_out = match kind {
            Some(io::ErrorKind::AddrInUse) => {
                format!("port {port} of {host} is taken by another program: end that one, or choose another port by --port (0 takes a free one)")
            }
            Some(io::ErrorKind::PermissionDenied) => {
                format!("port {port} needs more rights than this user has: choose one of 1024 or above by --port")
            }
            _ => format!("{host} is no address of this machine: give one by --host (127.0.0.1 for this machine alone, 0.0.0.0 for all its addresses)"),
        };
        error.context(way_out)
    })
}
