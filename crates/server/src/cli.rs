//! The command line: arguments to a configuration and one command. Data goes to stdout, words to stderr; exit 0 done,
//! 1 failed, 2 wrong usage.

mod account;
mod config;
mod flags;
mod import;
mod key;
mod media;
mod output;
mod parse;
mod rooms;
mod serve;
mod sweep;

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{FromArgMatches as _, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::app::StartError;
use crate::config::{Config, ConfigError, Environment, Loaded, Origin, Problem};
use crate::db::DbError;
use crate::id::{KeyId, MediaId};
use crate::library::LibraryError;
use crate::store::DataDirError;
use crate::telemetry::traces::ExporterError;
use crate::telemetry::{self, Causes, Form, Traces};
use output::{say, warn};
use rooms::{Beginning, DEFAULT_ACCOUNT, Rooms};

const EXAMPLES: &str = "\
Examples:
  soku serve                                run the server on http://127.0.0.1:8080; the first start shows a key
  soku import https://example.com/a.mp4     take a file in without a server
  soku config print                         what is in force, and from where
  soku account create acme                  an account with an active subscription
  soku key create --account acme            a key for it, on stdout, this once
  soku media list --account acme --json     what it has stored

All of it works while the server runs. Every setting can be a flag, a variable (SOKU_LISTEN) or a line of a settings
file; a flag wins over a variable, a variable over the file.";

/// Takes media in by URL, keeps it, and serves it under a URL of its own
#[derive(Parser)]
#[command(name = "soku", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Import(import::ImportCommand),
    #[command(subcommand)]
    Account(account::AccountCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    #[command(subcommand)]
    Media(media::MediaCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Sweep(sweep::Sweep),
}

/// Why a command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("could not write to stdout: is its disk full, or its reader gone?")]
    Stdout(#[source] io::Error),
    #[error(
        "could not start the threads that the work needs: raise their number (`ulimit -u`, `TasksMax=`) or that of open files (`ulimit -n`)"
    )]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(
        "cannot use the data directory `{}` ({origin}; SOKU_DATA_DIR or --data-dir names another)",
        data_dir.display()
    )]
    DataDirNamed { data_dir: PathBuf, origin: Origin, source: DataDirError },
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(
        "could not listen on {address} ({}: {variable} or --{flag} names another address or port)",
        hindrance(source)
    )]
    Listen { address: SocketAddr, variable: &'static str, flag: &'static str, source: io::Error },
    #[error(
        "the limit on open files is {limit}, and at least {needed} are needed: raise it (`ulimit -n`, `LimitNOFILE=`), \
         or lower SOKU_DOWNLOADS_AT_ONCE"
    )]
    OpenFiles { limit: u64, needed: u64 },
    #[error(transparent)]
    Traces(#[from] ExporterError),
    #[error("could not take signals")]
    Signals(#[source] io::Error),
    #[error("could not write the first API key to `{}`: `soku key create --account default` makes another", path.display())]
    FirstKey { path: PathBuf, source: io::Error },
    #[error("{failed} of {of} URLs could not be taken in")]
    NotImported { failed: usize, of: usize },
    #[error("{left} unfinished files could not be deleted: the log says why; mend that and run `soku sweep` again")]
    LeftBySweep { left: u64 },
    #[error(
        "there is no library in `{}`: `soku serve`, `soku import` and `soku account create` begin one, --data-dir names another",
        data_dir.display()
    )]
    NoLibrary { data_dir: PathBuf },
    #[error(
        "there is no account `{DEFAULT_ACCOUNT}` whose files they would become: name one by --account; \
         `soku account list` shows them"
    )]
    NoDefaultAccount,
    #[error("there is no account `{name}`{}", meant(nearest.as_deref()))]
    UnknownAccount { name: String, nearest: Option<String> },
    #[error("the account `{name}` exists already: `soku account set {name}` changes it")]
    AccountExists { name: String },
    #[error("nothing to change was named: give --subscription, --period-end or --admin")]
    NothingToChange,
    #[error("a key is revoked by its id, `key_` and 16 hex digits, not by the key itself: `soku key list` shows it")]
    NotAKeyId,
    #[error("there is no key {id}: `soku key list` shows those of an account")]
    UnknownKey { id: KeyId },
    #[error("there is no media entry {id}: `soku media list` shows those that there are")]
    UnknownMedia { id: MediaId },
}

fn meant(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; the nearest is `{nearest}`"),
        None => ": `soku account list` shows them".to_owned(),
    }
}

/// Why nothing can listen there, as far as the error says.
fn hindrance(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there",
        io::ErrorKind::PermissionDenied => "ports below 1024 are not for every user",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "the system refuses",
    }
}

