//! A running `soku serve` on a data directory of its own, and a client of few words.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program while it runs; killed when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) base: String,
    pub(crate) key: String,
    log: PathBuf,
}

/// A directory that outlives its programs.
pub(crate) struct Place {
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a directory"), settings: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Place {
        self.settings.push((name, value.to_owned()));
        self
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the program; it may have had a life here before.
    pub(crate) fn start(&self) -> Program {
        self.start_as(Command::new(env!("CARGO_BIN_EXE_soku")))
    }

    /// Starts `command`, which runs the program, perhaps under a tool that watches it.
    pub(crate) fn start_as(&self, command: Command) -> Program {
        let log = self.folder.path().join(format!("log-{}", self.lives() + 1));
        let child = self.spawn(command);
        let mut program = Program { child, base: String::new(), key: String::new(), log };
        program.base = program.listens();
        program.key = self.first_key();
        program
    }

    /// Starts `command` as [`Place::start_as`] does, and waits for nothing.
    pub(crate) fn spawn(&self, mut command: Command) -> Child {
        let log = self.folder.path().join(format!("log-{}", self.lives() + 1));
        let stderr = File::create(&log).expect("a log file");
        command
            .args(["serve", "--print-key"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SOKU_DATA_DIR", self.data())
            .env("SOKU_LISTEN", "127.0.0.1:0")
            .env("SOKU_LOG_FORMAT", "json")
            .env("SOKU_FETCH_ALLOW_NETWORKS", "127.0.0.1/32")
            .envs(self.settings.iter().map(|(name, value)| (*name, value)))
            // A group of its own, so that no tool's child outlives the test.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(File::options().create(true).append(true).open(self.folder.path().join("stdout")).expect("a file"))
            .stderr(stderr);
        command.spawn().expect("the program starts")
    }

    /// The command line on this data directory.
    pub(crate) fn tool(&self) -> Tool {
        Tool { data: self.data() }
    }

    fn lives(&self) -> usize {
        std::fs::read_dir(self.folder.path())
            .expect("a directory")
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("log-"))
            .count()
    }

    /// The key that the first start printed.
    fn first_key(&self) -> String {
        eventually(|| {
            let text = std::fs::read_to_string(self.folder.path().join("stdout")).ok()?;
            text.lines().next().filter(|line| line.starts_with("sk_live_")).map(str::to_owned)
        })
    }

    /// Every file of the library and the spool whose name is a media id.
    pub(crate) fn stored_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.data().join("media"), self.data().join("spool")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name().len() == 32 {
                    files.push(entry.path());
                }
            }
        }
        files
    }
}

/// Starts commands on a data directory.
pub(crate) struct Tool {
    data: PathBuf,
}

impl Tool {
    /// The program, still without arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_soku"));
        command.env_clear().env("SOKU_DATA_DIR", &self.data);
        command
    }
}

impl Program {
    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn listens(&mut self) -> String {
        let log = self.log.clone();
        eventually(|| {
            let text = std::fs::read_to_string(&log).ok()?;
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the program ended at once ({status}):\n{text}");
            }
            let (_, rest) = text.split_once("Listening on ")?;
            let end = rest.find(['"', '\n', ' '])?;
            Some(rest[..end].to_owned())
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Everything that it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log file")
    }

    /// The first line of the log for which `pick` gives something.
    pub(crate) fn logged<T>(&self, mut pick: impl FnMut(&Value) -> Option<T>) -> T {
        eventually(|| {
            let text = self.log();
            text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| pick(&line))
        })
    }

    pub(crate) async fn import(&self, url: &str) -> (u16, Value) {
        let request = client().post(format!("{}/v1/media", self.base)).header("soku-api-key", &self.key);
        let body = json!({ "url": url }).to_string();
        let answer = request.header("Content-Type", "application/json").body(body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.bytes().await.expect("a whole answer");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    pub(crate) async fn get(&self, url: &str) -> (u16, Vec<u8>) {
        let answer = client().get(url).send().await.expect("an answer");
        (answer.status().as_u16(), answer.bytes().await.expect("a whole answer").to_vec())
    }

    /// Ends it as a power cut would, as far as a process can tell.
    pub(crate) fn kill(mut self) {
        self.kill_group();
        self.child.wait().expect("it ends");
    }

    fn kill_group(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }

    /// Ends it in order, the tool that watches it too; gives the exit code.
    pub(crate) fn terminate(self) -> Option<i32> {
        self.ask_to_end();
        self.ended()
    }

    /// Sends the signal by which it is stopped.
    pub(crate) fn ask_to_end(&self) {
        kill_process_group(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
    }

    /// Waits for its end; gives the exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill_group();
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client")
}
