//! `scripts/try`, the first thing that anybody runs.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::program::PATIENCE;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/try");

/// The script with the program that is built already.
fn script(arguments: &[&str]) -> Command {
    let mut command = Command::new(SCRIPT);
    command.args(arguments).env("SOKU_BIN", env!("CARGO_BIN_EXE_soku")).stdin(Stdio::null());
    command
}

/// Runs it until it serves, and ends it by SIGTERM; gives what it said.
fn said(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("said");
    let file = || File::options().create(true).append(true).open(&path).expect("a file");
    let mut command = script(arguments);
    command.envs(variables.iter().copied()).env("TMPDIR", folder.path()).stdout(file()).stderr(file());
    let mut child = command.spawn().expect("the script starts");
    let begun = Instant::now();
    let text = || fs::read_to_string(&path).expect("a file");
    while !text().contains("Serving on ") {
        assert!(child.try_wait().expect("a child").is_none() && begun.elapsed() < PATIENCE, "{}", text());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert!(child.wait().expect("it ends").success(), "{}", text());
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a directory").flatten().collect();
    assert_eq!(left.len(), 1, "nothing is left but what it said: {left:?}");
    text()
}

#[test]
fn it_takes_in_samples_and_offers_one_more() {
    let said = said(&[], &[]);

    assert_eq!(said.matches("  -> http://127.0.0.1:").count(), 3, "{said}");
    assert!(said.contains("/animation.webp\"}'") && said.contains("API key:  sk_live_"), "{said}");
}

#[test]
fn a_refused_url_is_shown_with_its_mend_and_not_offered_again() {
    let refused = "http://127.0.0.1:9/film.mp4";
    let said = said(&[refused], &[]);

    assert!(said.contains("mend: Use a public host. An operator can allow a network of their own with"), "{said}");
    assert!(said.contains("SOKU_FETCH_ALLOW_NETWORKS"), "{said}");
    assert_eq!(said.matches(refused).count(), 1, "{said}");
}

#[test]
fn what_is_no_url_is_not_taken_for_one() {
    let help = script(&["--help"]).output().expect("the script starts");
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).starts_with("Soku in one command: scripts/try [URL...]\n"));

    let slip = script(&["--port", "80"]).output().expect("the script starts");
    assert_eq!(slip.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&slip.stderr).contains("there is no option --port"));
}
