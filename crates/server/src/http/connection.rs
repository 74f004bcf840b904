//! The accept loop: one task a connection, each with its patience, all of them ended in order.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::http::door::Door;

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
    let (door, graceful) = (Arc::new(door), GracefulShutdown::new());
    let places = Arc::new(Semaphore::new(settings.max_connections));
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place.expect("the semaphore is never closed"),
            () = stop.cancelled() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Mostly «too many open files»: waiting lets connections end, asking again at once burns a core.
                    warn!("Could not accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!("Could not set TCP_NODELAY: {error}");
        }
        let door = Arc::clone(&door);
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let door = Arc::clone(&door);
            async move { Ok::<_, Infallible>(door.pass(peer.ip(), request.map(Body::new)).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // A client that ended its half has said all it wants to say, and still listens. One that is gone is noticed when
            // an answer is written.
            .half_close(true)
            .header_read_timeout(settings.head_timeout)
            .max_buf_size(settings.max_head_bytes.max(8 * 1024))
            .serve_connection(TokioIo::new(Patient::new(stream, settings.send_timeout)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(client.address = %peer, "A connection ended early: {error}");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        warn!("Connections were still busy after the grace period and are closed");
    }
}

/// A stream whose writes fail when the peer takes no byte for a while: a reader that never reads must not hold its
/// file, its buffers and its place for ever.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, patience: Duration) -> Patient {
        Patient { stream, patience, waiting: None }
    }

    /// Turns a write that waits too long into an error; any progress starts the wait anew.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + patience)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
