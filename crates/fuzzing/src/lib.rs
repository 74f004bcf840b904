//! What must hold for any bytes at all. Each target is one function that panics where something does not hold: `fuzz/`
//! lets libFuzzer look for such bytes for long, `tests/replay.rs` tries the corpus and what lies near it.

mod answers;
mod asking;
mod bodies;
mod bytes;
mod cookies;
mod names;
mod settings;

/// A target: its name, which is that of its corpus and of its binary in `fuzz/`, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("address", asking::address),
    ("answers", answers::answers),
    ("bodies", bodies::bodies),
    ("client_address", asking::client_address),
    ("conditions", asking::conditions),
    ("configuration", settings::configuration),
    ("cookies", cookies::cookies),
    ("disposition", names::disposition),
    ("file_name", names::file_name),
    ("idempotency_key", asking::idempotency_key),
    ("range", asking::range),
    ("sniff", bytes::sniff),
    ("url", asking::url),
];

/// Runs one target by its name.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of the list");
    target(data);
}

/// The parts of an input that holds several: cut at the byte for it (ASCII's record separator).
fn records(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&byte| byte == RECORD_SEPARATOR)
}

/// What stands between the records of an input.
pub const RECORD_SEPARATOR: u8 = 0x1e;
