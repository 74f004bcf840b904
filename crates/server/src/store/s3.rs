//! Objects in an S3 bucket, under the very path of their hosted URL.

mod fault;
mod settings;
mod upload;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::path::Path as BucketPath;
use object_store::{GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

pub use settings::{S3Settings, S3UrlError};

use super::Spool;
use super::body::StoredObject;
use super::cache::SmallObjects;
use super::error::StoreError;
use super::kept::Kept;
use super::key::{KeyRefused, ObjectKey, ObjectMeta, bucket_folder};
use super::room::Room;
use crate::id::MediaId;

/// A readiness probe wants an answer sooner than an upload does.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Objects in a bucket; cheap to clone.
#[derive(Clone)]
pub struct S3Store(Arc<Inner>);

struct Inner {
    bucket: AmazonS3,
    prefix: BucketPath,
    room: Room,
    small: SmallObjects,
    /// Memory for parts on their way to the bucket, in units of [`upload::UNIT`].
    memory: Semaphore,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `AmazonS3` would print its credentials.
        write!(formatter, "S3Store({} /{})", self.0.bucket, self.0.prefix)
    }
}

impl S3Store {
    /// A store in the bucket that the settings name. Asks nothing of it yet: see [`super::Store::ping`].
    ///
    /// # Errors
    /// [`StoreError::Failed`] where the settings make no client.
    pub fn open(settings: &S3Settings, room: Room) -> Result<S3Store, StoreError> {
        let bucket = settings.client().map_err(|error| StoreError::failed("set up the S3 client", error))?;
        Ok(S3Store(Arc::new(Inner {
            bucket,
            prefix: settings.prefix.clone(),
            room,
            small: SmallObjects::new(settings.cache_bytes),
            memory: Semaphore::new(upload::UNITS),
        })))
    }

    pub(super) fn room(&self) -> &Room {
        &self.0.room
    }

    pub(super) async fn keep(&self, spool: Spool<'_>, key: &ObjectKey, meta: &ObjectMeta) -> Result<Kept, StoreError> {
        let path = key.bucket_path(&self.0.prefix).map_err(refused("keep", key.id()))?;
        // Whether a request that failed was carried out all the same is not known here: the sweep finds out.
        let kept = Kept::unsettled(self.0.room.clone(), key.id().clone());
        // The name in the room first: after a crash it is all that tells of the object.
        let room = self.0.room.clone();
        let synced = spawn_blocking(move || room.sync()).await.map_err(io::Error::other).flatten();
        if let Err(error) = synced {
            kept.nothing_left();
            return Err(StoreError::io(format!("keep media `{}`", key.id()), error));
        }
        upload::upload(&self.0, spool, key.id(), &path, meta).await?;
        Ok(kept)
    }

    pub(super) async fn open_object(&self, key: &ObjectKey, size_bytes: u64) -> Result<StoredObject, StoreError> {
        let id = key.id();
        if let Some(bytes) = self.0.small.find(id) {
            return Ok(StoredObject::memory(bytes));
        }
        let path = key.bucket_path(&self.0.prefix).map_err(refused("open", id))?;
        let object = S3Object { store: self.clone(), id: id.clone(), path, size_bytes };
        let Some(len) = SmallObjects::len_of(size_bytes) else { return Ok(StoredObject::s3(object)) };
        let mut bytes = Vec::with_capacity(len);
        let mut chunks = object.read(0..size_bytes);
        while let Some(chunk) = chunks.try_next().await? {
            bytes.extend_from_slice(&chunk);
        }
        let bytes = Bytes::from(bytes);
        self.0.small.remember(id, &bytes);
        Ok(StoredObject::memory(bytes))
    }

    pub(super) async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        let path = key.bucket_path(&self.0.prefix).map_err(refused("delete", key.id()))?;
        self.0.small.forget(key.id());
        self.delete_path(&path, key.id()).await
    }

    pub(super) async fn delete_all_of(&self, id: &MediaId) -> Result<bool, StoreError> {
        let folder = bucket_folder(&self.0.prefix, id).map_err(refused("delete", id))?;
        self.0.small.forget(id);
        let mut found = self.0.bucket.list(Some(&folder));
        let mut existed = false;
        while let Some(object) = found.next().await {
            let object = object.map_err(|error| fault::unavailable_or_failed(format!("find media `{id}`"), error))?;
            self.delete_path(&object.location, id).await?;
            existed = true;
        }
        Ok(existed)
    }

    async fn delete_path(&self, path: &BucketPath, id: &MediaId) -> Result<(), StoreError> {
        match self.0.bucket.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault::classify(format!("delete media `{id}`"), id, error)),
        }
    }

    pub(super) async fn abort_upload(&self, note: &str) -> Result<(), StoreError> {
        upload::abort_noted(&self.0, note).await
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let operation = || format!("list the bucket of {}", self.0.bucket);
        let one = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let prefix = (!self.0.prefix.is_root()).then(|| format!("{}/", self.0.prefix));
        match tokio::time::timeout(PING_TIMEOUT, self.0.bucket.list_paginated(prefix.as_deref(), one)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(fault::unavailable_or_failed(operation(), error)),
            Err(late) => Err(StoreError::Unavailable { operation: operation(), source: late.into() }),
        }
    }
}

fn refused(verb: &'static str, id: &MediaId) -> impl FnOnce(KeyRefused) -> StoreError {
    let operation = format!("{verb} media `{id}`");
    move |refused| StoreError::failed(operation, refused)
}

/// An object that is there by its row.
#[derive(Clone, Debug)]
pub(super) struct S3Object {
    store: S3Store,
    id: MediaId,
    path: BucketPath,
    size_bytes: u64,
}

/// Where a read stands.
struct Reading {
    object: S3Object,
    at: u64,
    end: u64,
    answer: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// Whether the current answer has brought anything.
    moved: bool,
}

impl S3Object {
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The bytes of `range`, as they come. A bucket may hang up on a reader whose client is slow: then the rest is
    /// asked for, as long as each answer brings something. An object never changes, so the pieces fit.
    pub(super) fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, StoreError>> {
        let start = Reading { object: self.clone(), at: range.start, end: range.end, answer: None, moved: false };
        stream::try_unfold(start, async |mut reading| Ok(reading.next().await?.map(|bytes| (bytes, reading)))).boxed()
    }

    async fn ask(&self, range: Range<u64>) -> Result<BoxStream<'static, object_store::Result<Bytes>>, StoreError> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let answer = self.store.0.bucket.get_opts(&self.path, options).await;
        let answer = answer.map_err(|error| self.failed(error))?;
        if answer.meta.size != self.size_bytes {
            let length = format!("the object has {} bytes, its row says {}", answer.meta.size, self.size_bytes);
            return Err(StoreError::failed(format!("read media `{}`", self.id), length));
        }
        Ok(answer.into_stream())
    }

    fn failed(&self, error: object_store::Error) -> StoreError {
        fault::classify(format!("read media `{}`", self.id), &self.id, error)
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while self.at < self.end {
            let answer = match &mut self.answer {
                Some(answer) => answer,
                None => self.answer.insert(self.object.ask(self.at..self.end).await?),
            };
            match answer.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    self.moved = true;
                    self.at += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Some(Err(_)) | None if self.moved => (self.answer, self.moved) = (None, false),
                Some(Err(error)) => return Err(self.object.failed(error)),
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}
