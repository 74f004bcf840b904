//! A process's own spool directory, locked while it lives, and what the dead left in theirs.
//!
//! Every file in a room is a trace of work: `<id>` a download, `<id>.gone` an object to be deleted unless a row says
//! otherwise, `<id>.upload` a multipart upload that runs. So a sweep need not list the store.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions, ReadDir, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::data::{DataDir, open_lock};
use super::sync::{SharedDir, sync_dir};
use crate::id::{MediaId, OwnerId};

const LOCK: &str = "lock";
const ENTER_TRIES: usize = 1_000;
const ENTER_PAUSE: Duration = Duration::from_millis(1);

/// This process's spool directory; cheap to clone. It is left when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    owner: OwnerId,
    path: PathBuf,
    dir: SharedDir,
    /// What this process marked as gone, and when: the time of a file is the wall clock's, which can be set.
    gone: Mutex<HashMap<MediaId, Instant>>,
    _lock: File,
}

/// A failure in a spool directory.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation} `{path}`")]
pub struct RoomError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// One file in a room.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trace {
    /// A download, perhaps linked into the store already.
    Spool(MediaId),
    /// An object that goes unless it has a row.
    Gone(MediaId),
    /// The note of a multipart upload.
    Upload(MediaId),
    /// Nothing that names an object.
    Litter(PathBuf),
}

