//! That the statements that run often, or over many rows, find their rows by an index: asked of SQLite's own planner.

use sqlx::{Connection as _, SqliteConnection};

use super::{claims, keys, media, schema, settle, windows};
use crate::id::KeyDigest;

/// An empty database in memory.
async fn database() -> SqliteConnection {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    schema::migrate(&mut connection, "memory").await.unwrap();
    connection
}

/// How SQLite would run the statement.
async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let question = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(question).fetch_all(connection).await.unwrap();
    rows.into_iter().map(|(_, _, _, detail)| detail).collect()
}

#[tokio::test]
async fn no_frequent_statement_walks_a_whole_table_or_sorts() {
    let mut connection = database().await;
    for (sql, index) in [
        (keys::FIND_CALLER, "sqlite_autoindex_api_key_2 (digest=?)"),
        (media::NEWEST, "media_newest ((created,id)<(?,?))"),
        (media::NEWEST_OF_ACCOUNT, "media_newest_of_account (account_id=? AND (created,id)<(?,?))"),
        (media::FORGET_CLAIMS, "idempotency_of_media (media_id=?)"),
        (claims::FIND, "sqlite_autoindex_idempotency_1 (account_id=? AND endpoint=? AND claim_key=?)"),
        (claims::TAKE_OVER, "sqlite_autoindex_idempotency_1 (account_id=? AND endpoint=? AND claim_key=?)"),
        (claims::BEAT, "idempotency_of_owner (owner=?)"),
        (settle::INSERT_MEDIA, "sqlite_autoindex_idempotency_1 (account_id=? AND endpoint=? AND claim_key=?)"),
        (settle::FINISH_CLAIM, "sqlite_autoindex_idempotency_1 (account_id=? AND endpoint=? AND claim_key=?)"),
        (settle::RELEASE_OWNER, "idempotency_of_owner (owner=?)"),
        (settle::PURGE, "idempotency_expiry (expires<?)"),
        (windows::DROP, "rate_window_age (newest<?)"),
    ] {
        let steps = plan(&mut connection, sql).await;

        let slow =
            |step: &&String| step.starts_with("SCAN") && *step != "SCAN CONSTANT ROW" || step.contains("TEMP B-TREE");
        assert_eq!(steps.iter().find(slow), None, "{sql}: {steps:#?}");
        assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:#?}");
    }
}

/// Rule K1: the text of a key decides nothing but its digest, and the digest is looked up by a unique index.
#[tokio::test]
async fn a_wrong_key_costs_the_same_query_as_a_revoked_one() {
    let mut connection = database().await;
    let rows = "INSERT INTO account VALUES ('a', 'default', 'active', NULL, 'member', 1);
        INSERT INTO api_key VALUES ('k', 'a', '{digest}', 'label', 'sk_live_abc…xyz', 1, 2)";
    let revoked = KeyDigest::of(b"sk_live_revoked");
    let rows = sqlx::AssertSqlSafe(rows.replace("{digest}", &revoked.hex()));
    sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();

    let mut found = Vec::new();
    for key in [&b"sk_live_revoked"[..], b"sk_live_unknown", b"", b"Bearer \xff\0", &[b'x'; 5000]] {
        let digest = KeyDigest::of(key).hex();
        assert_eq!(digest.len(), 64, "every key comes to the query in the same form");
        let rows = sqlx::query(keys::FIND_CALLER).bind(digest).fetch_all(&mut connection).await.unwrap();
        found.push(rows.len());
    }

    assert_eq!(found, [1, 0, 0, 0, 0]);
    let steps = plan(&mut connection, keys::FIND_CALLER).await;
    assert_eq!(
        steps,
        [
            "SEARCH api_key USING INDEX sqlite_autoindex_api_key_2 (digest=?)",
            "SEARCH account USING INDEX sqlite_autoindex_account_1 (id=?)",
        ]
    );
}
