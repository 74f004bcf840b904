//! The accept loop: one task a connection, each with its patience, all of them ended in order.

mod hearing;
mod patient;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::http::door::Door;
use crate::metrics::OpenConnection;
use hearing::Hearing;
use patient::Patient;

/// A head that is larger than the limit by up to this much still becomes a request, and is refused by the door in the API's
/// words; what is larger yet is answered a bare 431 by the HTTP library.
const HEAD_BEYOND_BYTES: usize = 16 * 1024;

/// How much of its answers a connection leaves with the kernel before it is sent. Left to itself the kernel takes some MB for each,
/// and asks for more only when a third of that is gone: a thousand slow readers held GBs, and each was taken for one who takes
/// nothing.
const UNSENT_BYTES: u32 = 128 * 1024;

/// How the server treats its connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// The largest request head, in bytes; more is answered 431.
    pub max_head_bytes: usize,
    /// How long a client may take to send a request head, the wait between two requests included.
    pub head_timeout: Duration,
    /// How long a client may take no byte of an answer.
    pub send_timeout: Duration,
    /// Connections open at once; the next one waits in the listener's queue.
    pub max_connections: usize,
}

/// Serves what is behind `door` on `listener` until `stop` is cancelled; then no connection is accepted, idle ones are closed, and
/// those with a request under way get at most `grace` to finish it.
pub async fn serve(
    listener: TcpListener,
    door: Door,
    settings: ConnectionSettings,
    stop: CancellationToken,
    grace: Duration,
) {
    // What is accepted here inherits it.
    if let Err(error) = SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT_BYTES) {
        warn!("Could not set TCP_NOTSENT_LOWAT: {error}");
    }
    let (door, graceful) = (Arc::new(door), GracefulShutdown::new());
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let mut is_refused = false;
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place.expect("the semaphore is never closed"),
            () = stop.cancelled() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => {
                    is_refused = false;
                    accepted
                }
                Err(error) => {
                    // Mostly «too many open files»: waiting lets connections end, asking again at once burns a core, and
                    // one line tells it.
                    if !std::mem::replace(&mut is_refused, true) {
                        warn!("Could not accept a connection: {error}");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!("Could not set TCP_NODELAY: {error}");
        }
        let hearing = Hearing::default();
        let stream = Patient::new(stream, settings.send_timeout, hearing.clone());
        let door = Arc::clone(&door);
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let (door, hearing) = (Arc::clone(&door), hearing.clone());
            async move {
                let (request, rest) = hearing.of(request);
                let mut answer = door.pass(peer.ip(), request).await;
                rest.end_with(&mut answer).await;
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // A client that ended its half has said all it wants to say, and still listens. One that is gone is noticed when
            // an answer is written.
            .half_close(true)
            .header_read_timeout(settings.head_timeout)
            .max_buf_size(settings.max_head_bytes.saturating_add(HEAD_BEYOND_BYTES))
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        let open = OpenConnection::count();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(client.address = %peer, "A connection ended early: {error}");
            }
            drop((open, place));
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        warn!("Connections were still busy after the grace period and are closed");
    }
}