impl CommandError {
    /// The same, where it is about the data directory with who named that.
    fn with_names(self, loaded: &Loaded) -> CommandError {
        match self {
            CommandError::DataDir(source @ DataDirError::Io { .. })
            | CommandError::Start(StartError::DataDir(source @ DataDirError::Io { .. })) => {
                CommandError::DataDirNamed {
                    data_dir: loaded.config.data_dir.clone(),
                    origin: loaded.origin_of("data_dir").clone(),
                    source,
                }
            }
            error => error,
        }
    }
}

const DONE: u8 = 0;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// How long threads that wait for a disk are waited for at the end.
const LAST_THREADS: Duration = Duration::from_secs(2);

/// Runs the program with these arguments, the first of which is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let matches = match flags::with_settings::<Arguments>().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => DONE,
                _ => WRONG_USAGE,
            });
        }
    };
    let arguments = Arguments::from_arg_matches(&matches).expect("clap read them by the same definition");
    let outcome = Config::load(&flags::given(&matches), environment)
        .map_err(CommandError::from)
        .and_then(|loaded| perform(arguments.command, &loaded, environment).map_err(|error| error.with_names(&loaded)));
    match outcome {
        Ok(()) => ExitCode::from(DONE),
        Err(error) => ExitCode::from(explain(&error)),
    }
}

fn perform(command: Command, loaded: &Loaded, environment: &Environment) -> Result<(), CommandError> {
    // Before any client is made: which of the linked implementations TLS uses.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let traces = start_log(&command, loaded, environment);
    let rooms = Rooms::new(loaded.config.clone(), command.beginning());
    on_runtime(async {
        let outcome = match command {
            Command::Serve(serve) => serve::perform(&serve, &loaded.config, traces).await,
            Command::Import(command) => import::perform(command, &rooms).await,
            Command::Account(command) => account::perform(command, &rooms).await,
            Command::Key(command) => key::perform(command, &rooms).await,
            Command::Media(command) => media::perform(command, &rooms).await,
            Command::Config(command) => config::perform(&command, loaded),
            Command::Sweep(sweep) => sweep::perform(&sweep, &rooms).await,
        };
        rooms.close().await;
        outcome
    })
}

/// The server's log is a service's; that of a command that ends is for whoever typed it.
fn start_log(command: &Command, loaded: &Loaded, environment: &Environment) -> Option<Traces> {
    let is_watched = telemetry::is_watched();
    let likes_colour = environment.likes_colour();
    if let Command::Serve(_) = command {
        let form = loaded.config.log_form(is_watched, likes_colour);
        let traces = telemetry::start(form, &loaded.config.log.level, loaded.config.traces_settings().as_ref());
        loaded.warnings.iter().for_each(|warning| tracing::warn!("Configuration: {warning}"));
        traces
    } else {
        let quiet = LevelFilter::WARN.into();
        let form = Form::Text { colour: is_watched && likes_colour };
        let traces = telemetry::start(form, loaded.chosen_log_level().unwrap_or(&quiet), None);
        loaded.warnings.iter().for_each(|warning| warn(warning));
        traces
    }
}

impl Command {
    /// Whether the command may begin a library where there is none.
    fn beginning(&self) -> Beginning {
        match self {
            Command::Serve(_) | Command::Import(_) | Command::Account(account::AccountCommand::Create { .. }) => {
                Beginning::Allowed
            }
            Command::Account(_) | Command::Key(_) | Command::Media(_) | Command::Config(_) | Command::Sweep(_) => {
                Beginning::Refused
            }
        }
    }
}

/// Runs a command to its end; what it left in the background is not waited for long.
fn on_runtime(command: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::Runtime)?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(LAST_THREADS);
    outcome
}

/// Says on stderr what went wrong; gives the exit code.
fn explain(error: &CommandError) -> u8 {
    match error {
        CommandError::Config(ConfigError { problems, warnings }) => {
            warnings.iter().for_each(|warning| warn(warning));
            for problem in problems {
                say(&format!("error: {}", telemetry::escaped(&Causes(problem).to_string())));
            }
            if problems.iter().any(Problem::is_wrong_usage) { WRONG_USAGE } else { FAILED }
        }
        // Whoever read the output has read enough: `soku … | head`.
        CommandError::Stdout(source) if source.kind() == io::ErrorKind::BrokenPipe => DONE,
        error => {
            say(&format!("error: {}", telemetry::escaped(&Causes(error).to_string())));
            if matches!(error, CommandError::NothingToChange | CommandError::NotAKeyId) { WRONG_USAGE } else { FAILED }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_defined_without_a_contradiction() {
        super::flags::with_settings::<super::Arguments>().debug_assert();
    }
}
