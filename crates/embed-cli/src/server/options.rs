//! What whoever starts the server sets, and what a request may have at most.

use std::time::Duration;

use embedding::EncodeOptions;

/// Texts of one request, and lines. `OpenAI` takes as many; the answer is held in memory whole.
pub(crate) const MAX_TEXTS: usize = 2048;

/// Where the server listens and how much it takes on.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Name or address to listen on.
    pub host: String,
    /// Port; 0 takes any free one.
    pub port: u16,
    /// Names that requests may give besides this machine's own.
    pub allowed_hosts: Vec<String>,
    /// How texts become vectors.
    pub encode: EncodeOptions,
    /// While this many tokens wait, new requests are turned away with 503.
    pub max_queued_tokens: usize,
    /// Largest body of a request.
    pub max_body_bytes: usize,
    /// Bytes of bodies and answers that are held together; what suits the largest request where there
    /// is none.
    pub max_held_bytes: Option<usize>,
    /// Connections that are open together; as many as the process may open files, up to 1024, where
    /// there is none.
    pub max_connections: Option<usize>,
    /// How long a client is waited for.
    pub patience: Patience,
}

/// How long the server waits for a client.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request, from its first byte or the connection's beginning.
    pub head: Duration,
    /// For the next request on a connection.
    pub idle: Duration,
    /// For the whole body of a request.
    pub body: Duration,
    /// For a client to take any part of its answer.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_mins(1),
            write: Duration::from_secs(20),
        }
    }
}
