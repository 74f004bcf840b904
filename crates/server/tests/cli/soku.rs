//! Runs the program in a directory of its own, and writes down what happened with everything random taken out.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long any command may take before the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with a working directory and an environment of its own.
pub(crate) struct Soku {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// What one run of it said.
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Soku {
    pub(crate) fn new() -> Soku {
        Soku { directory: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// The same with an account `acme`.
    pub(crate) fn with_account() -> Soku {
        let soku = Soku::new();
        soku.run("account create acme").succeeds();
        soku
    }

    /// Sets a variable for all runs to come.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Soku {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file into the working directory.
    pub(crate) fn file(self, name: &str, content: &str) -> Soku {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Runs a command line, its words separated by blanks.
    pub(crate) fn run(&self, line: &str) -> Said {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Said {
        self.start_words(words).end()
    }

    /// Starts a command line and leaves it running.
    pub(crate) fn start(&self, line: &str) -> Running {
        self.start_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    fn start_words(&self, words: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_soku"));
        command.args(words).current_dir(self.directory.path()).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::watch(command.spawn().unwrap())
    }
}

/// A running program. Ended when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// The lines of a stream, as they come.
struct Lines {
    coming: Receiver<String>,
    seen: String,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Lines {
        let (line, coming) = channel();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut text = String::new();
            while stream.read_line(&mut text).is_ok_and(|bytes| bytes > 0)
                && line.send(std::mem::take(&mut text)).is_ok()
            {}
        });
        Lines { coming, seen: String::new() }
    }

    /// Waits for a line that contains `words`; `None` where the stream ends before, or says nothing for too long.
    fn until(&mut self, words: &str) -> Option<String> {
        loop {
            let line = self.coming.recv_timeout(PATIENCE).ok()?;
            self.seen.push_str(&line);
            if line.contains(words) {
                return Some(line);
            }
        }
    }

    fn rest(mut self) -> String {
        self.until("no line says this, so that all are read");
        self.seen
    }
}

impl Running {
    fn watch(mut child: Child) -> Running {
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Waits until it says something on stderr.
    #[track_caller]
    pub(crate) fn says(&mut self, words: &str) -> String {
        self.stderr.until(words).unwrap_or_else(|| panic!("it did not say `{words}`: {}", self.stderr.seen))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it ends by itself; one that does not is killed and fails the test.
    #[track_caller]
    pub(crate) fn end(mut self) -> Said {
        let id = Pid::from_child(&self.child);
        let (done, waiting) = channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(id, Signal::KILL);
            }
        });
        let status = self.child.wait().unwrap();
        drop(done);
        watchdog.join().unwrap();
        let (stdout, stderr) = (
            std::mem::replace(&mut self.stdout, Lines::of(std::io::empty())),
            std::mem::replace(&mut self.stderr, Lines::of(std::io::empty())),
        );
        let (stdout, stderr) = (stdout.rest(), stderr.rest());
        let code = status.code().unwrap_or_else(|| panic!("it did not end by itself: {status}\n{stderr}"));
        Said { stdout, stderr, code }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    /// What it printed, if it exited with 0.
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// The JSON that it printed, if it exited with 0.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.succeeds()).unwrap()
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Compares a transcript, with ids, keys, moments and directories replaced by their names.
macro_rules! transcript {
    ($said:expr, @$snapshot:literal) => {
        insta::with_settings!({filters => vec![
            (r"sk_live_[A-Za-z0-9_-]{32}", "sk_live_[KEY]"),
            (r"sk_live_[A-Za-z0-9_-]{3}…[A-Za-z0-9_-]{3}", "sk_live_[PREVIEW]"),
            (r"key_[0-9a-f]{16}", "key_[ID]"),
            (r"acc_[0-9a-f]{24}", "acc_[ID]"),
            (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
            (r"\b[0-9a-f]{32}\b", "[MEDIA]"),
            (r"\breq_[0-9a-f]{16}\b", "req_[ID]"),
            (r"127\.0\.0\.1:\d{4,5}/", "127.0.0.1:[PORT]/"),
            (r"in `/[^`]*/(soku-data|other)`", "in `[DIR]/$1`"),
            (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[MOMENT]"),
        ]}, {
            insta::assert_snapshot!($said.to_string(), @$snapshot);
        });
    };
}
pub(crate) use transcript;
