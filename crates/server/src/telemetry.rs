//! The log on stderr: text or JSON, ours at the chosen level, of other crates only warnings, and nothing at all from
//! those that would write whole URLs (rule G1). What strangers wrote is escaped (rule G2).

mod escape;
mod fields;
pub mod traces;

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use self::escape::EscapedJson;
pub use self::escape::escaped;
use self::fields::EscapedFields;
pub use self::traces::{Traces, TracesSettings};

/// The form of a log line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For people; in colour on a terminal that likes it.
    Text {
        colour: bool,
    },
    Json,
}

/// How much is logged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Levels {
    /// Of our own crates.
    pub ours: LevelFilter,
    /// Of single modules or crates, which those that write whole URLs never are.
    pub targets: Vec<(String, LevelFilter)>,
}

impl From<LevelFilter> for Levels {
    fn from(ours: LevelFilter) -> Levels {
        Levels { ours, targets: Vec::new() }
    }
}

/// Whether stderr is a terminal.
#[must_use]
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Starts the log of this process on stderr, and its traces where they are wanted. A second start changes nothing.
pub fn start(form: Form, levels: &Levels, traces: Option<&TracesSettings>) -> Option<Traces> {
    let log = Registry::default().with(layer(form, levels, io::stderr));
    let (started, traces) = match traces.map(traces::layer) {
        Some((layer, traces)) => (log.with(layer).try_init(), Some(traces)),
        None => (log.try_init(), None),
    };
    if started.is_ok() && traces.is_some() {
        traces::turn_on();
    }
    if started.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let at = panic.location().map(ToString::to_string).unwrap_or_default();
            let words = panic.payload_as_str().unwrap_or("a panic without words");
            tracing::error!(at, "Panicked: {words}");
        }));
    }
    traces
}

/// What is logged, how, and where to. A line that cannot be written is lost: to say so on the same broken stderr would
/// panic.
fn layer<S, W>(form: Form, levels: &Levels, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    match form {
        Form::Text { colour } => tracing_subscriber::fmt::layer()
            .log_internal_errors(false)
            .with_ansi(colour)
            .with_target(false)
            .fmt_fields(EscapedFields { colour })
            .with_writer(writer)
            .with_filter(filter(levels))
            .boxed(),
        Form::Json => tracing_subscriber::fmt::layer()
            .log_internal_errors(false)
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .fmt_fields(JsonFields::new())
            .with_writer(EscapedJson(writer))
            .with_filter(filter(levels))
            .boxed(),
    }
}

/// Ours as chosen; strangers' warnings at most; nothing from those that print whole URLs.
fn filter(levels: &Levels) -> Targets {
    const OURS: [&str; 5] = ["soku", "soku_api", "soku_fetch", "soku_media", "soku_server"];
    const TALKATIVE: [&str; 8] =
        ["reqwest", "object_store", "hyper", "hyper_util", "h2", "hickory_proto", "hickory_resolver", "hickory_net"];
    let is_silent = |target: &str| TALKATIVE.contains(&target.split("::").next().unwrap_or_default());
    Targets::new()
        .with_default(levels.ours.min(LevelFilter::WARN))
        .with_targets(OURS.map(|target| (target, levels.ours)))
        .with_targets(levels.targets.iter().filter(|(target, _)| !is_silent(target)).cloned())
        .with_targets(TALKATIVE.map(|target| (target, LevelFilter::OFF)))
        .with_target(traces::STEPS, LevelFilter::OFF)
}

/// An error with all its causes, in one line: `outer: inner: innermost`.
pub struct Causes<'a>(pub &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
