//! A whole server for one test: its own data directory, its own port, its own clock, and a source to fetch from.

pub(crate) mod answer;
pub(crate) mod log;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use answer::Answer;
use serde_json::json;
use soku_server::account::{Account, Role, Subscription, SubscriptionState};
use soku_server::app::{self, App};
use soku_server::clock::{Clock, Timestamp};
use soku_server::config::{Config, Environment, Flags};
use soku_server::db::KeyRow;
use soku_server::id::{AccountId, ApiKey, KeyId};
use soku_testkit::Origin;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Noon of the seed's example day: the clock of every test stands here until the test moves it.
pub(crate) const NOON: Timestamp = Timestamp(1_772_280_000_000);

pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) origin: Origin,
    pub(crate) data: TempDir,
    client: reqwest::Client,
    stop: CancellationToken,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl TestApp {
    /// A server with the default settings, allowed to fetch from 127.0.0.1.
    pub(crate) async fn start() -> TestApp {
        TestApp::with(&[]).await
    }

    /// The same with some settings changed, by their environment names.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> TestApp {
        let data = tempfile::tempdir().expect("a directory");
        TestApp::on(data, NOON, settings).await
    }

    /// A server on a data directory that may have had a life before.
    pub(crate) async fn on(data: TempDir, now: Timestamp, settings: &[(&str, &str)]) -> TestApp {
        let mut pairs: Vec<(String, String)> = vec![
            ("SOKU_DATA_DIR".to_owned(), data.path().display().to_string()),
            ("SOKU_FETCH_ALLOW_NETWORKS".to_owned(), "127.0.0.1/32".to_owned()),
        ];
        pairs.extend(backend_settings(data.path()));
        pairs.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        // Before the app: it installs what every TLS client of the process needs, the store's too.
        let client = client();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let environment = pairs.iter().fold(Environment::default(), |all, (name, value)| all.with(name, value));
        let config = Config::load(&Flags::default(), &environment).expect("the test's settings are valid").config;
        let clock = Clock::manual(now);
        let app = app::build(&config, clock.clone(), config.public_base(address)).await.expect("the app starts");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(app::serve(Arc::clone(&app), listener, None, stop.clone()));
        TestApp { app, address, clock, origin: Origin::start().await, data, client, stop, serving: Some(serving) }
    }

    /// A key of a new account with a live subscription.
    pub(crate) async fn subscribed(&self) -> ApiKey {
        self.account(SubscriptionState::Active, None, Role::Member).await.1
    }

    /// A new account and a key of it.
    pub(crate) async fn account(
        &self,
        state: SubscriptionState,
        period_end: Option<Timestamp>,
        role: Role,
    ) -> (Account, ApiKey) {
        let id = AccountId::random();
        let account = Account {
            name: format!("test-{id}"),
            id,
            subscription: Subscription { state, period_end },
            role,
            created: self.clock.now(),
        };
        self.app.api.db.insert_account(&account).await.expect("the account is new");
        let key = self.key_of(&account).await.1;
        (account, key)
    }

    /// One more key of an account.
    pub(crate) async fn key_of(&self, account: &Account) -> (KeyId, ApiKey) {
        let key = ApiKey::random();
        let row = KeyRow {
            id: KeyId::random(),
            account_id: account.id.clone(),
            label: "test".to_owned(),
            preview: key.preview(),
            created: self.clock.now(),
            revoked: None,
        };
        self.app.api.db.insert_key(&row, &key.digest()).await.expect("the key is new");
        (row.id, key)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request to this server, to be completed and handed to [`TestApp::send`].
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { self.url(path) };
        self.client.request(method.parse().expect("a method"), url)
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::read(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    /// `POST /v1/media` for a URL.
    pub(crate) async fn import(&self, key: &ApiKey, url: &str) -> Answer {
        self.send(self.import_request(key, url)).await
    }

    /// `POST /v1/media` for a URL with an idempotency key of the caller's.
    pub(crate) async fn import_as(&self, key: &ApiKey, url: &str, idempotency_key: &str) -> Answer {
        self.send(self.import_request(key, url).header("Idempotency-Key", idempotency_key)).await
    }

    pub(crate) fn import_request(&self, key: &ApiKey, url: &str) -> reqwest::RequestBuilder {
        self.request("POST", "/v1/media")
            .header("soku-api-key", key.reveal())
            .header("Content-Type", "application/json")
            .body(json!({ "url": url }).to_string())
    }

    /// `POST /v1/media` for a path of this test's source.
    pub(crate) async fn import_path(&self, key: &ApiKey, path: &str) -> Answer {
        self.import(key, &self.origin.url(path)).await
    }

    /// Sends raw bytes on a new connection and reads until the server closes it.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.expect("the server listens");
        stream.write_all(bytes).await.expect("the server reads");
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        // A reset behind an answer is an end too.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(20), read).await.expect("the server answers");
        answer
    }

    /// Every file below the data directory's media and spool folders, sorted, by relative path.
    pub(crate) fn stored_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for folder in ["media", "spool"] {
            collect(&self.data.path().join(folder), &mut files);
        }
        files.retain(|file| file.file_name().is_some_and(|name| name.len() == 32));
        files.sort();
        files
    }

    /// Tells the server to stop, as SIGTERM does.
    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops the server as SIGTERM does, and gives back its data directory.
    pub(crate) async fn stop(mut self) -> TempDir {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            serving.await.expect("the server ends without a panic");
        }
        let unused = tempfile::tempdir().expect("a directory");
        std::mem::replace(&mut self.data, unused)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn collect(folder: &std::path::Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}

