//! Objects as files beside the spool: kept by a link, read through the page cache.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, access};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tracing::{Span, info_span};

use super::Spool;
use super::body::{StoredObject, read_whole};
use super::cache::SmallObjects;
use super::data::DataDir;
use super::error::StoreError;
use super::kept::Kept;
use super::key::{ObjectKey, local_path, shards};
use super::room::Room;
use super::sync::sync_dir;
use crate::id::MediaId;
use crate::telemetry::traces::STEPS;

/// How the name of a link ends that was only tried.
pub(super) const TRIAL: &str = ".try";

/// What can be set about the local store.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// Memory for whole small objects (up to 256 KiB each).
    pub cache_bytes: usize,
}

impl Default for LocalSettings {
    fn default() -> LocalSettings {
        LocalSettings { cache_bytes: 64 * 1024 * 1024 }
    }
}

/// Objects in `<data>/media`; cheap to clone.
#[derive(Clone, Debug)]
pub struct LocalStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    media: PathBuf,
    room: Room,
    small: SmallObjects,
}

impl LocalStore {
    /// Opens the store: makes all its directories, durably, so that a later link needs the `fsync` of one alone; and
    /// tries that a file can be linked from the room into it. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where the file system cannot do that.
    pub fn open(data: &DataDir, room: Room, settings: &LocalSettings) -> Result<LocalStore, StoreError> {
        let media = data.media();
        make_shards(&media)
            .map_err(|error| StoreError::io(format!("make the directories in `{}`", media.display()), error))?;
        try_to_link(&room, &media)?;
        Ok(LocalStore(Arc::new(Inner { media, room, small: SmallObjects::new(settings.cache_bytes) })))
    }

    pub(super) fn room(&self) -> &Room {
        &self.0.room
    }

    pub(super) async fn keep(&self, spool: Spool<'_>, key: &ObjectKey) -> Result<Kept, StoreError> {
        let operation = || format!("keep media `{}`", key.id());
        let object = self.path_of(key.id())?;
        let file = spool.file.try_clone().map_err(|error| StoreError::io(operation(), error))?;
        let kept = Kept::unsettled(self.0.room.clone(), key.id().clone());
        let (store, path, made) = (Arc::clone(&self.0), spool.path.to_owned(), object.clone());
        // The name in the room becomes durable beside the bytes: neither needs the other. It is begun first, and the
        // pool begins in order, so whoever waits for it below never holds the thread that it needs.
        let room = self.0.room.clone();
        let named = spawn_blocking(move || room.sync());
        // The rest in one hop: an import costs one thread for the time of its syncs, and many overlap theirs.
        let (runtime, step) = (Handle::current(), Span::current());
        let outcome = spawn_blocking(move || {
            step.in_scope(|| {
                info_span!(target: STEPS, "sync").in_scope(|| {
                    let written = file.sync_all();
                    runtime.block_on(named).map_err(io::Error::other).flatten()?;
                    written
                })?;
                store.link_durably(&file, &path, &object)
            })
        })
        .await;
        match outcome.map_err(io::Error::other).flatten() {
            Ok(()) => Ok(kept),
            Err(error) => {
                if matches!(made.try_exists(), Ok(false)) {
                    kept.nothing_left();
                }
                Err(StoreError::io(operation(), error))
            }
        }
    }

