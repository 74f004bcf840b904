//! Clients of every kind, at once, until they are told to end. Each answer must be the one that its kind of request gets.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use super::sources::{LARGEST, Manner, Sources};
use crate::http::{Client, hosted_url, path_of};
use crate::program::Program;

/// Clients of each kind.
const SMALL: usize = 8;
const LARGE: usize = 2;
const FAILING: usize = 2;
const DYING: usize = 2;
const SILENT: usize = 2;
const LEAVING: usize = 2;
const READING: usize = 4;
const DELETING: usize = 2;
/// All large files that can be under way at once.
pub(super) const MOST_UNDER_WAY_MB: f64 = (LARGE + DYING) as f64 * LARGEST as f64 / 1e6 + 10.0;
/// With more files than the first the oldest are deleted, with more than the second uploads wait for that.
const DELETED_BEYOND: usize = 500;
const KEPT: usize = 3_000;

/// What the clients share.
struct Shared {
    server: Arc<Program>,
    sources: Sources,
    is_over: AtomicBool,
    /// Paths and sizes, the oldest first.
    library: Mutex<VecDeque<(String, usize)>>,
    counts: [AtomicUsize; 6],
}

#[derive(Clone, Copy)]
enum Count {
    Uploads,
    Replays,
    Failures,
    Departures,
    Deliveries,
    Deletions,
}

/// A client's dice.
struct Dice(u64);

/// The load that runs.
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: Mutex<JoinSet<Result<()>>>,
}

impl Load {
    pub(super) fn start(server: &Arc<Program>, sources: &Sources) -> Load {
        let shared = Arc::new(Shared {
            server: Arc::clone(server),
            sources: sources.clone(),
            is_over: AtomicBool::new(false),
            library: Mutex::default(),
            counts: [const { AtomicUsize::new(0) }; 6],
        });
        let mut clients = JoinSet::new();
        for nth in 0..SMALL {
            clients.spawn(Arc::clone(&shared).upload(nth, 20_000, 200_000, Duration::ZERO));
        }
        for nth in SMALL..SMALL + LARGE {
            clients.spawn(Arc::clone(&shared).upload(nth, 2_000_000, LARGEST, Duration::from_millis(500)));
        }
        for nth in 0..FAILING {
            clients.spawn(Arc::clone(&shared).fail(nth));
        }
        for nth in 0..DYING {
            clients.spawn(Arc::clone(&shared).meet_dying_sources(nth));
        }
        for nth in 0..SILENT {
            clients.spawn(Arc::clone(&shared).meet_silent_sources(nth));
        }
        for nth in 0..LEAVING {
            clients.spawn(Arc::clone(&shared).leave(nth));
        }
        for nth in 0..READING {
            clients.spawn(Arc::clone(&shared).read(nth));
        }
        for _ in 0..DELETING {
            clients.spawn(Arc::clone(&shared).delete());
        }
        Load { shared, clients: Mutex::new(clients) }
    }

    /// No client may have ended yet: one that did saw something that it should not.
    pub(super) fn judge(&self) -> Result<()> {
        match self.clients.lock().unwrap_or_else(PoisonError::into_inner).try_join_next() {
            None => Ok(()),
            Some(ended) => ended?.and_then(|()| anyhow::bail!("a client ended before it was told to")),
        }
    }

    pub(super) fn uploads(&self) -> usize {
        self.shared.counts[Count::Uploads as usize].load(Ordering::Relaxed)
    }

    /// What was done so far.
    pub(super) fn words(&self) -> String {
        let counts = self.shared.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let [uploads, replays, failures, departures, deliveries, deletions] = counts;
        format!(
            "{uploads} uploads, {replays} replays, {failures} failures, {departures} clients that left, {deliveries} \
             deliveries, {deletions} deletions"
        )
    }

    /// Lets all of them finish what they are at.
    pub(super) async fn end(self) -> Result<String> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let words = self.words();
        let mut clients = self.clients.into_inner().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        Ok(words)
    }
}