/// The database and storage that the environment chooses: SQLite and files without any, else as `scripts/test` says.
fn backend_settings(data: &std::path::Path) -> Vec<(String, String)> {
    let unique = data.file_name().expect("a name").to_string_lossy().to_lowercase().replace('.', "");
    let mut pairs = Vec::new();
    let variable = |name: &str| std::env::var(name).ok();
    let pair = variable("SOKU_TEST_PAIR").unwrap_or_default();
    if pair.starts_with("postgres") {
        let url = variable("SOKU_TEST_POSTGRES_URL").expect("SOKU_TEST_POSTGRES_URL goes with SOKU_TEST_PAIR");
        pairs.push(("SOKU_DATABASE_URL".to_owned(), own_database(&url, &unique)));
    }
    if pair.ends_with("s3") {
        let bucket = variable("SOKU_TEST_S3_BUCKET").expect("SOKU_TEST_S3_BUCKET goes with SOKU_TEST_PAIR");
        let take = |name: &str| variable(name).unwrap_or_else(|| panic!("{name} goes with SOKU_TEST_PAIR"));
        pairs.push(("SOKU_STORAGE_URL".to_owned(), format!("s3://{bucket}/{unique}")));
        pairs.push(("SOKU_STORAGE_ENDPOINT".to_owned(), take("SOKU_TEST_S3_ENDPOINT")));
        pairs.push(("SOKU_STORAGE_ALLOW_HTTP".to_owned(), "true".to_owned()));
        pairs.push(("SOKU_STORAGE_PATH_STYLE".to_owned(), "true".to_owned()));
        pairs.push(("AWS_ACCESS_KEY_ID".to_owned(), take("SOKU_TEST_S3_ACCESS_KEY_ID")));
        pairs.push(("AWS_SECRET_ACCESS_KEY".to_owned(), take("SOKU_TEST_S3_SECRET_ACCESS_KEY")));
    }
    pairs
}

/// Makes a database of this test's own, so that tests run side by side.
fn own_database(url: &str, unique: &str) -> String {
    let status = std::process::Command::new("psql")
        .args(["--quiet", "--no-psqlrc", "--dbname", url, "--command"])
        .arg(format!("CREATE DATABASE \"test_{unique}\""))
        .status()
        .expect("psql starts");
    assert!(status.success() || status.code() == Some(1), "psql: {status}");
    let (server, _) = url.rsplit_once('/').expect("a database in the URL");
    format!("{server}/test_{unique}")
}

fn client() -> reqwest::Client {
    static PROVIDER: std::sync::Once = std::sync::Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client")
}
