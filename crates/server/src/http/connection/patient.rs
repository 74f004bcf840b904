//! The stream of one client, and how long the server waits for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::hearing::Hearing;

/// How long a client that has its last answer is still listened to.
#[derive(Clone, Copy)]
struct Linger {
    longest: Duration,
    longest_silence: Duration,
    most_bytes: usize,
}

/// The times are nginx's. The bytes are a photo or a short film that somebody posts by mistake: who sends more hears the
/// answer only if it looks before it has sent everything, and nobody gets to fill the line for half a minute.
const LINGER: Linger =
    Linger { longest: Duration::from_secs(30), longest_silence: Duration::from_secs(5), most_bytes: 16 * 1024 * 1024 };

/// A stream whose writes fail when the peer takes no byte for a while: a reader that never reads must not hold its
/// file, its buffers and its place for ever.
///
/// It is closed in two steps where the client may still be sending: who closes a connection with bytes unread resets it,
/// and a client or a proxy that is still sending then loses the answer (RFC 9112 §9.6). So first our half is ended, and
/// what still comes is thrown away until the client has ended its own.
pub(super) struct Patient<S> {
    stream: S,
    patience: Duration,
    hearing: Hearing,
    /// Runs while a write waits for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
    linger: Linger,
    lingering: Option<Lingering>,
}

/// Our half is ended.
struct Lingering {
    until: Instant,
    longest_silence: Duration,
    left_bytes: usize,
    /// Runs while the client is silent.
    silence: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, patience: Duration, hearing: Hearing) -> Patient<S> {
        Patient { stream, patience, hearing, waiting: None, linger: LINGER, lingering: None }
    }

    /// Turns a write that waits too long into an error; any progress starts the wait anew.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Lingering {
    fn begin(Linger { longest, longest_silence, most_bytes }: Linger) -> Lingering {
        let now = Instant::now();
        let silence = Box::pin(sleep_until(now + longest_silence));
        Lingering { until: now + longest, longest_silence, left_bytes: most_bytes, silence }
    }

    /// Throws away what comes, until nothing does or it was too much.
    fn poll(&mut self, context: &mut Context<'_>, mut stream: Pin<&mut impl AsyncRead>, hearing: &Hearing) -> Poll<()> {
        loop {
            let mut scratch = [0; 8 * 1024];
            let mut buffer = ReadBuf::new(&mut scratch);
            match stream.as_mut().poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    hearing.open();
                    let Some(left) = self.left_bytes.checked_sub(buffer.filled().len()) else { return Poll::Ready(()) };
                    self.left_bytes = left;
                    self.silence.as_mut().reset(self.until.min(Instant::now() + self.longest_silence));
                }
                // The client has ended its half, or is gone.
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if hearing.is_open() => return self.silence.as_mut().poll(context),
                Poll::Pending => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.hearing.open();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
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
        let Patient { stream, hearing, linger, lingering, .. } = &mut *self;
        let lingering = match lingering {
            Some(lingering) => lingering,
            None => {
                ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
                lingering.insert(Lingering::begin(*linger))
            }
        };
        lingering.poll(context, Pin::new(stream), hearing).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    const NEVER: Duration = Duration::from_secs(1_000);

    fn linger() -> Linger {
        Linger { longest: NEVER, longest_silence: NEVER, most_bytes: 10_000_000 }
    }

    /// A stream that is being closed while its client may still be sending, and the client's end of it. Gives how long the
    /// closing took.
    fn closing(linger: Linger) -> (JoinHandle<Duration>, DuplexStream) {
        let (client, server) = duplex(64 * 1024);
        let hearing = Hearing::default();
        hearing.open();
        let closing = tokio::spawn(async move {
            let started = Instant::now();
            let mut stream = Patient { linger, ..Patient::new(server, NEVER, hearing) };
            stream.write_all(b"answer").await.unwrap();
            stream.shutdown().await.unwrap();
            started.elapsed()
        });
        (closing, client)
    }

    #[tokio::test]
    async fn a_client_that_goes_on_sending_hears_the_answer_first() {
        let (closing, mut client) = closing(linger());

        client.write_all(&vec![0; 3_000_000]).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        drop(client);

        assert_eq!(answer, "answer");
        closing.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_falls_silent_is_left() {
        let longest_silence = Duration::from_millis(100);
        let (closing, mut client) = closing(Linger { longest_silence, ..linger() });

        client.write_all(b"more").await.unwrap();

        assert!(closing.await.unwrap() >= longest_silence);
    }

    #[tokio::test]
    async fn a_client_that_never_ends_is_left() {
        let longest = Duration::from_millis(200);
        let (closing, mut client) = closing(Linger { longest, ..linger() });

        while client.write_all(b"more").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        assert!(closing.await.unwrap() >= longest);
    }

    #[tokio::test]
    async fn a_client_that_sends_far_too_much_is_left() {
        let (closing, mut client) = closing(Linger { most_bytes: 1_000_000, ..linger() });

        let mut sent = 0;
        while client.write_all(&[0; 1000]).await.is_ok() {
            sent += 1000;
        }

        closing.await.unwrap();
        assert!((1_000_000..1_200_000).contains(&sent), "{sent}");
    }

    #[tokio::test]
    async fn a_client_that_has_said_everything_is_not_waited_for() {
        let (_client, server) = duplex(1024);

        Patient { linger: linger(), ..Patient::new(server, NEVER, Hearing::default()) }.shutdown().await.unwrap();
    }
}
