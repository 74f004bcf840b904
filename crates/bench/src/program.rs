//! The measured program: started on a data directory of its own, stopped when dropped.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

pub(crate) struct Program {
    program: PathBuf,
    settings: &'static [(&'static str, &'static str)],
    child: Child,
    pub(crate) address: String,
    pub(crate) key: String,
    pub(crate) data: TempDir,
}

impl Program {
    /// Starts `soku serve` with what a benchmark must lift (rate limits, the per-account cap) and nothing else changed.
    pub(crate) fn start(program: &Path) -> Result<Program> {
        Program::start_with(program, &[])
    }

    /// Starts it with further settings, as variables.
    pub(crate) fn start_with(program: &Path, settings: &'static [(&'static str, &'static str)]) -> Result<Program> {
        let data = tempfile::Builder::new().prefix("soku-bench-").tempdir_in(std::env::current_dir()?)?;
        let child = Program::spawn(program, settings, data.path())?;
        let (address, key) = (String::new(), String::new());
        let mut started = Program { program: program.to_owned(), settings, child, address, key, data };
        started.await_address()?;
        started.key = started.await_key()?;
        Ok(started)
    }

    /// Ends it as an operator would, and waits for that.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().context("could not start kill")?;
        ensure!(status.success(), "kill ended with {status}");
        self.child.wait()?;
        Ok(())
    }

    /// Starts it anew on the same data, at another address.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.child = Program::spawn(&self.program, self.settings, self.data.path())?;
        self.await_address()
    }

    fn spawn(program: &Path, settings: &[(&str, &str)], data: &Path) -> Result<Child> {
        let log = std::fs::File::create(data.join("log"))?;
        Command::new(program)
            .arg("serve")
            .env("SOKU_DATA_DIR", data.join("data"))
            .env("SOKU_LISTEN", "127.0.0.1:0")
            .env("SOKU_FETCH_ALLOW_NETWORKS", "127.0.0.1/32")
            .env("SOKU_RATE_LIMIT_ENABLED", "false")
            .env("SOKU_DOWNLOADS_AT_ONCE_PER_ACCOUNT", "256")
            .env("SOKU_LOG_LEVEL", "warn,soku_server::cli=info,soku=info")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))
    }

    /// Reads the first key, which is written when the program listens already.
    fn await_key(&self) -> Result<String> {
        let key_file = self.data.path().join("data/first-key");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = std::fs::read_to_string(&key_file).unwrap_or_default();
            if let Some(key) = text.find("sk_live_").and_then(|start| text.get(start..start + 40)) {
                return Ok(key.to_owned());
            }
            ensure!(Instant::now() < deadline, "no key in {}", key_file.display());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Reads the address from the log line that says it.
    fn await_address(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let log = self.data.path().join("log");
        while Instant::now() < deadline {
            let mut text = String::new();
            std::fs::File::open(&log)?.read_to_string(&mut text)?;
            if let Some(at) = text.find("http://127.0.0.1:") {
                let rest = &text[at + 7..];
                let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap_or(rest.len());
                if end < rest.len() {
                    rest[..end].clone_into(&mut self.address);
                    return Ok(());
                }
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the program ended at once ({status}):\n{text}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the program did not say where it listens")
    }

    /// A figure of `/proc/<pid>/status` in MB, such as `VmRSS` or `VmHWM`.
    pub(crate) fn memory_mb(&self, field: &str) -> Result<f64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
        let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// The same program on the same data, for a command beside it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("SOKU_DATA_DIR", self.data_dir());
        command
    }

    /// How many files, sockets included, it has open.
    pub(crate) fn open_files(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// What it wrote to its log since it was started.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.data.path().join("log"))?)
    }

    /// What it holds, and what the kernel holds for all connections of this machine, in MB.
    pub(crate) fn memory_with_sockets_mb(&self) -> Result<(f64, f64)> {
        let text = std::fs::read_to_string("/proc/net/sockstat")?;
        let pages = text.lines().find_map(|line| line.strip_prefix("TCP:")).and_then(|line| line.rsplit(' ').next());
        let pages: f64 = pages.context("no `TCP:` in /proc/net/sockstat")?.trim().parse()?;
        Ok((self.memory_mb("VmRSS")?, pages * rustix::param::page_size() as f64 / 1e6))
    }

    /// Where uploads of this program end up, to clear between rounds.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data.path().join("data")
    }
}

/// Waits until the server has no more files open than these, and a few.
pub(crate) async fn await_closed(server: &Program, files: usize) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.open_files()? > files + 10 {
        ensure!(Instant::now() < deadline, "the server keeps {} files open", server.open_files()?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
