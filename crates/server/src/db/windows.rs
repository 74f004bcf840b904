//! Rate windows in rows, so that a restart forgets at most the last moment of them.

use futures_util::FutureExt as _;
use sqlx::QueryBuilder;

use super::error::Cause;
use super::{Act, Db, DbError, on_reader, on_tx};
use crate::clock::Timestamp;

/// How many windows go into one statement, so that other writes come in between.
const WINDOWS_AT_ONCE: usize = 250;

pub(super) const DROP: &str = "DELETE FROM rate_window WHERE newest < $1";

impl Db {
    /// Every saved window: whom it counts, and the moments of its requests in milliseconds.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn load_windows(&self) -> Result<Vec<(String, Vec<i64>)>, DbError> {
        const OPERATION: &str = "loading rate windows";
        const SQL: &str = "SELECT subject, stamps FROM rate_window ORDER BY subject";
        let rows = on_reader!(self, OPERATION, conn => sqlx::query_as::<_, (String, String)>(SQL).fetch_all(conn))?;
        let windows: Result<_, _> = rows
            .into_iter()
            .map(|(subject, stamps)| match serde_json::from_str(&stamps) {
                Ok(stamps) => Ok((subject, stamps)),
                Err(_) => Err(Cause::unreadable("rate_window.stamps")),
            })
            .collect();
        windows.map_err(|error| DbError::during(OPERATION, error))
    }

    /// Saves windows, each in place of its former self; those given twice or left out are not forgotten.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn save_windows(&self, windows: Vec<(String, Vec<i64>)>) -> Result<(), DbError> {
        // One statement may not touch a row twice: the last of a subject counts. In order, so that two nodes that save
        // the same rows wait for each other and never in a circle.
        let windows: std::collections::BTreeMap<String, Vec<i64>> = windows.into_iter().collect();
        let windows: Vec<_> = windows.into_iter().collect();
        for some in windows.chunks(WINDOWS_AT_ONCE) {
            let some = some.to_vec();
            self.write(Act::passing("saving rate windows"), move |mut tx| {
                async move {
                    on_tx!(tx, conn => {
                        let mut upsert = QueryBuilder::new("INSERT INTO rate_window (subject, stamps, newest) ");
                        upsert.push_values(some, |mut row, (subject, stamps)| {
                            let newest = stamps.iter().copied().max().unwrap_or_default();
                            let stamps = serde_json::to_string(&stamps).expect("a list of numbers is JSON");
                            row.push_bind(subject).push_bind(stamps).push_bind(newest);
                        });
                        upsert.push(
                            " ON CONFLICT (subject) DO UPDATE SET stamps = excluded.stamps, newest = excluded.newest",
                        );
                        upsert.build().persistent(false).execute(conn).await.map(drop)
                    })?;
                    Ok(())
                }
                .boxed()
            })
            .await?;
        }
        Ok(())
    }

    /// Drops windows whose newest request is older than `before`, and gives their number.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn drop_windows(&self, before: Timestamp) -> Result<u64, DbError> {
        self.write(Act::passing("dropping old rate windows"), move |mut tx| {
            async move {
                Ok(on_tx!(tx, conn =>
                    sqlx::query(DROP).bind(before.0).execute(conn).await.map(|result| result.rows_affected()))?)
            }
            .boxed()
        })
        .await
    }
}
