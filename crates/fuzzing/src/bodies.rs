//! What sources send as a body: framings and content codings, whole and damaged, in pieces, through the real fetch over a
//! connection in memory. Time stands still while there is anything to do, so a stall shows as time that went by.

mod plan;
mod source;

use std::cell::LazyCell;
use std::time::Duration;

use soku_fetch::{DialSettings, Dialer, FetchError, FetchJob, Fetcher, Limits, Policy, SourceUrl};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use self::plan::{Coding, Framing, Plan, Sent};
use self::source::Source;

/// More than a block of the spool, so that blocks are written too.
const MAX_BYTES: u64 = 300_000;
const RATIO: u64 = 100;
const RATIO_FREE_BYTES: u64 = 64 * 1024;
const IDLE: Duration = Duration::from_secs(30);
/// Brotli's window may have 16 MiB and zstd's 8, with tables on top.
const MOST_MEMORY_KIB: u64 = 96 * 1024;

/// Where libFuzzer runs, the decoder leaves zlib's checksum alone (`miniz_oxide`).
#[expect(unexpected_cfgs, reason = "set in libFuzzer's build alone")]
const CHECKS_ZLIB: bool = !cfg!(fuzzing);

struct Bed {
    runtime: Runtime,
    fetcher: Fetcher,
    spool: TempDir,
    url: SourceUrl,
}

thread_local! {
    static BED: LazyCell<Bed> = LazyCell::new(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let limits = Limits {
            max_bytes: MAX_BYTES,
            min_free_bytes: 0,
            idle_timeout: IDLE,
            ratio: RATIO,
            ratio_free_bytes: RATIO_FREE_BYTES,
            ..Limits::default()
        };
        let dial = DialSettings { dns_servers: vec![([127, 0, 0, 1], 9).into()], ..DialSettings::default() };
        let dialer = Dialer::new(Policy::loopback(), dial).expect("a dialer that is not used");
        Bed {
            runtime: runtime.expect("a runtime"),
            fetcher: Fetcher::new(dialer, limits, "soku-fuzzing".to_owned()),
            spool: tempfile::tempdir().expect("a directory"),
            url: SourceUrl::parse("http://source.example/a").expect("a URL"),
        }
    });
}

/// A line that says how a body is sent (`plan.rs`), then the body.
pub(crate) fn bodies(data: &[u8]) {
    BED.with(|bed| {
        let plan = Plan::read(data);
        let before = peak_kib();
        let (sent, outcome) = bed.runtime.block_on(async {
            let sent = plan.send().await;
            let outcome = bed.fetch(&sent, Source::of(&sent, &plan)).await;
            (sent, outcome)
        });
        judge(&plan, &sent, &outcome);
        // The same body, framed plainly and in one piece, is the same file.
        if let Some(coded) = sent.unframed.as_ref().filter(|_| plan.coding != Coding::Identity) {
            let plainly = bed.runtime.block_on(bed.fetch(&sent, Source::plain(&plan, coded)));
            match (&outcome, &plainly) {
                (Ok(bytes), Ok(same)) => assert!(bytes == same, "the pieces change the file"),
                (Ok(_), Err(error)) => panic!("in one piece: {error:?}"),
                (Err(error), Ok(_)) => assert!(!sent.is_sound, "in pieces: {error:?}"),
                (Err(_), Err(_)) => {}
            }
        }
        let grown = peak_kib().saturating_sub(before);
        assert!(grown <= MOST_MEMORY_KIB, "{grown} KiB for one body");
    });
}

impl Bed {
    /// What comes of a source, which is not waited for where it has said all.
    async fn fetch(&self, sent: &Sent, source: Source) -> Result<Vec<u8>, FetchError> {
        let spool = self.spool.path().join("spooled");
        let job = FetchJob { url: &self.url, on_behalf_of: "test", spool, verdict: &|_| Ok(()), progress: None };
        let began = Instant::now();
        let outcome = self.fetcher.fetch_over(source, job).await;
        let took = began.elapsed();
        let bytes = outcome.map(|fetched| {
            let bytes = std::fs::read(fetched.spooled.path()).expect("a file");
            assert_eq!(bytes.len() as u64, fetched.spooled.size_bytes());
            bytes
        });
        assert_eq!(std::fs::read_dir(self.spool.path()).expect("a directory").count(), 0, "nothing is left");
        match &bytes {
            Ok(_) => assert!(took < IDLE, "it waited for more than all"),
            Err(error) => assert!(took <= IDLE + Duration::from_secs(1) && sent.may_stall(took), "{took:?}: {error:?}"),
        }
        bytes
    }
}

/// What a reader with a ruler says of it.
fn judge(plan: &Plan, sent: &Sent, outcome: &Result<Vec<u8>, FetchError>) {
    if let Ok(bytes) = outcome {
        assert!(!bytes.is_empty() && bytes.len() as u64 <= MAX_BYTES, "{} bytes", bytes.len());
        let coded = sent.unframed.as_ref().expect("a body that was cut is no file");
        if plan.coding == Coding::Identity {
            assert!(bytes == coded, "other bytes than those inside of the framing");
        }
        if bytes.len() as u64 > RATIO_FREE_BYTES && plan.coding != Coding::Identity {
            assert!(bytes.len() as u64 / RATIO <= coded.len() as u64, "{} of {}", bytes.len(), coded.len());
        }
    }
    let Some(payload) = &sent.payload else { return };
    if sent.is_sound {
        return match outcome {
            Ok(bytes) => assert!(bytes == payload, "another file than the one that was sent"),
            Err(FetchError::TooLarge { .. }) => {
                assert!(payload.len() as u64 > MAX_BYTES || sent.coded.len() as u64 > MAX_BYTES);
            }
            Err(FetchError::CompressionRatio { .. }) => {
                assert!(payload.len() as u64 > RATIO_FREE_BYTES && plan.coding != Coding::Identity && !plan.is_noise());
            }
            Err(FetchError::ContentRefused(_)) => assert!(payload.is_empty(), "refused"),
            Err(error) => panic!("an undamaged body: {error:?}"),
        };
    }
    let Ok(bytes) = outcome else { return };
    let coded = sent.unframed.as_ref().expect("a body that was cut is no file");
    let is_start = coded.len() < sent.coded.len() && sent.coded.starts_with(coded);
    let is_more = coded.len() > sent.coded.len() && coded.starts_with(&sent.coded);
    match plan.coding {
        Coding::Identity => {}
        // No framing can tell a file that ends with a member from one that lacks the next.
        _ if is_start && sent.ends_of_members.contains(&coded.len()) => assert!(payload.starts_with(bytes)),
        _ if is_start || is_more => panic!("{} coded bytes of {}", coded.len(), sent.coded.len()),
        Coding::Gzip | Coding::Zstd => assert!(bytes == payload, "its checksum is wrong"),
        // Another first byte makes bare deflate of it, which has no checksum either.
        Coding::Zlib if CHECKS_ZLIB && coded.get(..2) == sent.coded.get(..2) => {
            assert!(bytes == payload, "its checksum is wrong");
        }
        Coding::Zlib | Coding::Deflate | Coding::Brotli => {}
    }
}

/// The most memory that this process ever had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    peak.expect("Linux measures it")
}

impl Sent {
    /// Only a source that says nothing and does not hang up is waited for.
    fn may_stall(&self, took: Duration) -> bool {
        took < IDLE || self.stays_open && (self.unframed.is_none() || self.framing == Framing::Close)
    }
}
