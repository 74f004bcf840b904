//! Benchmarks of the `soku` program, each as a ratio against a named baseline of the same run.
//!
//! `soku-bench PROGRAM [ROW…]`: without rows, all of [`ROWS`]; `soak=SECONDS` is a longer one, and `directus=DIRECTORY` needs
//! Directus installed there. The table goes to stdout as Markdown. Subject and baseline take turns, so that a machine whose speed
//! drifts drifts for both.

mod answers;
mod crowd;
mod delivery;
mod directus;
mod http;
mod idle;
mod large;
mod memory;
mod million;
mod one;
mod probe;
mod program;
mod readers;
mod report;
mod slow;
mod small;
mod soak;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use report::Row;

const ROWS: [&str; 11] =
    ["small", "one", "large", "delivery", "answers", "memory", "million", "slow", "idle", "readers", "soak"];

/// How it ends where something grew beyond its bound, and where a row could not be measured.
const GREW: u8 = 1;
const NOT_MEASURED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(program) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: soku-bench PROGRAM [{}]…", ROWS.join("|"));
        return ExitCode::from(NOT_MEASURED);
    };
    let mut asked: Vec<String> = arguments.collect();
    if asked.is_empty() {
        asked = ROWS.map(str::to_owned).to_vec();
    }

    let (mut rows, mut outcome) = (Vec::new(), 0);
    for name in &asked {
        match measure(name, &program).await {
            // A machine is slow or fast, and that is no failure. What grows without end is one.
            Ok(measured) if name.starts_with("soak") && !measured.iter().all(Row::is_reached) => {
                eprintln!("soku-bench: something grew beyond its bound in the row `{name}`");
                outcome = outcome.max(GREW);
                rows.extend(measured);
            }
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                eprintln!("soku-bench: could not measure the row `{name}`: {error:#}");
                outcome = NOT_MEASURED;
            }
        }
    }
    print!("{}", report::table(&rows));
    ExitCode::from(outcome)
}

async fn measure(name: &str, program: &Path) -> Result<Vec<Row>> {
    let (name, argument) = name.split_once('=').map_or((name, None), |(name, argument)| (name, Some(argument)));
    match name {
        "small" => small::measure(program).await,
        "one" => one::measure(program).await,
        "large" => large::measure(program).await,
        "delivery" => delivery::measure(program).await,
        "answers" => answers::measure(program).await,
        "memory" => memory::measure(program).await,
        "million" => million::measure(program).await,
        "slow" => slow::measure(program).await,
        "idle" => idle::measure(program).await,
        "readers" => readers::measure(program).await,
        "soak" => soak::measure(program, argument.map_or(Ok(soak::SHORT), soak::length)?).await,
        "directus" => {
            let installed = argument.context("`directus=DIRECTORY` names where Directus is installed")?;
            directus::measure(program, Path::new(installed)).await
        }
        unknown => bail!("unknown row `{unknown}`: the rows are {}", ROWS.join(", ")),
    }
}
