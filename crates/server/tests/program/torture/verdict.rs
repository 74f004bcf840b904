//! What must be true of a data directory after whatever happened to it, while the next server runs on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::load::{Fate, Said, Work, bytes_of};
use crate::program::{Place, Program};

/// Within this time every key must be usable again.
const USABLE_WITHIN: Duration = Duration::from_secs(30);
/// What may lie in the data directory itself.
const OURS: [&str; 8] =
    ["soku-data", "serve.lock", "soku.db", "soku-ballast", "soku.db-wal", "soku.db-shm", "media", "spool"];

/// Everything of `targets` (all, where empty) is as the book says, nothing else is there, and every key can be used.
pub(super) async fn judge(place: &Place, program: &Program, work: &Work, targets: &[String]) -> Result<(), String> {
    let book: BTreeMap<String, Fate> =
        work.fates().into_iter().filter(|(target, _)| targets.is_empty() || targets.contains(target)).collect();
    all(book.iter().map(|(target, fate)| kept(program, work, target, fate))).await?;
    tidy(place, work)?;
    sound(&place.data()).await?;
    all(book.iter().map(|(target, fate)| usable(program, work, target, fate))).await?;
    tidy(place, work)
}

/// Many at a time; the first that is wrong.
async fn all(verdicts: impl Iterator<Item = impl Future<Output = Result<(), String>>>) -> Result<(), String> {
    stream::iter(verdicts).buffer_unordered(16).try_collect().await
}

/// What the book says of a file is so.
async fn kept(program: &Program, work: &Work, target: &str, fate: &Fate) -> Result<(), String> {
    match fate {
        Fate::Stored { path } => served(program, work, target, path).await,
        Fate::Deleted { path } => match work.get(&format!("{}{path}", program.base)).await {
            Some((404, _)) => Ok(()),
            other => Err(format!("{target} was deleted, but {path} answers {:?}", other.map(|(status, _)| status))),
        },
        Fate::Asked | Fate::Deleting => Ok(()),
    }
}

async fn served(program: &Program, work: &Work, target: &str, path: &str) -> Result<(), String> {
    match work.get(&format!("{}{path}", program.base)).await {
        Some((200, bytes)) if bytes == bytes_of(target) => Ok(()),
        Some((200, bytes)) => Err(format!("{target} was answered 201, but {path} has {} other bytes", bytes.len())),
        other => Err(format!("{target} was answered 201, but {path} answers {:?}", other.map(|(status, _)| status))),
    }
}

/// Rows and files are the same set, every one is whole, and nothing else lies about.
pub(super) fn tidy(place: &Place, work: &Work) -> Result<(), String> {
    let output = place.tool().command().args(["media", "list", "--json"]).output().expect("the program starts");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("no list of what is stored: {}", String::from_utf8_lossy(&output.stderr)))?;
    let known = work.fates();
    let mut ids = BTreeSet::new();
    for row in &rows {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let (id, source) = (text("id"), text("sourceUrl"));
        let target = known.keys().find(|target| work.url(target) == source);
        let target = target.ok_or_else(|| format!("a row of {source}, which nobody asked for"))?;
        let file = place.data().join("media").join(&id[..2]).join(&id);
        let bytes = fs::read(&file).map_err(|error| format!("the row of {target} has no file: {error}"))?;
        if bytes != bytes_of(target) || text("sha256") != hex::encode(Sha256::digest(&bytes)) {
            return Err(format!("the file of {target} is not whole: {} bytes", bytes.len()));
        }
        ids.insert(id);
    }
    let media = place.data().join("media");
    for shard in names(&media) {
        if shard.len() != 2 {
            return Err(format!("rubbish: media/{shard}"));
        }
        if let Some(orphan) = names(&media.join(&shard)).into_iter().find(|name| !ids.contains(name)) {
            return Err(format!("a file without a row: media/{shard}/{orphan}"));
        }
    }
    let spool = place.data().join("spool");
    let rooms = names(&spool);
    if rooms.len() > 1 {
        return Err(format!("{} rooms, and one process", rooms.len()));
    }
    if let Some(trace) = rooms.iter().flat_map(|room| names(&spool.join(room))).find(|name| name != "lock") {
        return Err(format!("rubbish in the spool: {trace}"));
    }
    match names(&place.data()).into_iter().find(|name| !OURS.contains(&name.as_str())) {
        Some(name) => Err(format!("rubbish: {name}")),
        None => Ok(()),
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// SQLite finds nothing wrong with its file.
pub(super) async fn sound(data: &Path) -> Result<(), String> {
    let options = SqliteConnectOptions::new().filename(data.join("soku.db")).busy_timeout(USABLE_WITHIN);
    let failed = |error: sqlx::Error| format!("the database cannot be read: {error}");
    let mut connection = options.connect().await.map_err(failed)?;
    let words: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut connection).await.map_err(failed)?;
    let strays = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    if words != ["ok"] || !strays.is_empty() {
        return Err(format!("the database is broken: {words:?}, {} rows point nowhere", strays.len()));
    }
    Ok(())
}

/// The key answers in time: with what it made, or by making it now.
async fn usable(program: &Program, work: &Work, target: &str, fate: &Fate) -> Result<(), String> {
    let asked = Instant::now();
    let said = work.ask(&program.base, &program.key, target).await;
    let path = said.as_ref().and_then(Said::path);
    let Some(path) = path.filter(|_| asked.elapsed() < USABLE_WITHIN) else {
        return Err(format!("the key of {target} ({fate:?}) is stuck: {said:?} after {:?}", asked.elapsed()));
    };
    match fate {
        Fate::Stored { path: before } if *before != path => {
            Err(format!("the key of {target} answered {before}, and now {path}"))
        }
        Fate::Deleted { path: before } if *before == path => {
            Err(format!("the key of {target} answers what was deleted"))
        }
        Fate::Stored { .. } => Ok(()),
        Fate::Asked | Fate::Deleting | Fate::Deleted { .. } => {
            work.fate(target, Fate::Stored { path: path.clone() });
            served(program, work, target, &path).await
        }
    }
}
