//! What one client sees that asks for one small thing after another: the median of the times it waits.

use std::time::Instant;

use anyhow::Result;

use crate::http::{Client, hosted_url};
use crate::program::Program;
use crate::report::median;
use crate::source::Source;

/// The median of uploads of the source's files from number `first` on, in milliseconds.
pub(crate) async fn uploads(server: &Program, source: &Source, first: usize, files: usize) -> Result<f64> {
    let mut client = Client::connect(&server.address).await?;
    let mut times = Vec::with_capacity(files);
    for nth in first..first + files {
        let url = source.url(nth, "jpg");
        let started = Instant::now();
        hosted_url(&client.import(&server.key, &url).await?)?;
        times.push(milliseconds(started));
    }
    Ok(median(&times))
}

/// The median of `GET`s of these paths, in milliseconds.
pub(crate) async fn gets<'a>(server: &Program, paths: impl Iterator<Item = &'a str>) -> Result<f64> {
    let mut client = Client::connect(&server.address).await?;
    let mut times = Vec::new();
    for path in paths {
        let started = Instant::now();
        client.get(path).await?;
        times.push(milliseconds(started));
    }
    Ok(median(&times))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