impl Shared {
    /// Uploads files of sizes in between, and asks for every fourth again.
    async fn upload(self: Arc<Shared>, nth: usize, from: usize, to: usize, pause: Duration) -> Result<()> {
        let (mut client, mut dice) = (self.connect().await?, Dice::new(nth));
        for round in 0_usize.. {
            if self.waits_for_room().await {
                break;
            }
            let size = dice.between(from, to);
            let url = self.sources.url(Manner::Whole, size, &format!("{nth}-{round}"));
            let hosted = self.import(&mut client, &url, size).await?;
            if round.is_multiple_of(4) {
                let again = hosted_url(&client.import(&self.server.key, &url).await?)?;
                ensure!(again == hosted, "a replay was answered `{again}` and not `{hosted}`");
                self.count(Count::Replays);
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Sends what can only be refused, or fail.
    async fn fail(self: Arc<Shared>, nth: usize) -> Result<()> {
        let mut client = self.connect().await?;
        for round in 0_usize.. {
            if self.is_over() {
                break;
            }
            let name = format!("fail-{nth}-{round}");
            let missing = self.sources.url(Manner::Missing, 1, &name);
            let page = self.sources.url(Manner::Page, 1, &name);
            for (key, url, reason) in [
                (self.server.key.as_str(), missing.as_str(), "source_status"),
                (&self.server.key, &page, "not_media"),
                (&self.server.key, "http://10.0.0.1/x.jpg", "address_not_public"),
                (&self.server.key, "no url", "invalid_url"),
                ("sk_live_nobody", &page, "unauthorized"),
            ] {
                let answer = client.import(key, url).await?;
                self.expect_failure(&answer, reason)?;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Sources that end in the middle: once, or every time.
    async fn meet_dying_sources(self: Arc<Shared>, nth: usize) -> Result<()> {
        let (mut client, mut dice) = (self.connect().await?, Dice::new(100 + nth));
        for round in 0_usize.. {
            if self.waits_for_room().await {
                break;
            }
            let size = if round.is_multiple_of(20) { LARGEST / 2 } else { dice.between(20_000, 900_000) };
            let name = format!("dying-{nth}-{round}");
            let resumes = self.sources.url(Manner::Resumes, size, &name);
            self.import(&mut client, &resumes, size).await?;
            let answer = client.import(&self.server.key, &self.sources.url(Manner::Dies, size, &name)).await?;
            self.expect_failure(&answer, "truncated")?;
        }
        Ok(())
    }

    async fn meet_silent_sources(self: Arc<Shared>, nth: usize) -> Result<()> {
        let mut client = self.connect().await?;
        for round in 0_usize.. {
            if self.is_over() {
                break;
            }
            let url = self.sources.url(Manner::Silent, 1, &format!("{nth}-{round}"));
            let answer = client.import(&self.server.key, &url).await?;
            let reason = if self.is_over() { "" } else { "first_byte_timeout" };
            self.expect_failure(&answer, reason)?;
        }
        Ok(())
    }

    /// Clients that hang up: in the middle of an upload, which comes to its end all the same; of a head; of a delivery.
    async fn leave(self: Arc<Shared>, nth: usize) -> Result<()> {
        let mut dice = Dice::new(200 + nth);
        for round in 0_usize.. {
            if self.waits_for_room().await {
                break;
            }
            let size = dice.between(20_000, 60_000);
            let url = self.sources.url(Manner::Whole, size, &format!("left-{nth}-{round}"));
            let mut leaves = self.connect().await?;
            leaves.send(&Client::import_request(&self.server.key, &url)).await?;
            tokio::time::sleep(Duration::from_micros(dice.between(0, 5_000) as u64)).await;
            drop(leaves);
            self.connect().await?.send("POST /v1/media HTTP/1.1\r\nHost: be").await?;
            if let Some((path, _)) = self.pick(&mut dice) {
                self.connect().await?.send(&format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n")).await?;
            }
            // Joins the upload, or gets its answer.
            self.import(&mut self.connect().await?, &url, size).await?;
            self.count(Count::Departures);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Whole files and ranges of them.
    async fn read(self: Arc<Shared>, nth: usize) -> Result<()> {
        let (mut client, mut dice) = (self.connect().await?, Dice::new(300 + nth));
        while !self.is_over() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let Some((path, size)) = self.pick(&mut dice) else { continue };
            let (first, is_range) = (dice.between(0, size - 1), dice.between(0, 1) == 1 || size > 1_000_000);
            let last = dice.between(first, (first + 500_000).min(size - 1));
            let range = if is_range { format!("Range: bytes={first}-{last}\r\n") } else { String::new() };
            let answer = client.ask(&format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{range}\r\n")).await?;
            let length = answer.body.len();
            let is_right = match answer.status {
                200 => !is_range && length == size,
                206 => is_range && length == last - first + 1,
                // Deleted meanwhile.
                404 => true,
                _ => false,
            };
            ensure!(
                is_right,
                "GET of {path} ({size} bytes, {range:?}) was answered {} with {length} bytes",
                answer.status
            );
            self.count(Count::Deliveries);
        }
        Ok(())
    }

    /// Deletes the oldest, as an operator would.
    async fn delete(self: Arc<Shared>) -> Result<()> {
        while !self.is_over() {
            let oldest = {
                let mut library = self.library.lock().unwrap_or_else(PoisonError::into_inner);
                if library.len() > DELETED_BEYOND { library.pop_front() } else { None }
            };
            let Some((path, _)) = oldest else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            let id = path.split('/').nth(2).context("no id in a path")?;
            let mut command = tokio::process::Command::from(self.server.command());
            let output = command.args(["media", "delete", id]).stdin(Stdio::null()).output().await?;
            ensure!(output.status.success(), "could not delete {id}: {}", String::from_utf8_lossy(&output.stderr));
            self.count(Count::Deletions);
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Client> {
        Client::connect(&self.server.address).await
    }

    async fn import(&self, client: &mut Client, url: &str, size: usize) -> Result<String> {
        let hosted =
            hosted_url(&client.import(&self.server.key, url).await?).with_context(|| format!("importing {url}"))?;
        let path = path_of(&hosted)?.to_owned();
        self.library.lock().unwrap_or_else(PoisonError::into_inner).push_back((path, size));
        self.count(Count::Uploads);
        Ok(hosted)
    }

    fn expect_failure(&self, answer: &crate::http::Answer, reason: &str) -> Result<()> {
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status >= 400 && text.contains(reason), "{} and not `{reason}`: {text}", answer.status);
        self.count(Count::Failures);
        Ok(())
    }

    /// Waits while there are too many files; true where it is over.
    async fn waits_for_room(&self) -> bool {
        while self.library.lock().unwrap_or_else(PoisonError::into_inner).len() > KEPT && !self.is_over() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.is_over()
    }

    fn pick(&self, dice: &mut Dice) -> Option<(String, usize)> {
        let library = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        if library.is_empty() { None } else { library.get(dice.between(0, library.len() - 1)).cloned() }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn count(&self, what: Count) {
        self.counts[what as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Dice {
    fn new(nth: usize) -> Dice {
        Dice(0x9E37_79B9_7F4A_7C15 ^ (nth as u64 + 1).wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// A number from the first to the last.
    fn between(&mut self, first: usize, last: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let span = (last - first + 1) as u64;
        first + usize::try_from(self.0 % span).expect("a remainder is smaller than its divisor")
    }
}
