//! Builds every part from the configuration, and runs them together: the only file that knows all of them.

mod parts;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::admission::{Admission, Upkeep};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::http::api::Api;
use crate::http::connection::{self, ConnectionSettings};
use crate::http::door::Door;
use crate::http::health::Pulse;
use crate::ingest::{self, Ingest};
use crate::library::{Library, LibrarySettings};
use crate::store::{Ballast, DataDir, Room};
use crate::telemetry::Causes;

pub use parts::StartError;

/// How long connections may take to end after the last download has.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Those who look at metrics are few, and must not take the files that the work needs.
const METRICS_CONNECTIONS: usize = 8;

/// How often what other processes left behind is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// A running server (or one import on the command line): the rooms, and what keeps them up.
pub struct App {
    pub api: Arc<Api>,
    outside: Outside,
    upkeep: Mutex<Option<Running>>,
}

/// How the server treats who connects.
struct Outside {
    trusted_proxies: Vec<IpNet>,
    connection: ConnectionSettings,
    stop_grace: Duration,
}

/// The tasks that renew claims and save windows, and how to end them.
struct Running {
    until: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens database, store and library, clears what dead processes left, and starts the upkeep.
///
/// `public_base` is how hosted URLs begin. Where the disk is full, the ballast makes room for it.
///
/// # Errors
/// [`StartError`] names the part that could not be opened and why.
pub async fn build(config: &Config, clock: Clock, public_base: String) -> Result<Arc<App>, StartError> {
    let data = DataDir::prepare(&config.data_dir)?;
    if config.database.url.is_none() {
        data.check_database(&config.database_file())?;
    }
    match build_in(config, clock.clone(), public_base.clone(), data.clone()).await {
        Err(_) if Ballast::of(&data).ease() => build_in(config, clock, public_base, data).await,
        outcome => outcome,
    }
}

async fn build_in(config: &Config, clock: Clock, public_base: String, data: DataDir) -> Result<Arc<App>, StartError> {
    let owner = crate::id::OwnerId::random();
    let room = Room::enter(&data, owner.clone())?;
    let db = Db::open(&config.db_settings()).await?;
    let store = parts::store(config, &data, room.clone())?;
    let library = Library::new(db.clone(), store.clone(), data, room.clone(), &LibrarySettings::default());
    library.sweep().await?;

    let (admission, upkeep) = Admission::open(parts::admission(config), db.clone(), clock.clone(), owner).await?;
    let fetcher = parts::fetcher(config, &public_base)?;
    let ingest = Ingest::new(ingest::Parts {
        clock: clock.clone(),
        admission: Arc::clone(&admission),
        fetcher,
        room,
        store: store.clone(),
        db: db.clone(),
    });
    let api = Api {
        clock,
        db,
        store,
        pulse: Pulse::default(),
        library,
        admission,
        ingest,
        settings: parts::api(config, public_base),
        stopping: AtomicBool::new(false),
    };
    let app = Arc::new(App { api: Arc::new(api), outside: parts::outside(config), upkeep: Mutex::new(None) });
    app.start_upkeep(upkeep);
    Ok(app)
}

/// Opens the library alone, for commands that neither fetch nor serve.
///
/// # Errors
/// As [`build`].
pub fn open_library(config: &Config, db: Db) -> Result<Library, StartError> {
    let data = DataDir::prepare(&config.data_dir)?;
    let room = Room::enter(&data, crate::id::OwnerId::random())?;
    let store = parts::store(config, &data, room.clone())?;
    Ok(Library::new(db, store, data, room, &LibrarySettings::default()))
}

/// Serves `app` on `listener` until `stop` is cancelled, then in order: no new connection, no new download; what runs is
/// finished or, after the grace period, interrupted; the windows are saved and the database is closed.
///
/// Metrics are served on `metrics`, where there is such a listener, to the very end.
pub async fn serve(app: Arc<App>, listener: TcpListener, metrics: Option<TcpListener>, stop: CancellationToken) {
    let (api, outside) = (&app.api, &app.outside);
    let routes = crate::http::routes(Arc::clone(api));
    let door = Door::new(routes, api.clock.clone(), outside.trusted_proxies.clone())
        .with_max_head(outside.connection.max_head_bytes)
        .with_limits(Arc::clone(&api.admission));
    let grace = outside.stop_grace;
    let connections = connection::serve(listener, door, outside.connection, stop.clone(), grace + LAST_ANSWERS);
    let downloads = async {
        stop.cancelled().await;
        api.stopping.store(true, Ordering::Relaxed);
        api.ingest.stop(grace).await;
    };
    let watched = CancellationToken::new();
    let watching = tokio::spawn(serve_metrics(Arc::clone(&app), metrics, watched.clone()));
    tokio::join!(connections, downloads);
    watched.cancel();
    if let Err(panicked) = watching.await {
        error!("Serving metrics panicked: {panicked}");
    }
    app.close().await;
}

/// To the very end: a stop is when somebody looks.
async fn serve_metrics(app: Arc<App>, listener: Option<TcpListener>, stop: CancellationToken) {
    let Some(listener) = listener else { return };
    let routes = crate::http::metrics::routes(Arc::clone(&app.api));
    let door = Door::new(routes, app.api.clock.clone(), Vec::new());
    let connection = ConnectionSettings { max_connections: METRICS_CONNECTIONS, ..app.outside.connection };
    connection::serve(listener, door, connection, stop, Duration::ZERO).await;
}

impl App {
    /// Saves what is only in memory and closes the database. Nothing may be asked of the app after this.
    pub async fn close(&self) {
        let running = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { until, tasks }) = running {
            until.cancel();
            for task in tasks {
                if let Err(panicked) = task.await {
                    error!("A background task panicked: {panicked}");
                }
            }
        }
        self.api.db.close().await;
    }

    fn start_upkeep(self: &Arc<Self>, upkeep: Upkeep) {
        let until = CancellationToken::new();
        let renewing = tokio::spawn(upkeep.run(until.clone()));
        let sweeping = tokio::spawn(sweep_now_and_then(self.api.library.clone(), until.clone()));
        let running = Running { until, tasks: vec![renewing, sweeping] };
        *self.upkeep.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }
}

/// Clears what a process that died meanwhile left: on the same directory the command line may die too.
async fn sweep_now_and_then(library: Library, until: CancellationToken) {
    loop {
        tokio::select! {
            () = until.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        if let Err(cause) = library.sweep().await {
            error!("Could not sweep: {}", Causes(&cause));
        }
    }
}
