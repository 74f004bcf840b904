//! An opened object, and its bytes as an HTTP body: ranges in chunks, with back-pressure, in flat memory.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream as _;
use futures_util::stream::BoxStream;
use http_body::{Body, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::{JoinHandle, spawn_blocking};

use super::buffer::{Buffer, chunk_len};
use super::error::StoreError;
use super::s3::S3Object;

/// An object that can be read, any number of times and ranges of it.
#[derive(Clone, Debug)]
pub struct StoredObject {
    source: Source,
    size_bytes: u64,
}

#[derive(Clone, Debug)]
enum Source {
    Memory(Bytes),
    File(Arc<File>),
    S3(S3Object),
}

impl StoredObject {
    pub(super) fn memory(bytes: Bytes) -> StoredObject {
        let size_bytes = bytes.len() as u64;
        StoredObject { source: Source::Memory(bytes), size_bytes }
    }

    pub(super) fn file(file: File, size_bytes: u64) -> StoredObject {
        StoredObject { source: Source::File(Arc::new(file)), size_bytes }
    }

    pub(super) fn s3(object: S3Object) -> StoredObject {
        let size_bytes = object.size_bytes();
        StoredObject { source: Source::S3(object), size_bytes }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The bytes of `range`, which is cut to what there is. Nothing is read before the body is polled.
    #[must_use]
    pub fn body(&self, range: Range<u64>) -> ObjectBody {
        let end = range.end.min(self.size_bytes);
        let start = range.start.min(end);
        let bytes = match &self.source {
            Source::Memory(all) => {
                let within = "a range of an object in memory is cut to its length";
                let [start, end] = [start, end].map(|at| usize::try_from(at).expect(within));
                Reading::Memory(all.slice(start..end))
            }
            Source::File(file) => Reading::File(FileReading { file: Arc::clone(file), at: start, end, waiting: None }),
            Source::S3(object) => Reading::S3(object.read(start..end)),
        };
        ObjectBody { first: None, left: end - start, bytes }
    }
}

/// A range of an object on its way out. Ends with exactly the bytes of the range, or with an error.
pub struct ObjectBody {
    first: Option<Bytes>,
    /// What is still to come, `first` included.
    left: u64,
    bytes: Reading,
}

enum Reading {
    Memory(Bytes),
    File(FileReading),
    S3(BoxStream<'static, Result<Bytes, StoreError>>),
}

impl ObjectBody {
    /// Reads the first chunk now, so that a store that fails is an error before the head of an answer goes out.
    ///
    /// # Errors
    /// Whatever the first read meets.
    pub async fn primed(mut self) -> Result<ObjectBody, StoreError> {
        if self.first.is_none() && self.left > 0 {
            self.first = Some(std::future::poll_fn(|context| self.poll_chunk(context)).await?);
        }
        Ok(self)
    }

    /// The next chunk of a body that has bytes left; never empty.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, StoreError>> {
        let chunk = match &mut self.bytes {
            Reading::Memory(bytes) => std::mem::take(bytes),
            Reading::File(file) => {
                ready!(file.poll_chunk(context)).map_err(|error| StoreError::io("read an object", error))?
            }
            Reading::S3(stream) => loop {
                match ready!(Pin::new(&mut *stream).poll_next(context)) {
                    Some(Ok(chunk)) if chunk.is_empty() => {}
                    Some(chunk) => break chunk?,
                    None => break Bytes::new(),
                }
            },
        };
        if chunk.is_empty() || chunk.len() as u64 > self.left {
            let length =
                io::Error::new(io::ErrorKind::UnexpectedEof, "the object has not the length that its row says");
            return Poll::Ready(Err(StoreError::failed("read an object", length)));
        }
        Poll::Ready(Ok(chunk))
    }
}

impl Body for ObjectBody {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = match self.first.take() {
            Some(chunk) => Ok(chunk),
            None => ready!(self.poll_chunk(context)),
        };
        // After an error there is no more.
        self.left = chunk.as_ref().map_or(0, |chunk| self.left - chunk.len() as u64);
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A range of a file. What the page cache has is read in place, which costs less than a hop to another thread; what must
/// come from the disk is read on the blocking pool, a chunk at a time.
struct FileReading {
    file: Arc<File>,
    at: u64,
    end: u64,
    waiting: Option<JoinHandle<io::Result<Buffer>>>,
}

impl FileReading {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut waiting = match self.waiting.take() {
            Some(waiting) => waiting,
            None => {
                let mut buffer = Buffer::lend(chunk_len(self.end - self.at));
                if let Some(len) = read_cached(&self.file, buffer.as_mut(), self.at)? {
                    self.at += len as u64;
                    return Poll::Ready(Ok(buffer.into_bytes(len)));
                }
                let (file, at) = (Arc::clone(&self.file), self.at);
                spawn_blocking(move || file.read_exact_at(buffer.as_mut(), at).map(|()| buffer))
            }
        };
        let Poll::Ready(read) = Pin::new(&mut waiting).poll(context) else {
            self.waiting = Some(waiting);
            return Poll::Pending;
        };
        let buffer = read.map_err(io::Error::other)??;
        let len = buffer.as_ref().len();
        self.at += len as u64;
        Poll::Ready(Ok(buffer.into_bytes(len)))
    }
}

/// Reads what the page cache has at `at`; `None` where the disk must be asked. The end of the file reads as no bytes.
fn read_cached(file: &File, buffer: &mut [u8], at: u64) -> io::Result<Option<usize>> {
    loop {
        match preadv2(file, &mut [IoSliceMut::new(buffer)], at, ReadWriteFlags::NOWAIT) {
            Ok(len) => return Ok(Some(len)),
            Err(Errno::INTR) => {}
            // Not cached; or a file system, or a kernel, that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads a whole file of `len` bytes, in place if it is cached.
pub(super) async fn read_whole(file: File, len: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; len];
    if read_cached(&file, &mut bytes, 0)? != Some(len) {
        let read = spawn_blocking(move || file.read_exact_at(&mut bytes, 0).map(|()| bytes));
        bytes = read.await.map_err(io::Error::other)??;
    }
    Ok(bytes.into())
}
