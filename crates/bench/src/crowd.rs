//! What many clients cost that hold a connection each and do next to nothing: the memory of one, and whether another client
//! notices them.

use std::iter::repeat_n;

use anyhow::{Result, ensure};

use crate::probe;
use crate::program::{Program, await_closed};
use crate::report::{Mark, Row};

const ROUNDS: usize = 5;
const GETS: usize = 1_000;

/// A crowd that is measured.
pub(crate) struct Crowd<'a> {
    pub(crate) server: &'a Program,
    /// What the other client asks for: 4 kB.
    pub(crate) probe: &'a str,
    pub(crate) clients: usize,
    /// Its clients in words, as `1000 readers`.
    pub(crate) what: String,
    /// How many of them the server may have closed.
    pub(crate) missing: usize,
    /// How much memory each may hold.
    pub(crate) most_kb: f64,
}

impl Crowd<'_> {
    /// Measures it in rounds: `gather` brings it together, and dropping what that gives sends it away. `gather` is told the
    /// number of the round.
    pub(crate) async fn measure<C>(self, gather: impl AsyncFn(usize) -> Result<C>) -> Result<Vec<Row>> {
        let Crowd { server, probe, clients, what, missing, most_kb } = self;
        let (mut subject, mut against, mut kilobytes) = (Vec::new(), Vec::new(), 0.0);
        for round in 0..=ROUNDS {
            let (before, files) = (server.memory_with_sockets_mb()?, server.open_files()?);
            let alone = probe::gets(server, repeat_n(probe, GETS)).await?;
            let crowd = gather(round).await?;
            let beside = probe::gets(server, repeat_n(probe, GETS)).await?;
            let held = server.open_files()?.saturating_sub(files);
            ensure!(held + missing >= clients, "the server holds {held} of {clients} connections");
            // Later ones find the memory of the first.
            if round == 0 {
                let after = server.memory_with_sockets_mb()?;
                let [own, kernel] = [after.0 - before.0, after.1 - before.1].map(|mb| mb * 1e3 / clients as f64);
                kilobytes = own + kernel;
                eprintln!("{what}: {own:.1} kB and {kernel:.1} kB of the kernel's buffers for each");
            }
            drop(crowd);
            await_closed(server, files).await?;
            eprintln!("{what}, round {round}: GET beside them {:.1} µs, alone {:.1} µs", beside * 1e3, alone * 1e3);
            if round > 0 {
                subject.push(beside * 1e3);
                against.push(alone * 1e3);
            }
        }
        Ok(vec![
            Row {
                work: format!("memory (VmRSS and the kernel's buffers) of one of {what}"),
                baseline: "–".to_owned(),
                subject: vec![kilobytes],
                against: Vec::new(),
                unit: "kB",
                mark: Mark::Absolute(most_kb),
            },
            Row {
                work: format!("`GET` of 4 kB beside {what}: median time"),
                baseline: "the same alone".to_owned(),
                subject,
                against,
                unit: "µs",
                mark: Mark::AtMost(1.2),
            },
        ])
    }
}
