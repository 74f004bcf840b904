//! `soku serve`: the server, from its first start to its last answer.

mod open_files;

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::output::print;
use super::rooms::{DEFAULT_ACCOUNT, first_account, is_new, root_warning};
use super::{CommandError, FAILED};
use crate::account::Account;
use crate::app::{self, App};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, base_of};
use crate::db::Db;
use crate::id::ApiKey;
use crate::store::{DataDir, ServeLock};
use crate::telemetry::traces::Exporter;
use crate::telemetry::{Causes, Traces};

/// Where the first key waits for whoever started the server, when nobody watched.
const FIRST_KEY: &str = "first-key";

const SERVE_HELP: &str = "\
On a data directory without an account the first start makes the account `default` with one API key, and shows the key
this once: on stdout, or, where stdout is no terminal, in the file `first-key` of the data directory.

SIGTERM and SIGINT stop it: running downloads are finished for at most --http-stop-grace. A second signal ends it at once.";

/// Runs the server
#[derive(Args)]
#[command(after_help = SERVE_HELP)]
pub(super) struct Serve {
    /// Print the first key on stdout, also where that is no terminal
    #[arg(long)]
    print_key: bool,
}

/// Where the first key is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Showing {
    Stdout,
    File,
}

/// Serves until it is told to stop.
pub(super) async fn perform(serve: &Serve, config: &Config, traces: Option<Traces>) -> Result<(), CommandError> {
    let config = &open_files::fit(config)?;
    let stop = stop_signals()?;
    if let Some(warning) = root_warning(config) {
        warn!("{warning}");
    }
    let data = DataDir::prepare(&config.data_dir)?;
    let is_new = is_new(config);
    let mut lock = ServeLock::take(&data)?;
    let listen =
        |source| CommandError::Listen { address: config.listen, variable: "SOKU_LISTEN", flag: "listen", source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let metrics = listen_for_metrics(config).await?;
    let exporter = traces.map(Exporter::new).transpose()?;
    let public_base = config.public_base(address);
    let app = app::build(config, Clock::System, public_base.clone()).await?;
    lock.announce(&public_base);
    if is_new {
        info!("Began a new library in `{}`", data.root().display());
    }

    announce(config, data.root(), address);
    let showing = if serve.print_key || io::stdout().is_terminal() { Showing::Stdout } else { Showing::File };
    let now = app.api.clock.now();
    if let Some((account, key)) = first_key(&app.api.db, now).await? {
        show(&account, &key, showing, data.root(), address)?;
    }
    let places = match config.storage.url {
        Some(_) => "SOKU_STORAGE_URL, SOKU_STORAGE_ENDPOINT, SOKU_STORAGE_REGION and the AWS_ variables",
        None => "the data directory, whose it is and what it allows",
    };
    tokio::spawn(ask_storage(Arc::clone(&app), places));
    let no_more = CancellationToken::new();
    let exporting = exporter.map(|exporter| tokio::spawn(exporter.run(no_more.clone())));
    app::serve(app, listener, metrics, stop).await;
    no_more.cancel();
    if let Some(Err(panicked)) = OptionFuture::from(exporting).await {
        error!("Sending traces panicked: {panicked}");
    }
    info!("Stopped");
    Ok(())
}

/// Says at once what the first upload or probe would find out: a server without its storage starts all the same, because a
/// bucket may come later. `places` are where the cause may lie.
async fn ask_storage(app: Arc<App>, places: &'static str) {
    if let Err(cause) = app.api.store.ping().await {
        error!(
            "The storage does not answer: {}: until it does, uploads fail and hosted files are not served; look at {places}",
            Causes(&cause)
        );
    }
}

/// The listener for metrics, where one is wanted.
async fn listen_for_metrics(config: &Config) -> Result<Option<TcpListener>, CommandError> {
    let Some(address) = config.metrics.listen else { return Ok(None) };
    let (variable, flag) = ("SOKU_METRICS_LISTEN", "metrics-listen");
    let listen = |source| CommandError::Listen { address, variable, flag, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    info!("Serving metrics on http://{}/metrics", listener.local_addr().map_err(listen)?);
    Ok(Some(listener))
}

/// Says where the server is, and by what rules it fetches (rule C2).
fn announce(config: &Config, data: &Path, address: SocketAddr) {
    let public_url = config.public_base(address);
    info!(public_url, data_dir = %data.display(), "Listening on http://{address}");
    let fetch = &config.fetch;
    let or_none = |networks: String| if networks.is_empty() { "none".to_owned() } else { networks };
    info!(
        allowed_networks = or_none(fetch.allow_networks.to_string()),
        denied_networks = or_none(fetch.deny_networks.to_string()),
        allowed_ports = ?fetch.allow_ports,
        "Fetching from public addresses and from the allowed networks"
    );
    if let Some(endpoint) = &config.traces.endpoint {
        info!("Sending traces of requests to {endpoint}");
    }
    for warning in config.warnings(address) {
        warn!("{warning}");
    }
}

/// The first key of all, where there is none yet: of the account that is made for it, or that an import made before.
async fn first_key(db: &Db, now: Timestamp) -> Result<Option<(Account, ApiKey)>, CommandError> {
    let account = match first_account(db, now).await? {
        Some(account) => account,
        None => match db.list_accounts().await?.as_slice() {
            [only] if only.name == DEFAULT_ACCOUNT && db.list_keys(&only.id).await?.is_empty() => only.clone(),
            _ => return Ok(None),
        },
    };
    let (_, key) = super::key::create(db, &account, "first key".to_owned(), now).await?;
    Ok(Some((account, key)))
}

fn show(
    account: &Account,
    key: &ApiKey,
    showing: Showing,
    data: &Path,
    address: SocketAddr,
) -> Result<(), CommandError> {
    let text = first_words(key, &base_of(address));
    let name = &account.name;
    if showing == Showing::Stdout {
        info!("Made the first API key, of the account `{name}`; it is shown this once:");
        if print(&text).is_ok() {
            return Ok(());
        }
        warn!("Could not write to stdout");
    }
    let path = data.join(FIRST_KEY);
    write_private(&path, &text).map_err(|source| CommandError::FirstKey { path: path.clone(), source })?;
    info!("Made the first API key, of the account `{name}`; it is in `{}`", path.display());
    Ok(())
}

/// The key, and a line to paste that takes in a first file.
fn first_words(key: &ApiKey, base: &str) -> String {
    let key = key.reveal();
    format!(
        "{key}\n\n\
         curl -X POST {base}/v1/media \\\n  \
           -H 'Content-Type: application/json' \\\n  \
           -H 'soku-api-key: {key}' \\\n  \
           -d '{{\"url\": \"https://www.rust-lang.org/logos/rust-logo-512x512.png\"}}'\n"
    )
}

/// Writes a file that only this user can read, durably.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // One that was there before keeps its mode otherwise.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Cancelled by the first SIGTERM or SIGINT; a second one ends the process.
fn stop_signals() -> Result<CancellationToken, CommandError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Signals)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if stopping.is_cancelled() {
                warn!("Got {name} again: ending at once");
                std::process::exit(FAILED.into());
            }
            info!("Got {name}: finishing what runs; a second signal ends at once");
            stopping.cancel();
        }
    });
    Ok(stop)
}
