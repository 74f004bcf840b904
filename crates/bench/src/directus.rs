//! Import by URL, against the same of Directus (`POST /files/import`) with its SQLite database and its local storage: the same
//! files from the same source. Directus syncs no file to the disk; its other defaults stay, but for limits, cache and telemetry.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::http::Client;
use crate::probe::{Importer, milliseconds};
use crate::program::Program;
use crate::report::{Mark, Row};
use crate::source::{MP4, Source};

/// A real photo, which noise after its end makes as large as others: Directus looks into photos.
const PHOTO: &[u8] = include_bytes!("../../testkit/samples/photo.jpg");
const SIZE: usize = 74_000;
const LARGE: usize = 100_000_000;
const CLIENTS: usize = 16;
const ROUNDS: usize = 5;
/// Files of one round: each side takes some seconds.
const FILES: usize = 1_000;
const FILES_DIRECTUS: usize = 200;
const TOKEN: &str = "bench-token";

pub(crate) async fn measure(program: &Path, installed: &Path) -> Result<Vec<Row>> {
    let directus = Directus::start(installed).await?;
    let server = Program::start(program)?;
    let soku = Importer::soku(&server);
    let peer = Importer { address: directus.address(), request: Arc::new(request), status: 200 };

    let photos = Source::start(PHOTO, SIZE, "image/jpeg").await?;
    let films = Source::start(MP4, LARGE, "video/mp4").await?;
    let [mut rates, mut peer_rates, mut times, mut peer_times] = [const { Vec::new() }; 4];
    for round in 0..=ROUNDS {
        let peer_rate = peer.rate(&photos, round * FILES, FILES_DIRECTUS, CLIENTS).await?;
        let soku_rate = soku.rate(&photos, round * FILES, FILES, CLIENTS).await?;
        let peer_time = time(&peer, &films.url(round, "mp4")).await?;
        let soku_time = time(&soku, &films.url(round, "mp4")).await?;
        directus.forget_files()?;
        eprintln!(
            "directus, round {round}: soku {soku_rate:.0} files/s, Directus {peer_rate:.0}; 100 MB {soku_time:.0} ms, Directus {peer_time:.0}"
        );
        if round > 0 {
            rates.push(soku_rate);
            peer_rates.push(peer_rate);
            times.push(soku_time);
            peer_times.push(peer_time);
        }
    }
    let baseline = format!("Directus {}, `POST /files/import`", directus.version);
    Ok(vec![
        Row {
            work: format!("74 kB JPEG by URL, {CLIENTS} clients, beside a peer"),
            baseline: baseline.clone(),
            subject: rates,
            against: peer_rates,
            unit: "files/s",
            mark: Mark::AtLeast(1.0),
        },
        Row {
            work: "100 MB video by URL, one client, beside a peer".to_owned(),
            baseline,
            subject: times,
            against: peer_times,
            unit: "ms",
            mark: Mark::AtMost(1.0),
        },
    ])
}

fn request(url: &str) -> String {
    let body = format!("{{\"url\":\"{url}\"}}");
    format!(
        "POST /files/import HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The milliseconds of one file.
async fn time(importer: &Importer, url: &str) -> Result<f64> {
    let mut client = Client::connect(&importer.address).await?;
    let started = Instant::now();
    importer.import(&mut client, url).await?;
    Ok(milliseconds(started))
}

/// Directus on data of its own, stopped when dropped.
struct Directus {
    child: Child,
    port: u16,
    version: String,
    data: TempDir,
}

impl Directus {
    async fn start(installed: &Path) -> Result<Directus> {
        let modules = installed.join("node_modules");
        let package =
            std::fs::read_to_string(modules.join("directus/package.json")).context("Directus is not there")?;
        let version = package.split("\"version\": \"").nth(1).and_then(|rest| rest.split('"').next());
        let version = version.context("Directus has no version")?.to_owned();
        // Not `directus` itself, which asks the registry for a newer one first.
        let program = modules.join("@directus/api/dist/cli/run.js");

        let data = tempfile::Builder::new().prefix("soku-bench-directus-").tempdir_in(std::env::current_dir()?)?;
        std::fs::write(data.path().join("package.json"), "{}")?;
        for folder in ["uploads", "extensions"] {
            std::fs::create_dir(data.path().join(folder))?;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let status = Directus::command(&program, data.path(), port, "bootstrap")?
            .status()
            .context("could not start node (Debian: apt-get install nodejs)")?;
        ensure!(status.success(), "`directus bootstrap` ended with {status}:\n{}", log(data.path()));
        let child = Directus::command(&program, data.path(), port, "start")?.spawn()?;
        let directus = Directus { child, port, version, data };
        directus.await_pong().await?;
        Ok(directus)
    }

    fn command(program: &Path, data: &Path, port: u16, act: &str) -> Result<Command> {
        let log = std::fs::File::options().create(true).append(true).open(data.join("log"))?;
        let mut command = Command::new("node");
        command
            .arg(program)
            .arg(act)
            .current_dir(data)
            .env("NODE_ENV", "production")
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("PUBLIC_URL", format!("http://127.0.0.1:{port}"))
            .env("SECRET", "a secret of the benchmark")
            .env("DB_CLIENT", "sqlite3")
            .env("DB_FILENAME", data.join("data.db"))
            .env("ADMIN_EMAIL", "bench@example.com")
            .env("ADMIN_PASSWORD", "bench-password")
            .env("ADMIN_TOKEN", TOKEN)
            .env("STORAGE_LOCATIONS", "local")
            .env("STORAGE_LOCAL_DRIVER", "local")
            .env("STORAGE_LOCAL_ROOT", data.join("uploads"))
            .env("EXTENSIONS_PATH", data.join("extensions"))
            .env("IMPORT_IP_DENY_LIST", "")
            .env("RATE_LIMITER_ENABLED", "false")
            .env("CACHE_ENABLED", "false")
            .env("TELEMETRY", "false")
            .env("LOG_LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }

    async fn await_pong(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        while Instant::now() < deadline {
            if let Ok(mut client) = Client::connect(&self.address()).await
                && client.get("/server/ping").await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("Directus does not answer:\n{}", log(self.data.path()))
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Frees the disk between rounds.
    fn forget_files(&self) -> Result<()> {
        for entry in std::fs::read_dir(self.data.path().join("uploads"))? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

fn log(data: &Path) -> String {
    std::fs::read_to_string(data.join("log")).unwrap_or_default()
}

impl Drop for Directus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
