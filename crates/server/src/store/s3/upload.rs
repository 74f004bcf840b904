//! From the spool to the bucket: one request for a small file, parts for a large one, in bounded memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path as BucketPath;
use object_store::{Attribute, Attributes, MultipartId, ObjectStore as _, PutMultipartOptions, PutOptions, PutPayload};
use tokio::sync::SemaphorePermit;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{Inner, fault};
use crate::id::MediaId;
use crate::store::Spool;
use crate::store::error::StoreError;
use crate::store::key::{CACHE_CONTROL, ObjectMeta};
use crate::store::room::Trace;

/// Up to this size a file goes in one request; a larger one in parts of it.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// S3 takes no more parts than this.
const MAX_PARTS: u64 = 10_000;
/// Parts of one upload on their way at once.
const PARTS_AT_ONCE: usize = 3;
/// What memory for parts is counted in, and how much of it all uploads share: 96 MiB.
pub(super) const UNIT: u64 = 64 * 1024;
pub(super) const UNITS: usize = 96 * 16;

/// Uploads the spool file; the object is there when this returns.
pub(super) async fn upload(
    store: &Inner,
    spool: Spool<'_>,
    id: &MediaId,
    path: &BucketPath,
    meta: &ObjectMeta,
) -> Result<(), StoreError> {
    let operation = || format!("keep media `{id}`");
    let file = Arc::new(spool.file.try_clone().map_err(|error| StoreError::io(operation(), error))?);
    let attributes = attributes_of(meta);
    if spool.size_bytes <= PART_BYTES {
        let part =
            read_part(store, &file, 0, spool.size_bytes).await.map_err(|error| StoreError::io(operation(), error))?;
        let options = PutOptions { attributes, ..PutOptions::default() };
        let put = store.bucket.put_opts(path, PutPayload::from(part.bytes), options).await;
        return put.map(drop).map_err(|error| fault::unavailable_or_failed(operation(), error));
    }

    let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
    let upload = store.bucket.create_multipart_opts(path, options).await;
    let upload = upload.map_err(|error| fault::unavailable_or_failed(operation(), error))?;
    let outcome = match note(store, id, path, &upload).await {
        Ok(()) => upload_parts(store, &file, spool.size_bytes, &operation, path, &upload).await,
        Err(error) => Err(StoreError::io(operation(), error)),
    };
    if outcome.is_err()
        && let Err(error) = abort(store, path, &upload).await
    {
        let error: &(dyn std::error::Error + 'static) = &error;
        warn!(media.id = %id, error, "Could not abort the upload of `{id}`: the next start of soku here tries again");
        return outcome;
    }
    if let Err(error) = store.room.forget(&Trace::Upload(id.clone())) {
        let error: &(dyn std::error::Error + 'static) = &error;
        warn!(media.id = %id, error, "Could not remove the note of an upload that ended");
    }
    outcome
}

async fn upload_parts(
    store: &Inner,
    file: &Arc<File>,
    size_bytes: u64,
    operation: &impl Fn() -> String,
    path: &BucketPath,
    upload: &MultipartId,
) -> Result<(), StoreError> {
    let part_bytes = part_bytes(size_bytes);
    let put_part = |index: u64| async move {
        let start = index * part_bytes;
        let part = read_part(store, file, start, part_bytes.min(size_bytes - start)).await;
        let part = part.map_err(|error| StoreError::io(operation(), error))?;
        let index = usize::try_from(index).expect("there are at most 10,000 parts");
        let put = store.bucket.put_part(path, upload, index, PutPayload::from(part.bytes)).await;
        put.map_err(|error| fault::unavailable_or_failed(operation(), error))
    };
    let parts = stream::iter(0..size_bytes.div_ceil(part_bytes)).map(put_part).buffered(PARTS_AT_ONCE);
    let parts: Vec<PartId> = parts.try_collect().await?;
    let completed = store.bucket.complete_multipart(path, upload, parts).await;
    completed.map(drop).map_err(|error| fault::unavailable_or_failed(operation(), error))
}

/// Parts of equal size (some servers insist), whole MiB, few enough.
fn part_bytes(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(MAX_PARTS).next_multiple_of(1024 * 1024).max(PART_BYTES)
}

/// A piece of the spool in memory, with the leave to be there.
struct Part<'a> {
    bytes: Bytes,
    _memory: SemaphorePermit<'a>,
}

async fn read_part<'a>(store: &'a Inner, file: &Arc<File>, start: u64, len: u64) -> io::Result<Part<'a>> {
    let all = u32::try_from(UNITS).expect("the budget is a small number");
    let units = u32::try_from(len.div_ceil(UNIT)).unwrap_or(all).min(all);
    let memory = store.memory.acquire_many(units).await.expect("nobody closes the semaphore");
    let file = Arc::clone(file);
    let read = spawn_blocking(move || {
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, start).map(|()| bytes)
    });
    let bytes = read.await.map_err(io::Error::other)??;
    Ok(Part { bytes: bytes.into(), _memory: memory })
}

fn attributes_of(meta: &ObjectMeta) -> Attributes {
    Attributes::from_iter([
        (Attribute::ContentType, meta.content_type.clone()),
        (Attribute::ContentDisposition, meta.content_disposition.clone()),
        (Attribute::CacheControl, CACHE_CONTROL.to_owned()),
    ])
}

/// Writes down which upload runs, so that whoever finds this process dead can end it: its parts cost money for ever.
async fn note(store: &Inner, id: &MediaId, path: &BucketPath, upload: &MultipartId) -> io::Result<()> {
    let (room, id, note) = (store.room.clone(), id.clone(), format!("{path}\n{upload}\n"));
    spawn_blocking(move || room.note_upload(&id, &note)).await.map_err(io::Error::other)?
}

async fn abort(store: &Inner, path: &BucketPath, upload: &MultipartId) -> object_store::Result<()> {
    match store.bucket.abort_multipart(path, upload).await {
        // Ended already, one way or the other.
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        outcome => outcome,
    }
}

/// Ends the upload that a note speaks of.
pub(super) async fn abort_noted(store: &Inner, note: &str) -> Result<(), StoreError> {
    let operation = || "abort an upload that was left half done".to_owned();
    // A note that was cut short was followed by no part.
    let Some((path, upload)) = note.strip_suffix('\n').and_then(|note| note.split_once('\n')) else { return Ok(()) };
    let path = BucketPath::parse(path).map_err(|error| StoreError::failed(operation(), error))?;
    abort(store, &path, &upload.to_owned()).await.map_err(|error| fault::unavailable_or_failed(operation(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_and_never_more_than_a_bucket_takes() {
        const GIB: u64 = 1024 * 1024 * 1024;

        for size in [PART_BYTES + 1, 5 * GIB, 79 * GIB, 80 * GIB, 200 * GIB, 5 * 1024 * GIB] {
            let part = part_bytes(size);

            assert!(part >= PART_BYTES && size.div_ceil(part) <= MAX_PARTS, "{size}");
        }
        assert_eq!(part_bytes(5 * GIB), PART_BYTES);
    }
}
