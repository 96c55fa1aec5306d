//! Takes connections and lets `hyper` speak HTTP over each, until the server stops.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::watch;

use super::connections::{ConnectionSlot, Connections};
use super::routes::Peer;
use super::socket::Socket;

/// What `hyper` holds of a connection before it is read by us; a head must fit.
const BUFFER_BYTES: usize = 16 << 10;
/// What the kernel holds of a connection each way, twice. It would take up to 6 MiB by itself.
const SOCKET_BYTES: u32 = 256 << 10;
/// Connections that the kernel holds until they are taken.
const BACKLOG: u32 = 1024;
/// How long to wait where the system has no descriptor or memory for a connection.
const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// Listens on `port` of the first address of `host` that this machine has.
///
/// # Errors
/// Where there is none, with the way out.
pub(crate) async fn listen(host: &str, port: u16) -> Result<TcpListener> {
    bind(host, port).await.map_err(|error| {
        let way_out = way_out(error.kind(), host, port);
        anyhow::Error::new(error)
            .context(format!("cannot listen on {host} port {port}"))
            .context(way_out)
    })
}

async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    // Connections that are taken have the buffers of the socket that they were taken on.
    socket.set_send_buffer_size(SOCKET_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn way_out(kind: io::ErrorKind, host: &str, port: u16) -> String {
    match kind {
        io::ErrorKind::AddrInUse => format!(
            "port {port} of {host} is taken by another program: end that one, or choose another port by --port (0 \
             takes a free one)"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("port {port} needs more rights than this user has: choose one of 1024 or above by --port")
        }
        _ => format!(
            "{host} is no address of this machine: give one by --host (127.0.0.1 for this machine alone, 0.0.0.0 for \
             all its addresses)"
        ),
    }
}

/// Takes connections until `stopping` says so, then lets those that are open end.
pub(crate) async fn take_connections(
    listener: TcpListener,
    router: Router,
    connections: Arc<Connections>,
    mut stopping: watch::Receiver<bool>,
) {
    let stopped = stopping.clone();
    let take = async {
        loop {
            let stream = accept(&listener, &connections).await;
            let place = connections.place().await;
            tokio::spawn(serve(stream, place, router.clone(), stopped.clone()));
        }
    };
    tokio::select! {
        () = take => (),
        () = stop(&mut stopping) => (),
    }
}

async fn stop(stopping: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, which is the end as well.
    let _ = stopping.wait_for(|&stopping| stopping).await;
}

/// The next connection. Errors of one connection, or of a system that is short of descriptors, do not
/// end the server.
async fn accept(listener: &TcpListener, connections: &Connections) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!("cannot take a connection: {error}; the longest waiting one is closed");
                connections.make_room();
                tokio::time::sleep(OUT_OF_FILES).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Answers the requests of one connection, until it ends or is closed.
async fn serve(
    stream: TcpStream,
    place: ConnectionSlot,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are small and whole: nothing is won by holding back the last packet of one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("a connection stays with Nagle's algorithm: {error}");
    }
    let connection = Arc::clone(place.connection());
    let peer = Peer {
        connection: Arc::clone(&connection),
        // Without an address no request passes that names this machine by it.
        local: stream.local_addr().ok().map(|address| address.ip()),
    };
    let router = TowerToHyperService::new(router);
    let answer = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request)
    });
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&connection)));
    // Heads and idle connections are timed by `Connections`, which also closes them to make room.
    let http = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(socket, answer);
    let mut http = pin!(http);
    let ended = tokio::select! {
        ended = http.as_mut() => ended,
        () = connection.closing() => return,
        () = stop(&mut stopping) => {
            http.as_mut().graceful_shutdown();
            tokio::select! {
                ended = http => ended,
                () = connection.closing() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection broke: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_of_one_connection_is_taken_for_one_of_the_system() {
        assert!(is_of_one_connection(&io::ErrorKind::ConnectionAborted.into()));
        // EMFILE.
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(24)));
    }
}
