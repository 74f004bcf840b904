//! Memory stays flat, whatever the size of the object and the number of its readers.

use http_body_util::BodyExt as _;

use crate::bed::{Bed, bytes, process_of};

const MIB: usize = 1024 * 1024;

/// Memory in use by this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

/// A process of its own, because tests that run beside it would be measured too.
fn measure(test: &str) {
    let output = process_of(test).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn a_large_object_is_read_in_flat_memory() {
    measure("memory::of_one_large_read");
}

#[test]
fn many_slow_readers_hold_little_memory() {
    measure("memory::of_many_slow_readers");
}

#[tokio::test]
#[ignore = "a process of its own, started by other tests"]
async fn of_one_large_read() {
    let bed = Bed::on_files();
    let size = 192 * MIB;
    let download = bed.download(b"");
    std::fs::OpenOptions::new().write(true).open(&download.path).unwrap().set_len(size as u64).unwrap();
    let key = download.key("a.mp4");
    bed.store.keep(&download, &key, &crate::bed::meta()).await.unwrap().recorded();
    let object = bed.store.open(&key, size as u64).await.unwrap();
    let before = resident();

    let (mut body, mut read, mut most) = (object.body(0..size as u64), 0, 0);
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().into_data().unwrap().len();
        if read % (16 * MIB) == 0 {
            most = most.max(resident());
        }
    }

    assert_eq!(read, size);
    assert!(most < before + 16 * MIB, "from {before} to {most} bytes");
}

#[tokio::test]
#[ignore = "a process of its own, started by other tests"]
async fn of_many_slow_readers() {
    let bed = Bed::on_files();
    let content = bytes(MIB);
    let key = bed.keep(&content).await;
    let object = bed.store.open(&key, content.len() as u64).await.unwrap();
    let before = resident();

    let mut readers = Vec::new();
    for _ in 0..4_000 {
        let mut body = object.body(0..content.len() as u64);
        let chunk = body.frame().await.unwrap().unwrap().into_data().unwrap();
        readers.push((body, chunk));
    }
    let held = resident() - before;

    // At 256 KiB each it would be 1,000 MiB.
    assert!(held < 400 * MIB, "{held} bytes");
    for (body, first) in readers.into_iter().step_by(100) {
        let rest = body.collect().await.unwrap().to_bytes();
        assert!(first == content[..first.len()] && rest == content[first.len()..]);
    }
}
