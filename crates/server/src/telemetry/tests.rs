//! What stands in the log, and what does not.

use std::sync::{Arc, Mutex};

use super::*;

/// A log kept in memory.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `work` logs.
fn logged(form: Form, levels: impl Into<Levels>, work: impl FnOnce()) -> String {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = Registry::default().with(layer(form, &levels.into(), move || writer.clone()));
    tracing::subscriber::with_default(subscriber, work);
    let bytes = kept.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

const HOSTILE: &str = "a\nERROR forged\r\x1b[31m\u{9b}2J\u{202e}\u{2028}\x7f";

#[test]
fn a_newline_in_a_url_is_one_log_line() {
    for form in [Form::Text { colour: false }, Form::Json] {
        let log = logged(form, LevelFilter::INFO, || {
            let span = tracing::info_span!("request", path = %HOSTILE);
            let _inside = span.enter();
            tracing::info!(url = %HOSTILE, quoted = HOSTILE, "Fetched `{HOSTILE}`");
        });

        assert_eq!(log.matches('\n').count(), 1, "{log:?}");
        assert!(log.ends_with('\n'));
        let unruly = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{2028}".contains(c));
        assert!(!log.contains(unruly), "{log:?}");
        assert!(log.contains("forged"), "{log:?}");
    }
}

#[test]
fn a_json_line_is_json_whatever_a_stranger_wrote() {
    let log = logged(Form::Json, LevelFilter::INFO, || tracing::info!(url = %HOSTILE, "Fetched"));

    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(line["url"], HOSTILE);
    assert_eq!(line["message"], "Fetched");
    assert_eq!(line["level"], "INFO");
}

#[test]
fn the_level_is_ours_and_talkative_crates_are_silent() {
    let log = logged(Form::Text { colour: false }, LevelFilter::TRACE, || {
        tracing::trace!(target: "soku_fetch::dial", "ours");
        tracing::info!(target: "sqlx::query", "theirs");
        tracing::warn!(target: "sqlx::query", "their warning");
        let url = "https://a.example/?signature=secret";
        tracing::error!(target: "reqwest::connect", "{url}");
        tracing::error!(target: "object_store::client", "{url}");
        tracing::error!(target: "hyper::proto", "{url}");
        tracing::error!(target: "hickory_resolver::lookup", "{url}");
    });

    let lines: Vec<&str> = log.lines().map(|line| line.split_once("  ").map_or(line, |(_, rest)| rest)).collect();
    assert!(log.contains("ours") && log.contains("their warning"), "{lines:?}");
    assert!(!log.contains("secret") && !log.contains("theirs"), "{lines:?}");
}

#[test]
fn single_modules_have_levels_of_their_own_but_not_those_that_print_urls() {
    let targets =
        ["soku_server::cli", "sqlx", "reqwest", "hyper::proto"].map(|target| (target.to_owned(), LevelFilter::TRACE));
    let levels = Levels { ours: LevelFilter::WARN, targets: targets.to_vec() };

    let log = logged(Form::Text { colour: false }, levels, || {
        tracing::info!(target: "soku_server::cli::serve", "one");
        tracing::info!(target: "soku_server::http", "two");
        tracing::info!(target: "sqlx::query", "three");
        tracing::error!(target: "reqwest::connect", "four");
        tracing::error!(target: "hyper::proto::h1", "five");
    });

    let words = |word: &str| log.contains(word);
    assert!(words("one") && words("three"), "{log}");
    assert!(!words("two") && !words("four") && !words("five"), "{log}");
}

#[test]
fn an_error_is_logged_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("could not keep the file")]
    struct Outer(#[source] io::Error);
    let error = Outer(io::Error::other("disk on fire"));

    let log = logged(Form::Text { colour: false }, LevelFilter::INFO, || {
        tracing::error!(error = &error as &dyn Error, "Failed");
    });

    assert!(log.contains("Failed error=could not keep the file: disk on fire"), "{log}");
    assert_eq!(Causes(&error).to_string(), "could not keep the file: disk on fire");
}

#[test]
fn a_line_inside_a_step_of_a_trace_knows_its_request() {
    let levels = Levels { ours: LevelFilter::TRACE, targets: vec![(traces::STEPS.to_owned(), LevelFilter::TRACE)] };
    let settings = TracesSettings {
        endpoint: "http://127.0.0.1:9/v1/traces".to_owned(),
        headers: http::HeaderMap::new(),
        ratio: 1.0,
        service_name: "soku".to_owned(),
        attributes: Vec::new(),
    };
    for is_traced in [false, true] {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = Registry::default().with(layer(Form::Json, &levels, move || writer.clone()));
        let work = || {
            let _request = tracing::error_span!("request", request.id = "req_1").entered();
            let _step = tracing::info_span!(target: traces::STEPS, "step", hidden = true).entered();
            tracing::info!("Kept");
        };
        if is_traced {
            tracing::subscriber::with_default(log.with(traces::layer(&settings).0), work);
        } else {
            tracing::subscriber::with_default(log, work);
        }

        let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(&log).unwrap();
        assert_eq!(line["span"], serde_json::json!({ "name": "request", "request.id": "req_1" }), "{log}");
    }
}
