//! Connections that were used once and are kept open: what each costs, and whether the others notice.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::http::{Client, hosted_url, path_of};
use crate::probe;
use crate::program::{Program, await_closed};
use crate::report::{Mark, Row};
use crate::source::{JPEG, Source};

const CONNECTIONS: usize = 10_000;
/// Those of the probe and of the connections that end at the moment.
const SPARE: usize = 20;
const ROUNDS: usize = 5;
const GETS: usize = 1_000;
const SIZE: usize = 4_000;
/// As many connections as are measured, nothing else that would take their open files (`connections` in `open_files.rs` counts
/// two for each), and time enough that none is closed for being idle.
const SETTINGS: &[(&str, &str)] = &[
    ("SOKU_HTTP_MAX_CONNECTIONS", "10020"),
    ("SOKU_HTTP_REQUEST_TIMEOUT", "30m"),
    ("SOKU_DOWNLOADS_AT_ONCE", "4"),
    ("SOKU_DATABASE_MAX_CONNECTIONS", "1"),
];

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let source = Source::start(JPEG, SIZE, "image/jpeg").await?;
    let server = Program::start_with(program, SETTINGS)?;
    let mut client = Client::connect(&server.address).await?;
    let url = hosted_url(&client.import(&server.key, &source.url(0, "jpg")).await?)?;
    let path = path_of(&url)?;
    let connections = CONNECTIONS.min(room(&server)?.saturating_sub(SPARE));
    drop(client);

    let (mut subject, mut against, mut kilobytes) = (Vec::new(), Vec::new(), 0.0);
    for round in 0..=ROUNDS {
        let (before, files) = (server.memory_with_sockets_mb()?, server.open_files()?);
        let alone = probe::gets(&server, std::iter::repeat_n(path, GETS)).await?;
        let crowd = open(&server, path, connections).await?;
        let beside = probe::gets(&server, std::iter::repeat_n(path, GETS)).await?;
        let held = server.open_files()?.saturating_sub(files);
        ensure!(held + SPARE > connections, "the server holds {held} of {connections} connections");
        // Later ones find the memory of the first.
        if round == 0 {
            let after = server.memory_with_sockets_mb()?;
            let [own, kernel] = [after.0 - before.0, after.1 - before.1].map(|mb| mb * 1e3 / connections as f64);
            kilobytes = own + kernel;
            eprintln!("idle: {own:.1} kB and {kernel:.1} kB of the kernel's buffers for each of {connections}");
        }
        drop(crowd);
        await_closed(&server, files).await?;
        eprintln!("idle, round {round}: GET {:.1} µs beside {connections}, alone {:.1} µs", beside * 1e3, alone * 1e3);
        if round > 0 {
            subject.push(beside * 1e3);
            against.push(alone * 1e3);
        }
    }
    let what = format!("{connections} idle connections, each used once");
    Ok(vec![
        Row {
            work: format!("memory (VmRSS and the kernel's buffers) of one of {what}"),
            baseline: "–".to_owned(),
            subject: vec![kilobytes],
            against: Vec::new(),
            unit: "kB",
            mark: Mark::Absolute(24.0),
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

/// How many connections the server accepts: it says so where its limit on open files is too low for what is set.
fn room(server: &Program) -> Result<usize> {
    let log = server.log()?;
    let Some(at) = log.find("leaves room for ") else { return Ok(usize::MAX) };
    let digits = log[at + 16..].split(' ').next().context("no number in the log")?;
    let room = digits.parse().with_context(|| format!("`{digits}` in the log is no number"))?;
    eprintln!("idle: the limit on open files leaves room for {room} connections");
    Ok(room)
}

async fn open(server: &Program, path: &str, connections: usize) -> Result<Vec<Client>> {
    let mut crowd = Vec::with_capacity(connections);
    for nth in 0..connections {
        let opened = async {
            let mut client = Client::connect_as(nth, &server.address).await?;
            client.get(path).await?;
            client.rest();
            anyhow::Ok(client)
        };
        crowd.push(opened.await.with_context(|| format!("connection {nth}"))?);
    }
    Ok(crowd)
}
