//! The command line: arguments to a configuration and one command. Data goes to stdout, words to stderr; exit 0 done,
//! 1 failed, 2 wrong usage.

mod account;
mod config;
mod flags;
mod key;
mod output;
mod parse;
mod rooms;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{FromArgMatches as _, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::config::{Config, ConfigError, Environment, Loaded, Problem};
use crate::db::DbError;
use crate::id::KeyId;
use crate::store::DataDirError;
use crate::telemetry::{self, Causes, Form};
use output::{say, warn};
use rooms::{Library, Rooms};

const EXAMPLES: &str = "\
Examples:
  soku config print                         what is in force, and from where
  soku account create acme                  an account with an active subscription
  soku key create --account acme            a key for it, on stdout, this once

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
    #[command(subcommand)]
    Account(account::AccountCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Why a command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("could not write to stdout")]
    Stdout(#[source] io::Error),
    #[error("could not start the runtime")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(
        "there is no library in `{}`: `soku serve` and `soku account create` begin one, --data-dir names another",
        data_dir.display()
    )]
    NoLibrary { data_dir: PathBuf },
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
}

fn meant(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; the nearest is `{nearest}`"),
        None => ": `soku account list` shows them".to_owned(),
    }
}

const DONE: u8 = 0;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

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
    let outcome = Config::load(&flags::given(&matches), environment).map_err(CommandError::from).and_then(|loaded| {
        loaded.warnings.iter().for_each(|warning| warn(warning));
        perform(arguments.command, loaded, environment)
    });
    match outcome {
        Ok(()) => ExitCode::from(DONE),
        Err(error) => ExitCode::from(explain(&error)),
    }
}

fn perform(command: Command, loaded: Loaded, environment: &Environment) -> Result<(), CommandError> {
    // The log of a command that ends at once is for whoever typed it.
    let colour = telemetry::is_watched() && environment.likes_colour();
    telemetry::start(Form::Text { colour }, loaded.chosen_log_level().unwrap_or(&LevelFilter::WARN.into()));
    let config = loaded.config.clone();
    match command {
        Command::Account(command) => {
            let library = match command {
                account::AccountCommand::Create { .. } => Library::MayBegin,
                account::AccountCommand::List { .. } | account::AccountCommand::Set { .. } => Library::MustExist,
            };
            within(&Rooms::new(config, library), async |rooms| account::perform(command, rooms).await)
        }
        Command::Key(command) => {
            within(&Rooms::new(config, Library::MustExist), async |rooms| key::perform(command, rooms).await)
        }
        Command::Config(command) => config::perform(&command, &loaded),
    }
}

/// Runs a command on a runtime of its own and closes what it opened.
fn within(rooms: &Rooms, command: impl AsyncFnOnce(&Rooms) -> Result<(), CommandError>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(CommandError::Runtime)?.block_on(async {
        let outcome = command(rooms).await;
        rooms.close().await;
        outcome
    })
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
