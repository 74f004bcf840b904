//! The PostgreSQL arm: a bounded pool, limits on every wait, transactions where a unit of work has several statements.

use std::str::FromStr as _;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool};
use tokio::time::error::Elapsed;

use super::place::PostgresPlace;
use super::{Act, DbError, DbSettings, Done, Steps, Tx, Undo, schema};

/// How long a connection may have been idle before it is asked whether it still lives.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// An open PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Postgres {
    pool: PgPool,
    patience: Duration,
}

impl Postgres {
    pub(super) async fn open(place: &PostgresPlace, settings: &DbSettings) -> Result<Postgres, DbError> {
        let opening = |error| DbError::opening(&place.shown, error);
        let limit_ms = settings.statement_timeout.as_millis();
        let options = PgConnectOptions::from_str(place.secret.as_str())
            .map_err(opening)?
            .application_name("soku")
            .options([("statement_timeout", limit_ms), ("idle_in_transaction_session_timeout", limit_ms)])
            .disable_statement_logging();

        // A connection of its own: a failed migration leaves its advisory lock to the end of the session.
        let migrated = async {
            let mut connection = options.connect().await.map_err(opening)?;
            let migrated = if schema::is_current(&mut connection).await {
                Ok(())
            } else {
                schema::migrate(&mut connection, &place.shown).await
            };
            let _ = connection.close().await;
            migrated
        };
        match tokio::time::timeout(settings.connect_timeout + settings.statement_timeout, migrated).await {
            Ok(migrated) => migrated?,
            Err(_) => return Err(opening(sqlx::Error::PoolTimedOut)),
        }

        let pool = PgPoolOptions::new()
            .max_connections(settings.connections.max(1))
            .acquire_timeout(settings.connect_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| {
                Box::pin(async move {
                    if metadata.idle_for > TRUSTED_IDLE {
                        tokio::time::timeout(TRUSTED_IDLE, connection.ping())
                            .await
                            .unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        // The server ends a statement after its limit; this catches a server that no longer says so.
        let patience = settings.statement_timeout + settings.connect_timeout;
        Ok(Postgres { pool, patience })
    }

    pub(super) async fn connection(&self) -> Result<PoolConnection<sqlx::Postgres>, sqlx::Error> {
        self.pool.acquire().await
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Ends the loan of a connection; one that went silent is not used again.
    pub(super) fn end_loan<T>(
        &self,
        mut lent: PoolConnection<sqlx::Postgres>,
        finished: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, sqlx::Error> {
        finished.unwrap_or_else(|_| {
            lent.close_on_drop();
            Err(sqlx::Error::PoolTimedOut)
        })
    }

    pub(super) async fn write<T, F>(&self, act: Act, work: F) -> Result<Option<T>, DbError>
    where
        T: Send,
        F: for<'t> FnOnce(Tx<'t>) -> BoxFuture<'t, Done<T>> + Send,
    {
        let failed = |error| DbError::during(act.operation, error);
        let mut lent = self.pool.acquire().await.map_err(failed)?;
        let finished = match act.steps {
            Steps::One => tokio::time::timeout(self.patience, work(Tx::Postgres(&mut lent))).await,
            Steps::Several | Steps::FirstDecides => {
                let transaction = async {
                    let mut transaction = lent.begin().await?;
                    let done = work(Tx::Postgres(&mut transaction)).await?;
                    transaction.commit().await?;
                    Ok(done)
                };
                tokio::time::timeout(self.patience, transaction).await
            }
        };
        match finished {
            Ok(Ok(done)) => Ok(Some(done)),
            Ok(Err(Undo::Refused | Undo::Overtaken)) => Ok(None),
            Ok(Err(Undo::Error(error))) => Err(failed(error)),
            Err(_) => {
                lent.close_on_drop();
                Err(failed(sqlx::Error::PoolTimedOut))
            }
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
