//! Alone in its process, because it measures the process.

use std::time::Duration;

use soku_fetch::{DialSettings, Dialer, FetchJob, Fetcher, Limits, Policy, SourceUrl};
use soku_testkit::Origin;
use tokio::io::AsyncWriteExt;

const MIB: u64 = 1024 * 1024;

/// The most memory that this process ever had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    peak.expect("Linux measures it")
}

/// Report: transloadit/uppy#5305
#[tokio::test]
async fn case_13_a_chunked_body_of_40_mb_is_taken_in_flat_memory() {
    let origin = Origin::start().await;
    origin.handle("/generated", |_, mut stream| async move {
        let chunk = [b"10000\r\n".to_vec(), vec![7; 0x10000], b"\r\n".to_vec()].concat();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        for _ in 0..640 {
            stream.write_all(&chunk).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    });
    let directory = tempfile::tempdir().unwrap();
    let dialer = Dialer::new(Policy::loopback(), DialSettings::default()).unwrap();
    let fetcher = Fetcher::new(dialer, Limits { min_free_bytes: 0, ..Limits::default() }, "soku/test".to_owned());
    let url = SourceUrl::parse(&origin.url("/generated")).unwrap();
    let spool = directory.path().join("spooled");

    let before = peak_kib();
    let job = FetchJob { url: &url, on_behalf_of: "test", spool, verdict: &|_| Ok(()), progress: None };
    let fetched = tokio::time::timeout(Duration::from_secs(60), fetcher.fetch(job)).await.unwrap().unwrap();

    assert_eq!(fetched.spooled.size_bytes(), 40 * MIB);
    let grown = peak_kib() - before;
    assert!(grown < 4 * 1024, "the peak grew by {grown} KiB");
}
