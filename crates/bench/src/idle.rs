//! Connections that were used once and are kept open: what each costs, and whether the others notice.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::crowd::Crowd;
use crate::http::{Client, hosted_url, path_of};
use crate::program::Program;
use crate::report::Row;
use crate::source::{JPEG, Source};

const CONNECTIONS: usize = 10_000;
/// Those of the probe and of the connections that end at the moment.
const SPARE: usize = 20;
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

    let what = format!("{connections} idle connections, each used once");
    let crowd = Crowd { server: &server, probe: path, clients: connections, what, missing: SPARE - 1, most_kb: 24.0 };
    crowd.measure(async |_round| open(&server, path, connections).await).await
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
