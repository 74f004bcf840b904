//! May they, now? Rate limits, the one import that a key stands for, and the fair queue for downloads.

mod client_address;
mod idempotency;
mod limits;
mod turns;
mod upkeep;

use std::sync::Arc;

pub use self::client_address::{client_address, is_trusted};
use self::idempotency::Imports;
pub use self::idempotency::{
    EnterRefused, Entry, IdempotencyKey, IdempotencySettings, InvalidKey, Joined, Outcome, PayloadHash, Ticket,
};
pub use self::limits::{Judged, LimitSettings, Limits, Rate, Subject};
pub use self::turns::{NoTurn, Turn, TurnSettings, Turns};
pub use self::upkeep::Upkeep;
use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::id::{AccountId, OwnerId};

/// The numbers of all three.
#[derive(Clone, Copy, Default, Debug)]
pub struct AdmissionSettings {
    pub limits: LimitSettings,
    pub turns: TurnSettings,
    pub idempotency: IdempotencySettings,
}

/// What stands between a caller and an import.
pub struct Admission {
    pub limits: Limits,
    pub turns: Turns,
    imports: Imports,
}

impl Admission {
    /// Opens it for the process `owner`, with the windows that an earlier one saved. Nothing is renewed or saved unless
    /// the [`Upkeep`] runs.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn open(
        settings: AdmissionSettings,
        db: Db,
        clock: Clock,
        owner: OwnerId,
    ) -> Result<(Arc<Admission>, Upkeep), DbError> {
        let limits = Limits::new(settings.limits, clock.clone());
        limits.load(&db).await?;
        let (imports, chores) = Imports::new(settings.idempotency, db.clone(), clock, owner);
        let admission = Arc::new(Admission { limits, turns: Turns::new(settings.turns), imports });
        let upkeep = Upkeep::new(Arc::clone(&admission), chores, db);
        Ok((admission, upkeep))
    }

    /// Finds out whether a request begins an import, replays one, or joins one under way.
    ///
    /// # Errors
    /// The key has another payload, the server stops, or the database is away.
    pub async fn enter(
        &self,
        account: &AccountId,
        endpoint: Endpoint,
        key: &IdempotencyKey,
        payload: PayloadHash,
    ) -> Result<Entry, EnterRefused> {
        self.imports.enter(account, endpoint, key, payload).await
    }

    /// Lets nothing new begin. Who waits for a turn, or for an import of another process, is told that the server shuts
    /// down; replays are answered, and imports under way go on, with all who joined them.
    pub fn close(&self) {
        self.imports.close();
        self.turns.close();
    }
}

/// The endpoints that have a limit of their own and take idempotency keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Endpoint {
    /// `POST /v1/media`
    Media,
    /// `POST /v1/posts`
    Posts,
    /// `POST /v1/templates`, and its alias `POST /v1/media/render-og`.
    Templates,
}

impl Endpoint {
    pub const ALL: [Endpoint; 3] = [Endpoint::Media, Endpoint::Posts, Endpoint::Templates];

    /// As rows spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Endpoint::Media => "media",
            Endpoint::Posts => "posts",
            Endpoint::Templates => "templates",
        }
    }

    /// The inverse of [`Endpoint::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Endpoint> {
        Endpoint::ALL.into_iter().find(|endpoint| endpoint.as_str() == text)
    }
}