impl Room {
    /// Makes and locks the room of `owner`, which must be an id that no process had before.
    ///
    /// # Errors
    /// [`RoomError`], with the path.
    pub fn enter(data: &DataDir, owner: OwnerId) -> Result<Room, RoomError> {
        let path = data.spool().join(owner.as_str());
        // A sweep may take the room for a dead one between its making and its locking, and remove it: once more then.
        for _ in 0..ENTER_TRIES {
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("make", &path)(error)),
                _ => {}
            }
            if let Some(lock) = lock_room(&path).map_err(failed("lock", &path))? {
                // What is noted in a room explains what is in the store: its own name must outlive a power cut too.
                let spool = data.spool();
                sync_dir(&spool).map_err(failed("sync", &spool))?;
                let dir = SharedDir::open(&path).map_err(failed("open", &path))?;
                return Ok(Room(Arc::new(Inner { owner, path, dir, gone: Mutex::default(), _lock: lock })));
            }
            std::thread::sleep(ENTER_PAUSE);
        }
        Err(failed("lock", &path)(io::ErrorKind::WouldBlock.into()))
    }

    /// The process that works here.
    #[must_use]
    pub fn owner(&self) -> &OwnerId {
        &self.0.owner
    }

    /// The free space of the disk under it, in bytes, where it can be told.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.path()).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Where the download of `id` is written.
    #[must_use]
    pub fn spool_path(&self, id: &MediaId) -> PathBuf {
        self.0.path.join(id.as_str())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Makes every file name in the room durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.dir.sync()
    }

    /// Notes that the object of `id` must go unless a row for it exists. Durable after [`Room::sync`].
    pub(crate) fn mark_gone(&self, id: &MediaId) -> Result<(), RoomError> {
        let path = self.trace_path(&Trace::Gone(id.clone()));
        self.gone().insert(id.clone(), Instant::now());
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("make", &path))?;
        Ok(())
    }

    /// As [`Room::mark_gone`], and durable on return; blocks.
    pub(crate) fn mark_gone_durably(&self, id: &MediaId) -> Result<(), RoomError> {
        self.mark_gone(id)?;
        self.sync().map_err(failed("sync", self.path()))
    }

    /// Notes a multipart upload before its first part goes out; blocks.
    pub(super) fn note_upload(&self, id: &MediaId, note: &str) -> io::Result<()> {
        let path = self.trace_path(&Trace::Upload(id.clone()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        self.sync()
    }

    /// Removes a trace; one that is gone is no error.
    pub(crate) fn forget(&self, trace: &Trace) -> Result<(), RoomError> {
        remove(&self.trace_path(trace))?;
        if let Trace::Gone(id) = trace {
            self.gone().remove(id);
        }
        Ok(())
    }

    /// This process's own marks of objects that must go, made at least `age` ago, at most `limit` of them.
    pub(crate) fn marked_gone(&self, age: Duration, limit: usize) -> Vec<MediaId> {
        let gone = self.gone();
        gone.iter().filter(|(_, made)| made.elapsed() >= age).map(|(id, _)| id.clone()).take(limit).collect()
    }

    fn gone(&self) -> MutexGuard<'_, HashMap<MediaId, Instant>> {
        self.0.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trace_path(&self, trace: &Trace) -> PathBuf {
        trace_path(self.path(), trace)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Works only on a room that holds no trace of unfinished work; else it is a dead room, and swept as one.
        if fs::read_dir(&self.path).is_ok_and(|entries| entries.take(2).count() == 1) {
            let _ = fs::remove_file(self.path.join(LOCK));
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// The room of a process that is no more, locked by us while it is cleaned.
#[derive(Debug)]
pub struct DeadRoom {
    owner: OwnerId,
    path: PathBuf,
    entries: ReadDir,
    _lock: File,
}

impl DeadRoom {
    /// The rooms whose lock can be taken, one after the other; a room that somebody else cleans is passed over.
    ///
    /// # Errors
    /// [`RoomError`] where the spool cannot be listed or a lock cannot be tried.
    pub fn all(data: &DataDir) -> Result<impl Iterator<Item = Result<DeadRoom, RoomError>> + use<>, RoomError> {
        let spool = data.spool();
        let entries = fs::read_dir(&spool).map_err(failed("list", &spool))?;
        Ok(entries.filter_map(move |entry| {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => return Some(Err(failed("list", &spool)(error))),
            };
            let owner = owner_of(&path)?;
            DeadRoom::take(owner, path).transpose()
        }))
    }

    fn take(owner: OwnerId, path: PathBuf) -> Result<Option<DeadRoom>, RoomError> {
        let Some(lock) = lock_room(&path).map_err(failed("lock", &path))? else { return Ok(None) };
        let entries = fs::read_dir(&path).map_err(failed("list", &path))?;
        Ok(Some(DeadRoom { owner, path, entries, _lock: lock }))
    }

    /// The process that worked here.
    #[must_use]
    pub fn owner(&self) -> &OwnerId {
        &self.owner
    }

    /// The next traces, at most `limit` of them; none when all were seen.
    pub(crate) fn next_traces(&mut self, limit: usize) -> Result<Vec<Trace>, RoomError> {
        let mut traces = Vec::new();
        for entry in self.entries.by_ref() {
            let path = entry.map_err(failed("list", &self.path))?.path();
            if let Some(trace) = trace_of(&path) {
                traces.push(trace);
            }
            if traces.len() == limit {
                break;
            }
        }
        Ok(traces)
    }

    /// What a multipart upload's note says.
    pub(crate) fn read_note(&self, id: &MediaId) -> Result<String, RoomError> {
        let path = trace_path(&self.path, &Trace::Upload(id.clone()));
        fs::read_to_string(&path).map_err(failed("read", &path))
    }

    /// Removes a trace; one that is gone is no error.
    pub(crate) fn forget(&self, trace: &Trace) -> Result<(), RoomError> {
        remove(&trace_path(&self.path, trace))
    }

    /// Removes the room, if nothing is left in it.
    pub(crate) fn remove(self) -> Result<(), RoomError> {
        remove(&self.path.join(LOCK))?;
        match fs::remove_dir(&self.path) {
            // A process whose id is the same made its lock anew: then the room is not dead any more.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            outcome => outcome.map_err(failed("remove", &self.path)),
        }
    }
}

/// Locks a room; `None` where a living process holds it, or where it is removed under our hands.
fn lock_room(path: &Path) -> io::Result<Option<File>> {
    let lock = path.join(LOCK);
    let file = match open_lock(&lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The name may stand for another file by now, or for none: then what we hold locks nothing.
    let ours = file.metadata()?;
    let named = fs::metadata(&lock).is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino()));
    Ok(named.then_some(file))
}

fn owner_of(path: &Path) -> Option<OwnerId> {
    let name = path.file_name()?.to_str()?;
    let is_owner = name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_owner.then(|| OwnerId::from_stored(name.to_owned()))
}

fn trace_of(path: &Path) -> Option<Trace> {
    let litter = || Some(Trace::Litter(path.to_owned()));
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return litter() };
    if name == LOCK {
        return None;
    }
    let (stem, kind): (&str, fn(MediaId) -> Trace) = match name.rsplit_once('.') {
        None => (name, Trace::Spool),
        Some((stem, "gone")) => (stem, Trace::Gone),
        Some((stem, "upload")) => (stem, Trace::Upload),
        Some(_) => return litter(),
    };
    MediaId::parse(stem).map_or_else(litter, |id| Some(kind(id)))
}

fn trace_path(room: &Path, trace: &Trace) -> PathBuf {
    match trace {
        Trace::Spool(id) => room.join(id.as_str()),
        Trace::Gone(id) => room.join(format!("{id}.gone")),
        Trace::Upload(id) => room.join(format!("{id}.upload")),
        Trace::Litter(path) => path.clone(),
    }
}

fn remove(path: &Path) -> Result<(), RoomError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(failed("remove", path)),
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RoomError {
    let path = path.to_owned();
    move |source| RoomError { operation, path, source }
}
