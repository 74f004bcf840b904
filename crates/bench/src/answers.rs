//! Answers that need no work: a refusal without a key, and a replay; against an empty route of the same HTTP library.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::routing::post;
use tokio::net::TcpListener;

use crate::http::{Client, hosted_url};
use crate::program::Program;
use crate::report::{Mark, Row};
use crate::source::{JPEG, Source};

const ROUNDS: usize = 5;

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let server = Program::start(program)?;
    let source = Source::start(JPEG, 74_000, "image/jpeg").await?;
    let (url, mut client) = (source.url(0, "jpg"), Client::connect(&server.address).await?);
    hosted_url(&client.import(&server.key, &url).await?)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let empty = format!("http://{}/v1/media", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/media", post(async || ""))).await });

    let soku = format!("http://{}/v1/media", server.address);
    let body = format!(r#"{{"url":"{url}"}}"#);
    let mut rows = Vec::new();
    for (work, key, status, mark) in [
        ("401 without a key, 16 connections", "", "401", 0.5),
        ("a replay, 16 connections", server.key.as_str(), "201", 0.25),
    ] {
        let (mut subject, mut against) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let baseline = wrk(&empty, key, &body, "200").await?;
            let rate = wrk(&soku, key, &body, status).await?;
            eprintln!("answers, {status}, round {round}: soku {rate:.0}/s, an empty route {baseline:.0}/s");
            if round > 0 {
                subject.push(rate);
                against.push(baseline);
            }
        }
        rows.push(Row {
            work: work.to_owned(),
            baseline: "an empty axum route".to_owned(),
            subject,
            against,
            unit: "requests/s",
            mark: Mark::AtLeast(mark),
        });
    }
    Ok(rows)
}

/// POSTs a second over some seconds, all of which must be answered with `status`.
async fn wrk(url: &str, key: &str, body: &str, status: &str) -> Result<f64> {
    let script = format!(
        "wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = 'application/json'\n\
         if '{key}' ~= '' then wrk.headers['soku-api-key'] = '{key}' end\n"
    );
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), script)?;
    let (url, path) = (url.to_owned(), file.path().to_owned());
    // Its own thread, because the empty route is served by this process.
    let output = tokio::task::spawn_blocking(move || {
        Command::new("wrk").args(["-t1", "-c16", "-d3s", "-s"]).arg(path).arg(url).output()
    })
    .await?
    .context("could not start wrk (Debian: apt-get install wrk)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(text.contains("Non-2xx") == (status == "401"), "wrk saw other answers than {status}:\n{text}");
    let Some(rate) = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")) else {
        bail!("wrk said no rate:\n{text}");
    };
    Ok(rate.trim().parse()?)
}
