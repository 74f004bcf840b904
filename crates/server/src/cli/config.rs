//! `soku config`: is it right, and what is in force.

use clap::Subcommand;

use super::CommandError;
use super::output::{print, print_json, say, warn};
use crate::config::Loaded;

/// Checks and shows the settings
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Checks all settings, from wherever they come, without starting anything
    Check,
    /// Prints what is in force as a settings file, with where each value came from, secrets hidden
    Print {
        /// Print one JSON object instead
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn perform(command: &ConfigCommand, loaded: &Loaded) -> Result<(), CommandError> {
    match command {
        ConfigCommand::Check => {
            // Loading has checked everything else.
            for warning in loaded.config.warnings(loaded.config.listen) {
                warn(&warning);
            }
            say("the configuration is valid");
            Ok(())
        }
        ConfigCommand::Print { json: false } => print(&loaded.layers.to_toml()),
        ConfigCommand::Print { json: true } => print_json(&loaded.layers.to_json()),
    }
}
