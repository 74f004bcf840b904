//! The rooms that the routes lead to, as one state that every handler shares. `app` fills it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::db::Db;
use crate::http::health::Pulse;
use crate::ingest::Ingest;
use crate::library::Library;
use crate::media::Media;
use crate::store::{ObjectKey, Store};

/// What the handlers work with.
pub struct Api {
    pub clock: Clock,
    pub db: Db,
    pub store: Store,
    /// Whether the store answered when somebody last wanted to know.
    pub pulse: Pulse,
    pub library: Library,
    pub admission: Arc<Admission>,
    pub ingest: Ingest,
    pub settings: ApiSettings,
    /// Set once, when the server begins to stop.
    pub stopping: AtomicBool,
}

/// What the handlers need to know beside the rooms.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// The base of hosted URLs, without a slash at its end.
    pub public_base: String,
    /// The largest request body, in bytes; more is 413.
    pub max_body_bytes: usize,
    /// How long a request body may take to arrive; longer is 408.
    pub request_timeout: Duration,
}

impl Api {
    /// The public URL of a media entry.
    #[must_use]
    pub fn hosted_url(&self, media: &Media) -> String {
        format!("{}/{}", self.settings.public_base, ObjectKey::of(media).url_path())
    }

    /// Whether the server is on its way out.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
