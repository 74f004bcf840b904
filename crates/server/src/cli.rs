//! The command line: arguments to a configuration and one command. Data goes to stdout, words to stderr; exit 0 done,
//! 1 failed, 2 wrong usage.

mod config;
mod flags;
mod output;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{FromArgMatches as _, Parser, Subcommand};

use crate::config::{Config, ConfigError, Environment, Loaded};
use crate::telemetry::Causes;
use output::{say, warn};

const EXAMPLES: &str = "\
Examples:
  soku serve                                     run the server on http://127.0.0.1:8080
  soku config print                              show every setting in force
  soku serve --help                              what every setting means

Every setting can be a flag, a variable (SOKU_LISTEN) or a line of a settings file; a flag wins over a variable, a
variable over the file.";

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
    Config(config::ConfigCommand),
}

/// Why a command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("could not write to stdout")]
    Stdout(#[source] io::Error),
}

const DONE: u8 = 0;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Runs the program with these arguments, the first of which is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> ExitCode {
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
    let arguments =
        Arguments::from_arg_matches(&matches).expect("clap checked the arguments against the same definition");
    let outcome = Config::load(&flags::given(&matches), &environment).map_err(CommandError::from).and_then(|loaded| {
        for warning in &loaded.warnings {
            warn(warning);
        }
        perform(arguments.command, loaded)
    });
    match outcome {
        Ok(()) => ExitCode::from(DONE),
        Err(error) => ExitCode::from(explain(&error)),
    }
}

fn perform(command: Command, loaded: Loaded) -> Result<(), CommandError> {
    match command {
        Command::Config(command) => config::perform(&command, &loaded),
    }
}

/// Says on stderr what went wrong; gives the exit code.
fn explain(error: &CommandError) -> u8 {
    match error {
        CommandError::Config(ConfigError { problems }) => {
            for problem in problems {
                say(&format!("error: {}", Causes(problem)));
            }
            if problems.iter().any(crate::config::Problem::is_wrong_usage) { WRONG_USAGE } else { FAILED }
        }
        // Whoever read the output has read enough: `soku … | head`.
        CommandError::Stdout(source) if source.kind() == io::ErrorKind::BrokenPipe => DONE,
        error => {
            say(&format!("error: {}", Causes(error)));
            FAILED
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
