//! Runs the program in a directory of its own, and writes down what happened with everything random taken out.

use std::io::Read as _;
use std::process::{Command, Stdio};
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_soku"));
        command.args(words).current_dir(self.directory.path()).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let id = Pid::from_child(&child);
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if waiting.recv_timeout(PATIENCE).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(id, Signal::KILL);
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let listener = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text)
        });
        let mut stdout = String::new();
        child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let status = child.wait().unwrap();
        drop(done);
        watchdog.join().unwrap();
        let code = status.code().unwrap_or_else(|| panic!("`soku {}` did not end: {status}", words.join(" ")));
        Said { stdout, stderr: listener.join().unwrap().unwrap(), code }
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
            (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[MOMENT]"),
        ]}, {
            insta::assert_snapshot!($said.to_string(), @$snapshot);
        });
    };
}
pub(crate) use transcript;
