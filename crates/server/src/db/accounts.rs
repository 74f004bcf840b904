//! Accounts in rows.

use futures_util::FutureExt as _;
use sqlx::FromRow;

use super::error::Cause;
use super::{Act, Db, DbError, on_reader, on_tx};
use crate::account::{Account, Role, Subscription, SubscriptionState};
use crate::clock::Timestamp;
use crate::id::AccountId;

/// What to change of an account; `None` leaves as it is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct AccountChanges {
    pub state: Option<SubscriptionState>,
    /// `Some(None)` takes the end away.
    pub period_end: Option<Option<Timestamp>>,
    pub role: Option<Role>,
}

/// The columns of an account, under names that stay apart in a join.
#[derive(FromRow)]
pub(super) struct AccountRow {
    account_id: String,
    account_name: String,
    subscription: String,
    period_end: Option<i64>,
    role: String,
    account_created: i64,
}

impl TryFrom<AccountRow> for Account {
    type Error = sqlx::Error;

    fn try_from(row: AccountRow) -> Result<Account, sqlx::Error> {
        Ok(Account {
            id: AccountId::from_stored(row.account_id),
            name: row.account_name,
            subscription: Subscription {
                state: SubscriptionState::parse(&row.subscription)
                    .ok_or_else(|| Cause::unreadable("account.subscription"))?,
                period_end: row.period_end.map(Timestamp),
            },
            role: Role::parse(&row.role).ok_or_else(|| Cause::unreadable("account.role"))?,
            created: Timestamp(row.account_created),
        })
    }
}

/// What [`AccountRow`] reads.
macro_rules! account_columns {
    () => {
        "account.id AS account_id, account.name AS account_name, account.subscription, account.period_end, \
         account.role, account.created AS account_created"
    };
}
pub(super) use account_columns;

impl Db {
    /// Adds an account; its name must be new.
    ///
    /// # Errors
    /// [`DbError::AlreadyExists`] where the name is taken.
    pub async fn insert_account(&self, account: &Account) -> Result<(), DbError> {
        const SQL: &str = "INSERT INTO account (id, name, subscription, period_end, role, created) \
            VALUES ($1, $2, $3, $4, $5, $6)";
        let account = account.clone();
        let work = self.write(Act::durable("adding an account"), move |mut tx| {
            async move {
                on_tx!(tx, conn => sqlx::query(SQL)
                    .bind(account.id.as_str())
                    .bind(account.name)
                    .bind(account.subscription.state.as_str())
                    .bind(account.subscription.period_end.map(|end| end.0))
                    .bind(account.role.as_str())
                    .bind(account.created.0)
                    .execute(conn)
                    .await
                    .map(drop))?;
                Ok(())
            }
            .boxed()
        });
        work.await.map_err(|error| DbError::unless_exists("account", error))
    }

    /// The account of that name.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn find_account(&self, name: &str) -> Result<Option<Account>, DbError> {
        const OPERATION: &str = "finding an account";
        const SQL: &str = concat!("SELECT ", account_columns!(), " FROM account WHERE name = $1");
        let row = on_reader!(self, OPERATION, conn =>
            sqlx::query_as::<_, AccountRow>(SQL).bind(name).fetch_optional(conn))?;
        row.map(Account::try_from).transpose().map_err(|error| DbError::during(OPERATION, error))
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn list_accounts(&self) -> Result<Vec<Account>, DbError> {
        const OPERATION: &str = "listing accounts";
        const SQL: &str = concat!("SELECT ", account_columns!(), " FROM account ORDER BY name");
        let rows = on_reader!(self, OPERATION, conn => sqlx::query_as::<_, AccountRow>(SQL).fetch_all(conn))?;
        let accounts: Result<_, _> = rows.into_iter().map(Account::try_from).collect();
        accounts.map_err(|error| DbError::during(OPERATION, error))
    }

    /// Whether there is an account at all.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn any_account(&self) -> Result<bool, DbError> {
        const SQL: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM account LIMIT 1) AS one";
        let count = on_reader!(self, "looking for an account", conn =>
            sqlx::query_scalar::<_, i64>(SQL).fetch_one(conn))?;
        Ok(count > 0)
    }

    /// Changes an account and gives it as it is now; `None` where there is none of that name.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn update_account(&self, name: &str, changes: AccountChanges) -> Result<Option<Account>, DbError> {
        const OPERATION: &str = "changing an account";
        const SQL: &str = concat!(
            "UPDATE account SET subscription = COALESCE($2, subscription), \
             period_end = CASE WHEN $3 THEN $4 ELSE period_end END, role = COALESCE($5, role) \
             WHERE name = $1 RETURNING ",
            account_columns!()
        );
        let name = name.to_owned();
        let work = self.write(Act::durable(OPERATION), move |mut tx| {
            async move {
                Ok(on_tx!(tx, conn => sqlx::query_as::<_, AccountRow>(SQL)
                    .bind(name)
                    .bind(changes.state.map(SubscriptionState::as_str))
                    .bind(changes.period_end.is_some())
                    .bind(changes.period_end.flatten().map(|end| end.0))
                    .bind(changes.role.map(Role::as_str))
                    .fetch_optional(conn)
                    .await)?)
            }
            .boxed()
        });
        work.await?.map(Account::try_from).transpose().map_err(|error| DbError::during(OPERATION, error))
    }
}
