//! Faults at single system calls of a running program, by `strace`: a kill, an error, or a delay.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Place, Program, eventually};

/// A tracer that is attached to a program.
pub(super) struct Injector {
    strace: Child,
    trace: PathBuf,
    /// Whether the fault ends the program.
    kills: bool,
}

/// How long strace may take to end.
const A_MOMENT: Duration = Duration::from_secs(1);

/// What happens at which call. The calls of each thread are counted by themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault<'a> {
    pub(super) call: &'a str,
    /// Which of them, as strace writes it: `3`, `2+`.
    pub(super) when: &'a str,
    /// As strace writes it: `signal=KILL`, `error=EIO`, `delay_enter=300000`.
    pub(super) what: &'a str,
    /// Only calls on this file or directory.
    pub(super) path: Option<&'a str>,
}

impl Injector {
    /// Attaches; `None`, with a word, where this user may not trace its own processes.
    pub(super) fn attach(place: &Place, program: &Program, fault: Fault<'_>) -> Option<Injector> {
        let (words, trace) = (place.folder().join("strace"), place.folder().join("injected"));
        let Fault { call, when, what, path } = fault;
        let mut strace = Command::new("strace");
        strace.args(["-f", "-p", &program.id().to_string(), "-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:{what}:when={when}")]).arg("-o").arg(&trace);
        if let Some(path) = path {
            strace.args(["-P", path]);
        }
        let stderr = File::create(&words).expect("a file");
        let strace = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().expect("strace starts");
        let mut injector = Injector { strace, trace, kills: what.contains("KILL") };
        let attached = eventually(|| {
            let text = fs::read_to_string(&words).ok()?;
            if injector.strace.try_wait().expect("a child").is_some() {
                assert!(text.contains("not permitted"), "{text}");
                return Some(false);
            }
            text.contains(" attached").then_some(true)
        });
        if !attached {
            eprintln!("skipped: this user may not trace the processes that it started");
        }
        attached.then_some(injector)
    }

    /// Lets the program go on as it was; says whether any fault came about.
    pub(super) fn detach(mut self) -> bool {
        // Asked to end while the program dies, strace may wait for ever; by itself it ends with the program.
        let dying = self.ends_within(if self.kills { A_MOMENT } else { Duration::ZERO });
        if !dying {
            let _ = kill_process(Pid::from_child(&self.strace), Signal::TERM);
            if !self.ends_within(A_MOMENT) {
                let _ = self.strace.kill();
            }
        }
        self.strace.wait().expect("it ends");
        let text = fs::read_to_string(&self.trace).unwrap_or_default();
        text.contains("(INJECTED)") || text.contains("(DELAYED)") || text.contains("killed by SIGKILL")
    }
}

impl Injector {
    fn ends_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.strace.try_wait().expect("a child").is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}
