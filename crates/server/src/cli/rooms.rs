//! What a command works with: the configuration, the database and the library, opened when first asked for.

use std::fs;

use tokio::sync::OnceCell;

use super::CommandError;
use super::output::{say, warn};
use crate::account::{Account, Role, Subscription, SubscriptionState};
use crate::app;
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, nearest};
use crate::db::{Db, DbError};
use crate::id::AccountId;
use crate::library::Library;
use crate::owner;
use crate::store::{Ballast, DataDir, DataDirError, announced_base};

/// Whether a command may begin a library where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beginning {
    Allowed,
    Refused,
}

/// The configuration and what is open of it.
pub(super) struct Rooms {
    pub(super) config: Config,
    pub(super) clock: Clock,
    beginning: Beginning,
    db: OnceCell<Db>,
}

impl Rooms {
    pub(super) fn new(config: Config, beginning: Beginning) -> Rooms {
        Rooms { config, clock: Clock::System, beginning, db: OnceCell::new() }
    }

    /// The database.
    pub(super) async fn db(&self) -> Result<&Db, CommandError> {
        self.db.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Db, CommandError> {
        if self.config.database.url.is_none() {
            // A slip in the directory's name should not leave an empty library behind.
            let database = self.config.database_file();
            let exists = database.try_exists().map_err(|source| {
                let path = database.clone();
                DataDirError::Io { operation: "look for the database", path, source }
            })?;
            if self.beginning == Beginning::Refused && !exists {
                return Err(CommandError::NoLibrary { data_dir: self.config.data_dir.clone() });
            }
            let data = DataDir::prepare(&self.config.data_dir)?;
            data.check_database(&database)?;
            let is_new = is_new(&self.config);
            // On a full disk SQLite finds no room for the index of its log.
            let db = match Db::open(&self.config.db_settings()).await {
                Err(_) if Ballast::of(&data).ease() => Db::open(&self.config.db_settings()).await,
                outcome => outcome,
            }?;
            if is_new {
                say(&format!("began a new library in `{}`", data.root().display()));
            }
            return Ok(db);
        }
        Ok(Db::open(&self.config.db_settings()).await?)
    }

    /// The files and their rows together, for a command that makes room: on a full disk the ballast is for it.
    pub(super) async fn library(&self) -> Result<Library, CommandError> {
        let db = self.db().await?.clone();
        Ballast::of(&DataDir::prepare(&self.config.data_dir)?).ease();
        Ok(app::open_library(&self.config, db)?)
    }

    /// Warns where files that this command makes would be closed to the server.
    pub(super) fn warn_of_root(&self) {
        if let Some(warning) = root_warning(&self.config) {
            warn(&warning);
        }
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

    /// How hosted URLs begin: as is set, or as the server on this data directory says, or as one would that listens
    /// where it is told to.
    pub(super) fn public_base(&self, doubt: Doubt) -> String {
        let config = &self.config;
        if config.public_url.is_none() {
            if let Some(announced) = announced_base(&config.data_dir) {
                return announced;
            }
            let base = config.public_base(config.listen);
            let place = config.data_dir.display();
            if config.listen.port() == 0 {
                warn(&format!(
                    "no server runs in `{place}`, and the next one picks its port: hosted URLs begin with {base} and \
                     lead nowhere yet"
                ));
            } else if doubt == Doubt::Told {
                warn(&format!("no server runs in `{place}`: the hosted URL works once one listens on {base}"));
            }
        }
        config.public_base(config.listen)
    }
}

/// Whether opening the database makes it anew.
pub(super) fn is_new(config: &Config) -> bool {
    let has_content = |found: fs::Metadata| found.len() > 0;
    config.database.url.is_none() && !fs::metadata(config.database_file()).is_ok_and(has_content)
}

/// One sentence where root is about to write into somebody else's data directory.
pub(super) fn root_warning(config: &Config) -> Option<String> {
    let user = owner::other_than_root(&config.data_dir)?;
    let place = config.data_dir.display();
    Some(format!(
        "this runs as root, and the data directory `{place}` belongs to {user}, to whom files of root's are closed: run it \
         as that user"
    ))
}

/// Whether it is said that no server listens where a hosted URL leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Doubt {
    Told,
    /// Only where no server ever will.
    Kept,
}

/// The name of the account that is made where there is none.
pub(super) const DEFAULT_ACCOUNT: &str = "default";

/// Makes the first account where there is none; `None` where there is one.
pub(super) async fn first_account(db: &Db, now: Timestamp) -> Result<Option<Account>, CommandError> {
    if db.any_account().await? {
        return Ok(None);
    }
    let account = Account {
        id: AccountId::random(),
        name: DEFAULT_ACCOUNT.to_owned(),
        subscription: Subscription { state: SubscriptionState::Active, period_end: None },
        role: Role::Member,
        created: now,
    };
    match db.insert_account(&account).await {
        Ok(()) => Ok(Some(account)),
        // Another process was faster.
        Err(DbError::AlreadyExists { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
