//! A connection in memory that brings an answer in pieces, and then hangs up or says no more.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::plan::{Plan, Sent};

pub(super) struct Source {
    pieces: VecDeque<Vec<u8>>,
    stays_open: bool,
    /// Nothing is there yet, but will be at once: so the reader is called again between any two pieces.
    is_ready: bool,
}

impl Source {
    pub(super) fn of(sent: &Sent, plan: &Plan<'_>) -> Source {
        let pieces = plan.pieces(&sent.wire).into_iter().map(<[u8]>::to_vec).collect();
        Source { pieces, stays_open: sent.stays_open, is_ready: false }
    }

    /// The coded body alone, with a length and in one piece.
    pub(super) fn plain(plan: &Plan<'_>, coded: &[u8]) -> Source {
        let encoding = plan.content_encoding();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n", coded.len());
        Source { pieces: [[head.as_bytes(), coded].concat()].into(), stays_open: false, is_ready: false }
    }
}

impl AsyncRead for Source {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.is_ready = !self.is_ready;
        let Source { pieces, stays_open, is_ready } = &mut *self;
        match pieces.front_mut() {
            None if *stays_open => return Poll::Pending,
            None => {}
            Some(_) if !*is_ready => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(piece) => {
                let after = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(piece);
                *piece = after;
                if piece.is_empty() {
                    pieces.pop_front();
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Source {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