    pub(super) async fn open_object(&self, key: &ObjectKey, size_bytes: u64) -> Result<StoredObject, StoreError> {
        let id = key.id();
        if let Some(bytes) = self.0.small.find(id) {
            // Another process may have deleted it.
            if self.has(id) {
                return Ok(StoredObject::memory(bytes));
            }
            self.0.small.forget(id);
        }
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing { id: id.to_string() },
            _ => StoreError::io(format!("open media `{id}`"), error),
        };
        let file = File::open(self.path_of(id)?).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found != size_bytes {
            let length = format!("the file has {found} bytes, its row says {size_bytes}");
            return Err(StoreError::failed(format!("open media `{id}`"), length));
        }
        match SmallObjects::len_of(size_bytes) {
            Some(len) => {
                let bytes = read_whole(file, len).await.map_err(failed)?;
                self.0.small.remember(id, &bytes);
                Ok(StoredObject::memory(bytes))
            }
            None => Ok(StoredObject::file(file, size_bytes)),
        }
    }

    pub(super) async fn delete(&self, id: &MediaId) -> Result<bool, StoreError> {
        let object = self.path_of(id)?;
        self.0.small.forget(id);
        let outcome = spawn_blocking(move || remove_durably(&object)).await;
        outcome
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| StoreError::io(format!("delete media `{id}`"), error))
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let media = self.0.media.clone();
        let outcome = spawn_blocking(move || access(&media, Access::WRITE_OK | Access::EXEC_OK)).await;
        let failed = |error: io::Error| StoreError::Unavailable {
            operation: format!("write to `{}`", self.0.media.display()),
            source: error.into(),
        };
        outcome.map_err(io::Error::other).and_then(|done| Ok(done?)).map_err(failed)
    }

    /// Asked for every delivery, and on its thread: the name of a file in use is in memory.
    pub(super) fn has(&self, id: &MediaId) -> bool {
        self.path_of(id).is_ok_and(|path| access(&path, Access::EXISTS).is_ok())
    }

    fn path_of(&self, id: &MediaId) -> Result<PathBuf, StoreError> {
        local_path(&self.0.media, id).map_err(|refused| StoreError::failed(format!("find media `{id}`"), refused))
    }
}

impl Inner {
    /// Links a file whose bytes, and whose name in the room, are durable: whatever is left of the link is explained by
    /// what was before it. On failure nothing is left.
    fn link_durably(&self, file: &File, spool: &Path, object: &Path) -> io::Result<()> {
        let shard = object.parent().expect("an object's path has the shard directory before its name");
        let _linking = info_span!(target: STEPS, "link").entered();
        let linked = match fs::hard_link(spool, object) {
            // Somebody tidied up by hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !shard.exists() => {
                make_shards(&self.media).and_then(|()| fs::hard_link(spool, object))
            }
            // Kept by this very file before: then only the last step may be missing.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_same_file(file, object) => {
                return sync_dir(shard);
            }
            linked => linked,
        };
        linked?;
        sync_dir(shard).inspect_err(|_| {
            let _ = fs::remove_file(object);
        })
    }
}

fn is_same_file(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(one), Ok(other)) => identity(one) == identity(other),
        _ => false,
    }
}

/// Removes an object; says whether there was one.
fn remove_durably(object: &Path) -> io::Result<bool> {
    match fs::remove_file(object) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        outcome => outcome?,
    }
    object.parent().map_or(Ok(()), sync_dir)?;
    Ok(true)
}

/// Makes the media directory and all that is directly in it. The syncs are not left out where all is there already:
/// another process may have made it a moment ago.
fn make_shards(media: &Path) -> io::Result<()> {
    let make = |path: &Path| match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    };
    make(media)?;
    shards().try_for_each(|shard| make(&media.join(shard)))?;
    sync_dir(media)?;
    media.parent().map_or(Ok(()), sync_dir)
}

/// Some mounts cannot: better known at the start than at the first upload.
fn try_to_link(room: &Room, media: &Path) -> Result<(), StoreError> {
    let id = MediaId::random();
    let (from, to) = (room.spool_path(&id), media.join(format!("{id}{TRIAL}")));
    let outcome = File::create_new(&from).and_then(|_| fs::hard_link(&from, &to));
    for trial in [&from, &to] {
        let _ = fs::remove_file(trial);
    }
    // Those that crashes left; one of a process that is trying now has served already.
    for left in fs::read_dir(media).into_iter().flatten().flatten() {
        if left.file_name().as_encoded_bytes().ends_with(TRIAL.as_bytes()) {
            let _ = fs::remove_file(left.path());
        }
    }
    outcome.map_err(|error| {
        let places = format!("link a file from `{}` into `{}`", room.path().display(), media.display());
        StoreError::io(format!("{places} (both must lie on one file system that has hard links)"), error)
    })
}
