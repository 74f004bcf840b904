//! Benchmarks of the `soku` program, each as a ratio against a named baseline of the same run.
//!
//! `soku-bench PROGRAM [ROW…]`: the rows are `small`, `one`, `large`, `delivery`, `answers` and `memory`; without any, all of them. The table
//! goes to stdout as Markdown. Subject and baseline take turns, so that a machine whose speed drifts drifts for both.

mod answers;
mod delivery;
mod http;
mod large;
mod memory;
mod one;
mod program;
mod report;
mod small;
mod source;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use report::Row;

const ROWS: [&str; 6] = ["small", "one", "large", "delivery", "answers", "memory"];

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments
        .next()
        .map(PathBuf::from)
        .context("usage: soku-bench PROGRAM [small|one|large|delivery|answers|memory]…")?;
    let asked: Vec<String> = arguments.collect();
    if let Some(unknown) = asked.iter().find(|row| !ROWS.contains(&row.as_str())) {
        bail!("unknown row `{unknown}`: the rows are {}", ROWS.join(", "));
    }
    let wanted = |row: &str| asked.is_empty() || asked.iter().any(|name| name == row);

    let mut rows: Vec<Row> = Vec::new();
    if wanted("small") {
        rows.extend(small::measure(&program).await.context("the row `small`")?);
    }
    if wanted("one") {
        rows.extend(one::measure(&program).await.context("the row `one`")?);
    }
    if wanted("large") {
        rows.extend(large::measure(&program).await.context("the row `large`")?);
    }
    if wanted("delivery") {
        rows.extend(delivery::measure(&program).await.context("the row `delivery`")?);
    }
    if wanted("answers") {
        rows.extend(answers::measure(&program).await.context("the row `answers`")?);
    }
    if wanted("memory") {
        rows.extend(memory::measure(&program).await.context("the row `memory`")?);
    }
    print!("{}", report::table(&rows));
    Ok(())
}
