//! `soku sweep`: what crashes left behind, removed now.

use clap::Args;
use serde_json::json;

use super::CommandError;
use super::output::{print_json, say};
use super::rooms::Rooms;
use crate::library::Swept;

/// Removes what crashed processes left behind, now and not at the next start
///
/// Only what no living process owns is touched: it can run beside the server at any time.
#[derive(Args)]
pub(super) struct Sweep {
    /// Print the numbers as a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn perform(sweep: &Sweep, rooms: &Rooms) -> Result<(), CommandError> {
    let Swept { rooms: processes, claims, objects, left } = rooms.library().await?.sweep().await?;
    if processes + claims + objects == 0 {
        say("there was nothing to sweep");
    } else {
        say(&format!(
            "swept after {processes} crashed processes: {claims} claims freed, {objects} unfinished files deleted"
        ));
    }
    if sweep.json {
        print_json(&json!({
            "processes": processes, "claims": claims, "files": objects, "left": left,
        }))?;
    }
    if left == 0 { Ok(()) } else { Err(CommandError::LeftBySweep { left }) }
}
