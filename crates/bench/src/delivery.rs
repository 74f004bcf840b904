//! Delivery of stored files, against nginx with the better of two settings.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::http::{Client, hosted_url};
use crate::program::Program;
use crate::report::{Mark, Row, median};
use crate::source::{JPEG, MP4, Source, media};

const ROUNDS: usize = 5;
const SECONDS: &str = "4s";
const CONNECTIONS: &str = "16";

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let server = Program::start(program)?;
    let nginx = [
        Nginx::start("sendfile on; tcp_nopush off;", "`sendfile on; tcp_nopush off`")?,
        Nginx::start("sendfile off; output_buffers 2 128k;", "`sendfile off; output_buffers 2 128k`")?,
    ];
    let mut rows = Vec::new();
    for (name, magic, size, extension, content_type) in
        [("74 kB", JPEG, 74_000, "jpg", "image/jpeg"), ("20 MB", MP4, 20_000_000, "mp4", "video/mp4")]
    {
        let source = Source::start(magic, size, content_type).await?;
        let mut client = Client::connect(&server.address).await?;
        let url = hosted_url(&client.import(&server.key, &source.url(0, extension)).await?)?;
        for nginx in &nginx {
            std::fs::write(nginx.dir.path().join(format!("file.{extension}")), media(magic, size))?;
        }
        let mut subject = Vec::new();
        let mut against = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            let rate = wrk(&url)?;
            let baselines =
                [wrk(&nginx[0].url(&format!("file.{extension}")))?, wrk(&nginx[1].url(&format!("file.{extension}")))?];
            eprintln!(
                "delivery, {name}, round {round}: soku {rate:.0}/s, nginx {:.0}/s and {:.0}/s",
                baselines[0], baselines[1]
            );
            if round > 0 {
                subject.push(rate);
                against[0].push(baselines[0]);
                against[1].push(baselines[1]);
            }
        }
        let better = usize::from(median(&against[1]) > median(&against[0]));
        rows.push(Row {
            work: format!("`GET` of {name}, {CONNECTIONS} connections"),
            baseline: format!("nginx at its better setting, {}", nginx[better].setting),
            subject,
            against: std::mem::take(&mut against[better]),
            unit: "requests/s",
            mark: Mark::AtLeast(0.7),
        });
    }
    Ok(rows)
}

/// Requests a second over some seconds.
fn wrk(url: &str) -> Result<f64> {
    let output = Command::new("wrk")
        .args(["-t1", "-c", CONNECTIONS, "-d", SECONDS, url])
        .output()
        .context("could not start wrk (Debian: apt-get install wrk)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(!text.contains("Non-2xx"), "wrk saw errors:\n{text}");
    let Some(rate) = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")) else {
        bail!("wrk said no rate:\n{text}");
    };
    Ok(rate.trim().parse()?)
}

/// nginx with a configuration of its own, on a free port, stopped when dropped.
struct Nginx {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
    setting: &'static str,
}

impl Nginx {
    fn start(lines: &str, setting: &'static str) -> Result<Nginx> {
        let dir = tempfile::Builder::new().prefix("soku-bench-nginx-").tempdir_in(std::env::current_dir()?)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let root = dir.path().display();
        let config = format!(
            "daemon off; master_process on; worker_processes auto; pid {root}/pid; error_log {root}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; {lines} keepalive_requests 1000000; types {{ image/jpeg jpg; video/mp4 mp4; }}\n\
             client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
             server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
        );
        std::fs::write(dir.path().join("nginx.conf"), config)?;
        // Its workers are another user: they must be able to reach the files.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), mode)?;
        let child = Command::new("nginx")
            .arg("-c")
            .arg(dir.path().join("nginx.conf"))
            .arg("-e")
            .arg(dir.path().join("error.log"))
            .stdin(Stdio::null())
            .spawn()
            .context("could not start nginx (Debian: apt-get install nginx-light)")?;
        let nginx = Nginx { child, port, dir, setting };
        nginx.await_port()?;
        Ok(nginx)
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark asks whether the baseline that it started listens")]
    fn await_port(&self) -> Result<()> {
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        bail!("nginx does not listen")
    }

    fn url(&self, file: &str) -> String {
        format!("http://127.0.0.1:{}/{file}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master must have the time to end its workers: a killed one leaves them behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
