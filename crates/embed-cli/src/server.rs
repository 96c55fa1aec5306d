//! `tenk-embed serve`: vectors over HTTP, to the clients of `SageMaker`, of `OpenAI` and to `curl`.
//!
//! HTTP has threads of its own. The model stays on the thread that calls [`serve`] and takes its
//! work from a bounded queue (`batching`). `accept` takes connections, `connections` closes those that
//! keep the server waiting, `routes` says what is asked and answered, and `budget` what of it is held.

mod accept;
mod answers;
mod batching;
mod body;
mod budget;
mod connection;
mod connections;
mod error;
mod hosts;
mod info;
mod json;
mod limits;
mod media_type;
mod metrics;
mod options;
mod requests;
mod routes;
mod socket;
mod stop;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use embedding::EmbeddingModel;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use self::batching::{Queue, Work};
use self::body::BodyLimits;
use self::budget::Budget;
use self::connections::Connections;
use self::hosts::Hosts;
use self::limits::Limits;
use self::metrics::Metrics;
pub use self::options::{Patience, ServerOptions};
use self::routes::Server;
use self::stop::Signals;

/// Threads that read and write HTTP; the model's are apart from them.
const HTTP_THREADS: usize = 2;
/// Threads that unpack and parse bodies, turn texts into tokens and write answers.
const WORK_THREADS: usize = 2;

/// Serves `model` until SIGTERM or SIGINT, then answers what it has accepted and returns.
/// `listening` hears the address once connections are taken.
///
/// # Errors
/// Where a limit cannot hold, the address cannot be listened on, the model's folder cannot be read any
/// more, or a second signal ended the wait for the last answers.
pub fn serve(
    model: &EmbeddingModel,
    options: &ServerOptions,
    listening: impl FnOnce(SocketAddr) -> Result<()>,
) -> Result<()> {
    let limits = Limits::new(options, model.dimension())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(HTTP_THREADS)
        .max_blocking_threads(WORK_THREADS)
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    let (http, work, address) = runtime.block_on(start(model, options, limits))?;
    let http = runtime.spawn(http.run());
    listening(address)?;
    work.run(options.encode.max_batch_tokens, |sequences| {
        model.encode_sequences(sequences, options.encode)
    });
    let ended = runtime.block_on(http);
    // Connections that never sent a whole request would hold it up.
    runtime.shutdown_background();
    ended.context("the server failed")?
}

/// Listens, and puts the parts of the server together.
async fn start(
    model: &EmbeddingModel,
    options: &ServerOptions,
    limits: Limits,
) -> Result<(Http, Work, SocketAddr)> {
    let listener = accept::listen(&options.host, options.port).await?;
    let address = listener.local_addr().context("the socket has no address")?;
    let metrics = Arc::new(Metrics::new()?);
    let (queue, work) = batching::queue(options.max_queued_tokens, Arc::clone(&metrics));
    let connections = Arc::new(Connections::new(limits.connections, Arc::clone(&metrics)));
    let server = Server {
        sequencer: model.sequencer(),
        queue: queue.clone(),
        metrics,
        connections: Arc::clone(&connections),
        budget: Budget::new(limits.held_bytes),
        requests: Semaphore::new(limits.max_requests()),
        hosts: Hosts::new(&options.host, address.ip(), &options.allowed_hosts),
        body_limits: BodyLimits {
            max_bytes: limits.body_bytes,
            time: options.patience.body,
        },
        info: info::info(model)?,
        model_name: info::name(model),
        dimension: model.dimension(),
    };
    let http = Http {
        listener,
        router: routes::router(Arc::new(server)),
        connections,
        signals: Signals::new()?,
        queue,
        patience: options.patience,
    };
    Ok((http, work, address))
}

/// What takes connections and answers on them.
struct Http {
    listener: TcpListener,
    router: Router,
    connections: Arc<Connections>,
    signals: Signals,
    queue: Queue,
    patience: Patience,
}

impl Http {
    /// Answers until a signal; lets the model's thread go, however it ends.
    async fn run(self) -> Result<()> {
        let _release = self.queue.stop_when_dropped();
        let (stopping, watch) = watch::channel(false);
        let taking =
            accept::take_connections(self.listener, self.router, Arc::clone(&self.connections), watch);
        tokio::spawn(taking);
        tokio::select! {
            () = self.connections.close_overdue(self.patience) => Ok(()),
            ended = stop::stop_in_time(self.signals, stopping, &self.queue, &self.connections) => ended,
        }
    }
}
