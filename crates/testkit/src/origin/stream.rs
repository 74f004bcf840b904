//! One accepted connection, plain or TLS, and the ways to end it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The server's end of a connection.
pub struct SourceStream(Kind);

enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl SourceStream {
    pub(crate) fn plain(socket: TcpStream) -> SourceStream {
        SourceStream(Kind::Plain(socket))
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> SourceStream {
        SourceStream(Kind::Tls(Box::new(stream)))
    }

    fn socket(&self) -> &TcpStream {
        match &self.0 {
            Kind::Plain(socket) => socket,
            Kind::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Ends in order: `close_notify` where there is TLS, then FIN.
    pub async fn finish(mut self) {
        let _ = self.shutdown().await;
    }

    /// Ends with FIN alone: over TLS no `close_notify` goes out.
    pub async fn finish_without_close_notify(mut self) {
        let _ = match &mut self.0 {
            Kind::Plain(socket) => socket.shutdown().await,
            Kind::Tls(stream) => stream.get_mut().0.shutdown().await,
        };
    }

    /// Ends with a TCP reset.
    pub fn reset(self) {
        self.socket().set_zero_linger().expect("an open socket takes its options");
    }

    /// Says nothing more and waits until the peer leaves.
    pub async fn wait_for_peer(mut self) {
        let mut sink = [0; 1024];
        while matches!(self.read(&mut sink).await, Ok(n) if n > 0) {}
    }
}

impl AsyncRead for SourceStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Kind::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for SourceStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Kind::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
