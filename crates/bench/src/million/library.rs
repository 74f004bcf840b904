//! Entries by the hundred thousand, written straight into the database of a server that does not run.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::source::{JPEG, media};

/// What a year of several accounts leaves: entries of every day, and the answers of the last day remembered under their keys.
/// `{entries}` and `{remembered}` are numbers.
const FILL: &str = "
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -1000000;
    BEGIN;
    CREATE TEMP TABLE moment AS SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000 AS now;
    CREATE TEMP TABLE member (nth INTEGER PRIMARY KEY, id TEXT);
    INSERT INTO member SELECT 0, id FROM account;
    INSERT INTO member SELECT value, 'acc_' || lower(hex(randomblob(12))) FROM generate(1, 7);
    INSERT INTO account SELECT id, 'bench-' || nth, 'active', NULL, 'member', now - 31536000000 FROM member, moment WHERE nth > 0;
    INSERT INTO api_key SELECT 'key_' || lower(hex(randomblob(8))), id, lower(hex(randomblob(32))), 'bench', 'sk_live_abc…xyz',
        now - 31536000000, NULL FROM member, moment WHERE nth > 0;
    INSERT INTO media SELECT lower(hex(randomblob(16))), id, 'photo-' || value || '.jpg', 'image/jpeg', 'inline', {size},
        lower(hex(randomblob(32))), 'https://files.example.com/2026/' || lower(hex(randomblob(16))) || '.jpg?signature=' ||
        lower(hex(randomblob(32))), now - ({entries} - value) * (31536000000 / {entries})
        FROM generate(1, {entries}), moment JOIN member ON member.nth = value % 8;
    INSERT INTO idempotency SELECT account_id, 'media', iif(media.rowid % 4, 'derived:' || lower(hex(randomblob(32))), 'caller:' || id),
        media.rowid % 4 = 0, lower(hex(randomblob(32))), 'done', id, '0123456789abcdef01234567', media.rowid, 3, FALSE, NULL, NULL,
        now + 3600000 + abs(random() % 82800000)
        FROM media, moment WHERE media.rowid > {entries} - {remembered};
    COMMIT;
    PRAGMA wal_checkpoint(TRUNCATE);
";

/// How many answers a busy day leaves remembered.
const REMEMBERED: usize = 100_000;

/// Writes `entries` and the files of `files` of them, spread evenly; gives the paths of these as they are asked for.
pub(super) async fn fill(data: &Path, entries: usize, files: usize, size: usize) -> Result<Vec<String>> {
    let database = data.join("soku.db");
    let mut connection = SqliteConnectOptions::new().filename(&database).connect().await?;
    let numbers = |from: &str, to: &str| {
        format!(
            "(WITH RECURSIVE n(value) AS (SELECT {from} UNION ALL SELECT value + 1 FROM n WHERE value < {to}) SELECT value FROM n)"
        )
    };
    let sql = FILL
        .replace("generate(1, 7)", &numbers("1", "7"))
        .replace("generate(1, {entries})", &numbers("1", "{entries}"))
        .replace("{entries}", &entries.to_string())
        .replace("{remembered}", &REMEMBERED.min(entries).to_string())
        .replace("{size}", &size.to_string());
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.context("could not fill the database")?;
    let spread = "SELECT id, filename FROM media WHERE rowid % $1 = 0";
    let step = i64::try_from(entries / files)?;
    let chosen: Vec<(String, String)> = sqlx::query_as(spread).bind(step).fetch_all(&mut connection).await?;
    connection.close().await?;
    ensure!(chosen.len() == files, "{} entries of {files} got a file", chosen.len());

    let first = data.join("first.jpg");
    std::fs::write(&first, media(JPEG, size))?;
    for (id, _) in &chosen {
        let shard = data.join("media").join(&id[..2]);
        std::fs::create_dir_all(&shard)?;
        std::fs::copy(&first, shard.join(id))?;
    }
    std::fs::remove_file(first)?;
    Ok(chosen.into_iter().map(|(id, filename)| format!("/media/{id}/{filename}")).collect())
}
