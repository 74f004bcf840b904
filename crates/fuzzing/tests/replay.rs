//! Every target on its corpus, on what lies near it, and on nothing at all; for `SOKU_FUZZ_SECONDS` a target, or a moment.
#![expect(clippy::disallowed_methods, reason = "a test is told by the environment how long it may take")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use soku_fuzzing::{RECORD_SEPARATOR, TARGETS, run};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().into_string().expect("text"), std::fs::read(entry.path()).expect("a file")))
        .collect();
    files.sort();
    files
}

/// Numbers that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % most.max(1)
    }
}

/// Something near `bytes`: bits turned, pieces doubled, cut, or taken from another input.
fn near(bytes: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    const PIECES: [&[u8]; 14] = [
        b"\r\n",
        b"\0",
        b"%00",
        b"\"",
        b"\\",
        b"'",
        b"-",
        b",",
        b"=",
        b"\xff",
        b"\xc3\xa9",
        b"18446744073709551616",
        b";",
        &[RECORD_SEPARATOR],
    ];
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied())),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..bytes.len().min(at + 1 + dice.below(8)))),
            4 => {
                let from = dice.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let end = bytes.len().min(at + dice.below(32));
                let piece = bytes[at.min(end)..end].to_vec();
                drop(bytes.splice(at.min(end)..at.min(end), piece));
            }
        }
    }
    bytes.truncate(64 * 1024);
    bytes
}

fn replay(name: &str) {
    const USUAL_TRIES: usize = 2_000;
    /// One that codes and decodes.
    const FEWER_TRIES: usize = 500;
    /// One that goes over sockets.
    const SLOW_TRIES: usize = 60;
    let corpus = files(&fuzz().join("corpus").join(name));
    assert!(!corpus.is_empty(), "`{name}` has no corpus");
    run(name, b"");
    for (file, bytes) in &corpus {
        println!("{name}/{file}");
        run(name, bytes);
    }
    let seconds = std::env::var("SOKU_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let usual = match name {
        "answers" => SLOW_TRIES,
        "bodies" => FEWER_TRIES,
        _ => USUAL_TRIES,
    };
    let mut dice = Dice(0x5eed_0000_0000_0001 ^ name.len() as u64);
    let mut tries = 0;
    while until.map_or(tries < usual, |until| Instant::now() < until) {
        let (one, other) = (&corpus[dice.below(corpus.len())].1, &corpus[dice.below(corpus.len())].1);
        let bytes = near(one, other, &mut dice);
        // So that a finding can be put into the corpus: a panic names no input.
        let shown = bytes.escape_ascii().to_string();
        let held = std::panic::catch_unwind(|| run(name, &bytes));
        assert!(held.is_ok(), "`{name}` does not hold for b\"{shown}\"");
        tries += 1;
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replays!(
    address answers bodies client_address conditions configuration cookies disposition file_name idempotency_key range sniff url
);

#[test]
fn every_target_has_a_corpus_a_binary_and_a_replay() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = |folder: &str| -> BTreeSet<String> {
        files_of(&fuzz().join(folder)).into_iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect()
    };
    assert_eq!(listed, names("corpus"));
    assert_eq!(listed, names("fuzz_targets"));
    assert_eq!(listed, REPLAYED.iter().map(|name| (*name).to_owned()).collect());
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).expect("a manifest");
    for name in &listed {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "`{name}` is no binary of fuzz/Cargo.toml");
    }
}

fn files_of(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
}
