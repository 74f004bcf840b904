//! What a story runs on: a data directory, a room in it, and a store, each of the story's own.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use soku_server::id::{MediaId, OwnerId};
use soku_server::store::{
    DataDir, LocalSettings, LocalStore, ObjectKey, ObjectMeta, Room, S3Settings, S3Store, Spool, Store, StoreError,
};
use tempfile::TempDir;

/// No story may last longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A store of the story's own.
pub(crate) struct Bed {
    pub(crate) data: DataDir,
    pub(crate) room: Room,
    pub(crate) store: Store,
    pub(crate) home: TempDir,
}

/// Declares a story as two tests.
macro_rules! on_both {
    ($(async fn $name:ident($bed:ident: &Bed) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn story($bed: &Bed) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_files() {
                let bed = Bed::on_files();
                $crate::bed::bounded(story(&bed)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_s3() {
                let Some(bed) = Bed::on_s3() else { return eprintln!("skipped: SOKU_TEST_S3_ENDPOINT names no server") };
                $crate::bed::bounded(story(&bed)).await;
            }
        })*
    };
}
pub(crate) use on_both;

pub(crate) async fn bounded<T>(story: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, story).await.expect("the story ends in time")
}

impl Bed {
    pub(crate) fn on_files() -> Bed {
        let home = tempfile::tempdir().unwrap();
        let (data, room) = enter(home.path());
        let store = Store::Local(LocalStore::open(&data, room.clone(), &LocalSettings::default()).unwrap());
        Bed { data, room, store, home }
    }

    /// On the server that the environment names, below a prefix of its own.
    pub(crate) fn on_s3() -> Option<Bed> {
        Some(Bed::on_bucket(&s3_settings()?))
    }

    pub(crate) fn on_bucket(settings: &S3Settings) -> Bed {
        install_tls();
        let home = tempfile::tempdir().unwrap();
        let (data, room) = enter(home.path());
        let store = Store::S3(S3Store::open(settings, room.clone()).unwrap());
        Bed { data, room, store, home }
    }

    /// A finished download of these bytes.
    pub(crate) fn download(&self, bytes: &[u8]) -> Download {
        download(&self.room, MediaId::random(), bytes)
    }

    /// Keeps these bytes under a plain name, as recorded.
    pub(crate) async fn keep(&self, bytes: &[u8]) -> ObjectKey {
        let download = self.download(bytes);
        let key = download.key("clip.mp4");
        self.store.keep(&download, &key, &meta()).await.unwrap().recorded();
        key
    }

    pub(crate) async fn read(&self, key: &ObjectKey, size_bytes: u64) -> Result<Bytes, StoreError> {
        let object = self.store.open(key, size_bytes).await?;
        Ok(object.body(0..size_bytes).collect().await?.to_bytes())
    }

    /// The names in the room of this process, beside the lock.
    pub(crate) fn traces(&self) -> BTreeSet<String> {
        let any = self.room.spool_path(&MediaId::random());
        let mut names = names_in(any.parent().unwrap());
        assert!(names.remove("lock"), "a living room has its lock");
        names
    }

    /// The ids of all objects in the media directory.
    pub(crate) fn objects(&self) -> BTreeSet<String> {
        objects_in(self.data.root())
    }
}

pub(crate) fn enter(data_dir: &Path) -> (DataDir, Room) {
    let data = DataDir::prepare(data_dir).unwrap();
    let room = Room::enter(&data, OwnerId::random()).unwrap();
    (data, room)
}

/// A spool file as the fetch leaves it.
pub(crate) struct Download {
    pub(crate) id: MediaId,
    pub(crate) path: PathBuf,
    file: File,
    size_bytes: u64,
}

pub(crate) fn download(room: &Room, id: MediaId, bytes: &[u8]) -> Download {
    let path = room.spool_path(&id);
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).unwrap();
    file.write_all(bytes).unwrap();
    Download { id, path, file, size_bytes: bytes.len() as u64 }
}

impl Download {
    pub(crate) fn key(&self, filename: &str) -> ObjectKey {
        ObjectKey::new(self.id.clone(), filename)
    }
}

impl<'a> From<&'a Download> for Spool<'a> {
    fn from(download: &'a Download) -> Spool<'a> {
        Spool { path: &download.path, file: &download.file, size_bytes: download.size_bytes }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

pub(crate) fn meta() -> ObjectMeta {
    ObjectMeta {
        content_type: "video/mp4".to_owned(),
        content_disposition: "attachment; filename=\"clip.mp4\"".to_owned(),
    }
}

/// Bytes that are different at every place, within reason.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32 ^ u32::try_from(len).unwrap();
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..len).map(step).collect()
}

pub(crate) fn names_in(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

pub(crate) fn objects_in(data_dir: &Path) -> BTreeSet<String> {
    let media = data_dir.join("media");
    let in_shard =
        |shard: String| names_in(&media.join(&shard)).into_iter().inspect(move |id| assert!(id.starts_with(&shard)));
    names_in(&media).into_iter().flat_map(in_shard).collect()
}

/// The server that the environment names, below a prefix of the caller's own.
pub(crate) fn s3_settings() -> Option<S3Settings> {
    let endpoint = variable("SOKU_TEST_S3_ENDPOINT")?;
    let bucket = variable("SOKU_TEST_S3_BUCKET").expect("the bucket is named beside its endpoint");
    let mut settings = S3Settings::parse(&format!("s3://{bucket}/test/{}", MediaId::random())).unwrap();
    settings.endpoint = Some(endpoint);
    settings.allow_http = true;
    for (name, variable_name) in [
        ("AWS_ACCESS_KEY_ID", "SOKU_TEST_S3_ACCESS_KEY_ID"),
        ("AWS_SECRET_ACCESS_KEY", "SOKU_TEST_S3_SECRET_ACCESS_KEY"),
    ] {
        settings.environment.push((name.to_owned(), variable(variable_name).expect("its keys are given beside it")));
    }
    Some(settings)
}

/// What `main` does before it builds any client.
pub(crate) fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[expect(clippy::disallowed_methods, reason = "what the tests may use is told by the environment alone")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An ignored test of this binary as a process of its own.
pub(crate) fn process_of(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]).stdin(Stdio::null());
    command
}
