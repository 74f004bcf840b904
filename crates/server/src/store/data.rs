//! The data directory: its layout, and whose it is.
//!
//! ```text
//! soku-data      says that the directory is ours, and its layout's version     serve.lock   held by the one `serve`
//! spool/<owner>/ one locked room for each process (`room.rs`)                  media/<2 hex>/<id>   the objects
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::key::shards;
use super::local::TRIAL;
use super::sync::sync_dir;
use crate::owner;

const MARKER: &str = "soku-data";
const MARKER_HEAD: &str = "soku data directory, layout ";
const LAYOUT: u32 = 1;

/// A directory that is ours, with its layout in place.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

/// Why a directory cannot be the data directory.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error(
        "the data directory `{path}` belongs to something else (it holds `{found}`): name an empty directory by SOKU_DATA_DIR or --data-dir"
    )]
    NotOurs { path: PathBuf, found: String },
    #[error(
        "the data directory `{path}` was made by a newer soku: this one knows layout {LAYOUT}, it says `{found}`; run the newer one"
    )]
    Newer { path: PathBuf, found: String },
    #[error(
        "the data directory `{path}` is in use by another `soku serve`{process}: stop it, or name another directory"
    )]
    Served { path: PathBuf, process: String },
    #[error(
        "the database `{database}` is missing or empty, but there are files in `{media}`: restore it from a backup, or \
         move the files away to begin anew"
    )]
    DatabaseLost { database: PathBuf, media: PathBuf },
    #[error("could not {operation} `{path}`{}", owner::mend(path, source))]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
}

impl DataDir {
    /// Takes a directory as the data directory: makes it where it is missing, checks that it is ours or empty, and
    /// puts the layout in place, durably. Any number of processes may do so at once.
    ///
    /// # Errors
    /// See [`DataDirError`]: each names the directory.
    pub fn prepare(path: &Path) -> Result<DataDir, DataDirError> {
        let missing: Vec<&Path> = path.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
        make_private_dir(path)?;
        for made in missing {
            let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            sync_dir(parent).map_err(failed("sync", parent))?;
        }
        let root = fs::canonicalize(path).map_err(failed("find", path))?;
        match fs::read_to_string(root.join(MARKER)) {
            Ok(text) => check_marker(&root, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_strangers(&root)?;
                write_marker(&root)?;
            }
            Err(error) => return Err(failed("read", &root.join(MARKER))(error)),
        }
        let data = DataDir { root };
        make_private_dir(&data.spool())?;
        sync_dir(&data.root).map_err(failed("sync", &data.root))?;
        Ok(data)
    }

    /// Refuses to begin a new database beside the files of a lost one: none of them would be found again.
    ///
    /// # Errors
    /// [`DataDirError::DatabaseLost`].
    pub fn check_database(&self, database: &Path) -> Result<(), DataDirError> {
        if fs::metadata(database).is_ok_and(|found| found.len() > 0) {
            return Ok(());
        }
        let media = self.media();
        let holds_any =
            |shard: String| fs::read_dir(media.join(shard)).is_ok_and(|mut entries| entries.next().is_some());
        if shards().any(holds_any) {
            return Err(DataDirError::DatabaseLost { database: database.to_owned(), media });
        }
        Ok(())
    }

    /// The directory itself, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    pub(super) fn media(&self) -> PathBuf {
        self.root.join("media")
    }
}

/// Opens a file that exists to be locked.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Makes a directory and its parents, for this user alone; one that is there stays as it is.
fn make_private_dir(path: &Path) -> Result<(), DataDirError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make the directory", path))
}

fn check_marker(root: &Path, text: &str) -> Result<(), DataDirError> {
    let first = text.lines().next().unwrap_or_default();
    match first.strip_prefix(MARKER_HEAD).map(str::parse) {
        Some(Ok(layout)) if (1..=LAYOUT).contains(&layout) => Ok(()),
        Some(_) => Err(DataDirError::Newer { path: root.to_owned(), found: first.to_owned() }),
        None => Err(DataDirError::NotOurs { path: root.to_owned(), found: MARKER.to_owned() }),
    }
}

/// A directory without our mark is taken only if it holds nothing but what may stand there before the first start, or
/// what a backup brings back.
fn refuse_strangers(root: &Path) -> Result<(), DataDirError> {
    for entry in fs::read_dir(root).map_err(failed("list", root))? {
        let entry = entry.map_err(failed("list", root))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let expected = match name.as_str() {
            "lost+found" | "first-key" | "serve.lock" => true,
            // A backup may have caught a link that was only tried.
            "media" => holds_only(&entry.path(), |name| is_hex(name, 2) || name.ends_with(TRIAL.as_bytes())),
            "spool" => holds_only(&entry.path(), |name| is_hex(name, 24)),
            other => other.starts_with('.') || other.starts_with("soku"),
        };
        // Another process may be preparing the same directory at this moment: what it makes after its mark is ours.
        if !expected && !root.join(MARKER).exists() {
            return Err(DataDirError::NotOurs { path: root.to_owned(), found: name });
        }
    }
    Ok(())
}

fn holds_only(directory: &Path, is_ours: impl Fn(&[u8]) -> bool) -> bool {
    let entries = fs::read_dir(directory);
    entries.is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| is_ours(entry.file_name().as_encoded_bytes())))
    })
}

/// Whether a name is so many hex digits, as those of shards and rooms are.
fn is_hex(name: &[u8], digits: usize) -> bool {
    name.len() == digits && name.iter().all(u8::is_ascii_hexdigit)
}

/// Whole or not at all: a mark that a crash cut short would lock the operator out. The draft has one name for all who
/// write it, so that the next start takes up what a crash left; they all write the same.
fn write_marker(root: &Path) -> Result<(), DataDirError> {
    let (draft, marker) = (root.join(format!(".{MARKER}")), root.join(MARKER));
    let write = || {
        let mut file = open_lock(&draft)?;
        let text = format!("{MARKER_HEAD}{LAYOUT}\n");
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)?;
        file.sync_all()?;
        match fs::rename(&draft, &marker) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && marker.exists() => Ok(()),
            outcome => outcome,
        }
    };
    write().map_err(failed("write", &root.join(MARKER)))
}

pub(super) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |source| DataDirError::Io { operation, path, source }
}
