//! What a command works with: the configuration, and the database, opened when first asked for.

use tokio::sync::OnceCell;

use super::CommandError;
use crate::account::Account;
use crate::clock::Clock;
use crate::config::{Config, nearest};
use crate::db::Db;
use crate::store::DataDir;

/// Whether a command may begin a library where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Library {
    MayBegin,
    MustExist,
}

/// The configuration and what is open of it.
pub(super) struct Rooms {
    pub(super) config: Config,
    pub(super) clock: Clock,
    library: Library,
    db: OnceCell<Db>,
}

impl Rooms {
    pub(super) fn new(config: Config, library: Library) -> Rooms {
        Rooms { config, clock: Clock::System, library, db: OnceCell::new() }
    }

    /// The database.
    pub(super) async fn db(&self) -> Result<&Db, CommandError> {
        self.db.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Db, CommandError> {
        if self.config.database.url.is_none() {
            // A slip in the directory's name should not leave an empty library behind.
            let database = self.config.database_file();
            if self.library == Library::MustExist && !database.exists() {
                return Err(CommandError::NoLibrary { data_dir: self.config.data_dir.clone() });
            }
            DataDir::prepare(&self.config.data_dir)?;
        }
        Ok(Db::open(&self.config.db_settings()).await?)
    }

    /// Finishes what is being written.
    pub(super) async fn close(&self) {
        if let Some(db) = self.db.get() {
            db.close().await;
        }
    }

    /// The account of that name.
    pub(super) async fn account(&self, name: &str) -> Result<Account, CommandError> {
        match self.db().await?.find_account(name).await? {
            Some(account) => Ok(account),
            None => Err(self.unknown_account(name).await?),
        }
    }

    /// The error of an account that is not there, with the name that was perhaps meant.
    pub(super) async fn unknown_account(&self, name: &str) -> Result<CommandError, CommandError> {
        let accounts = self.db().await?.list_accounts().await?;
        let nearest = nearest(name, accounts.iter().map(|account| account.name.as_str())).map(str::to_owned);
        Ok(CommandError::UnknownAccount { name: name.to_owned(), nearest })
    }
}
