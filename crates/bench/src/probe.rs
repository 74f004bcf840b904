//! What clients see that ask for one small thing after another: the median of the times that one waits, and how much many get.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};

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

pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Who takes files in: its address, the request for one URL, and the status of its success.
#[derive(Clone)]
pub(crate) struct Importer {
    pub(crate) address: String,
    pub(crate) request: Arc<dyn Fn(&str) -> String + Send + Sync>,
    pub(crate) status: u16,
}

impl Importer {
    pub(crate) fn soku(server: &Program) -> Importer {
        let key = server.key.clone();
        let request = Arc::new(move |url: &str| Client::import_request(&key, url));
        Importer { address: server.address.clone(), request, status: 201 }
    }

    pub(crate) async fn import(&self, client: &mut Client, url: &str) -> Result<()> {
        let answer = client.ask(&(self.request)(url)).await?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == self.status, "{} answered {}: {text}", self.address, answer.status);
        Ok(())
    }

    /// Files a second, of the source's files from number `first` on, by so many clients at once.
    pub(crate) async fn rate(&self, source: &Source, first: usize, files: usize, clients: usize) -> Result<f64> {
        let next = Arc::new(AtomicUsize::new(first));
        let last = first + files;
        let started = Instant::now();
        let mut running = Vec::new();
        for _ in 0..clients {
            let (importer, source, next) = (self.clone(), source.clone(), Arc::clone(&next));
            running.push(tokio::spawn(async move {
                let mut client = Client::connect(&importer.address).await?;
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= last {
                        return anyhow::Ok(());
                    }
                    importer.import(&mut client, &source.url(nth, "jpg")).await?;
                }
            }));
        }
        for client in running {
            client.await??;
        }
        Ok(files as f64 / started.elapsed().as_secs_f64())
    }
}
