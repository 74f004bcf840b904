//! Work for a server that is about to be hurt, and the book of what it promised.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use soku_testkit::{Answer, Origin, samples};

use super::random::Random;
use crate::program::{Place, Program, client};

/// What is known of one source file, by its target (`/<number>-<bytes>.png`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Asked for; no answer came, or one that failed.
    Asked,
    /// Answered 201 with this path.
    Stored { path: String },
    /// To be deleted; whether it is, nobody was told.
    Deleting,
    /// Deleted for good.
    Deleted { path: String },
}

/// The source, the numbers of its files, and the book.
pub(super) struct Work {
    origin: Origin,
    book: Mutex<BTreeMap<String, Fate>>,
    next: AtomicUsize,
    client: reqwest::Client,
}

/// An answer to an import.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Said {
    pub(super) fn reason(&self) -> &str {
        self.body["error"]["details"]["reason"].as_str().unwrap_or_default()
    }

    /// The path of the hosted URL.
    pub(super) fn path(&self) -> Option<String> {
        let url = self.body["url"].as_str().filter(|_| self.status == 201)?;
        url.find("/media/").map(|start| url[start..].to_owned())
    }
}

/// The bytes behind a target: a PNG, then noise that belongs to the target alone.
pub(super) fn bytes_of(target: &str) -> Vec<u8> {
    let length = target.trim_end_matches(".png").rsplit('-').next().and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut bytes = samples::PNG.bytes.to_vec();
    while bytes.len() < length {
        bytes.extend_from_slice(format!("{target}@{};", bytes.len()).as_bytes());
    }
    bytes
}

impl Work {
    pub(super) async fn start() -> Arc<Work> {
        let origin = Origin::start().await;
        origin.answer_all_with(|request, nth| {
            let bytes = bytes_of(&request.target);
            match nth % 8 {
                // Cut once, and whole when it is asked again; or slow.
                3 if request.range_start().is_none() => {
                    Answer::part("image/png", bytes.clone(), None).header("ETag", "\"v1\"").cut_after(bytes.len() / 2)
                }
                5 => Answer::ok("image/png", bytes).slowly(32 * 1024, Duration::from_millis(2)),
                _ => Answer::part("image/png", bytes, request.range_start()).header("ETag", "\"v1\""),
            }
        });
        Arc::new(Work { origin, book: Mutex::default(), next: AtomicUsize::new(0), client: client() })
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<String, Fate>> {
        self.book.lock().expect("nobody panics with the book in hand")
    }

    /// What is in the book.
    pub(super) fn fates(&self) -> BTreeMap<String, Fate> {
        self.book().clone()
    }

    pub(super) fn fate(&self, target: &str, fate: Fate) {
        self.book().insert(target.to_owned(), fate);
    }

    /// A file that nobody asked for yet.
    pub(super) fn new_target(&self, bytes: usize) -> String {
        format!("/{}-{bytes}.png", self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn url(&self, target: &str) -> String {
        self.origin.url(target)
    }

    /// Asks for a file; `None` where no answer comes. What is said is written down.
    pub(super) async fn import(&self, base: &str, key: &str, target: &str) -> Option<Said> {
        self.book().entry(target.to_owned()).or_insert(Fate::Asked);
        let said = self.ask(base, key, target).await?;
        if let Some(path) = said.path() {
            self.fate(target, Fate::Stored { path });
        }
        Some(said)
    }

    /// Asks for a file and writes nothing down.
    pub(super) async fn ask(&self, base: &str, key: &str, target: &str) -> Option<Said> {
        let request = self.client.post(format!("{base}/v1/media")).header("soku-api-key", key);
        let request = request.header("Content-Type", "application/json").header("Idempotency-Key", target);
        let body = format!("{{\"url\": \"{}\"}}", self.url(target));
        let answer = request.body(body).send().await.ok()?;
        let status = answer.status().as_u16();
        let body = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        Some(Said { status, body })
    }

    pub(super) async fn get(&self, url: &str) -> Option<(u16, Vec<u8>)> {
        let answer = self.client.get(url).send().await.ok()?;
        Some((answer.status().as_u16(), answer.bytes().await.ok()?.to_vec()))
    }
}

/// Many clients and a command line at once, until they are told to stop.
pub(super) struct Load {
    until: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(work: &Arc<Work>, place: &Place, program: &Program, random: &mut Random) -> Load {
        let until = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for nth in 0..9 {
            let (work, until, mut random) = (Arc::clone(work), Arc::clone(&until), random.child());
            let (base, key, tool) = (program.base.clone(), program.key.clone(), place.tool());
            tasks.push(tokio::spawn(async move {
                while !until.load(Ordering::Relaxed) {
                    if nth == 8 {
                        delete_one(&work, tool.command(), &mut random).await;
                        continue;
                    }
                    let bytes = if random.below(4) == 0 { random.below(700_000) } else { random.below(20_000) };
                    let target = work.new_target(bytes);
                    if work.import(&base, &key, &target).await.is_none() {
                        // The server is gone.
                        break;
                    }
                }
            }));
        }
        Load { until, tasks }
    }

    /// Waits until every client is done.
    pub(super) async fn end(self) {
        self.until.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("no panic");
        }
    }
}

/// Deletes something that is stored, by the command line, which may be killed on its way.
async fn delete_one(work: &Work, mut delete: Command, random: &mut Random) {
    let stored: Vec<(String, String)> = work
        .fates()
        .into_iter()
        .filter_map(|(target, fate)| match fate {
            Fate::Stored { path } => Some((target, path)),
            Fate::Asked | Fate::Deleting | Fate::Deleted { .. } => None,
        })
        .collect();
    let Some((target, path)) = stored.get(random.below(stored.len())).cloned() else {
        return tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let id = path.split('/').nth(2).expect("an id").to_owned();
    work.fate(&target, Fate::Deleting);
    let patience = random.coin().then(|| random.up_to(Duration::from_millis(120)));
    delete.args(["media", "delete", &id]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = delete.spawn().expect("the program starts");
    let ended = tokio::task::spawn_blocking(move || {
        if let Some(patience) = patience {
            std::thread::sleep(patience);
            let _ = child.kill();
        }
        child.wait().expect("it ends").success()
    });
    if ended.await.expect("no panic") {
        work.fate(&target, Fate::Deleted { path });
    }
}
