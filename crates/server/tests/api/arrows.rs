//! The floors of the house: an import may skip a floor, never climb (ARCHITECTURE.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The floor of each room of the server; a room may import only from floors below its own, and from its own subtree.
const FLOORS: [(&str, u32); 18] = [
    ("cli", 70),
    ("app", 60),
    ("http", 50),
    ("ingest", 40),
    ("admission", 30),
    ("library", 30),
    ("store", 20),
    ("db", 20),
    ("config", 55),
    ("telemetry", 1),
    ("metrics", 1),
    ("owner", 1),
    ("account", 10),
    ("media", 10),
    ("failure", 10),
    ("id", 5),
    ("clock", 4),
    ("main", 80),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            sources(&entry.path(), found);
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            found.push(entry.path());
        }
    }
}

/// The lines of one file that reach for a room they may not, or in a form that hides which room it is.
fn climbs(room: &str, text: &str) -> Vec<String> {
    let floors: BTreeMap<&str, u32> = FLOORS.into_iter().collect();
    let own = *floors.get(room).unwrap_or_else(|| panic!("`{room}` has no floor: add it to FLOORS"));
    let is_allowed = |target: &str| match floors.get(target) {
        Some(floor) => *floor < own || target == room,
        // `crate::{a, b}` names no room at this place, and what is no room is in `lib.rs`, above all floors.
        None => false,
    };
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let target: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if !is_allowed(&target) {
                found.push(line.to_owned());
            }
        }
    }
    found
}

#[test]
fn no_import_climbs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20);

    let mut problems = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).expect("inside the root");
        let room = relative.components().next().expect("a room").as_os_str().to_string_lossy().replace(".rs", "");
        if room == "lib" {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a readable file");
        problems.extend(climbs(&room, &text).iter().map(|line| format!("{}: {line}", relative.display())));
    }
    assert!(problems.is_empty(), "imports that climb, or that hide where they lead:\n{}", problems.join("\n"));
}

#[test]
fn an_import_that_climbs_is_seen_in_every_form() {
    for line in [
        "use crate::http::door::Door;",
        "pub(crate) use crate::http;",
        "use crate::{clock::Clock, http::door::Door};",
        "use crate::{",
        "use crate::*;",
        "let door = crate::http::door::Door::new();",
        "fn open(id: crate::id::MediaId, app: crate::app::App) {}",
    ] {
        assert_eq!(climbs("store", line), [line], "{line}");
    }
    for line in ["use crate::id::MediaId;", "use crate::store::key::{ObjectKey, local_path};", "// crate::http"] {
        assert!(climbs("store", line).is_empty(), "{line}");
    }
}

#[test]
fn only_the_database_room_names_sql_and_only_the_store_names_s3() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let relative = file.strip_prefix(&root).expect("inside the root").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a readable file");
        if relative.ends_with("tests.rs") {
            continue;
        }
        assert!(relative.starts_with("db") || !text.contains("sqlx::"), "{relative} names sqlx");
        assert!(relative.starts_with("store") || !text.contains("object_store::"), "{relative} names object_store");
        let speaks_http = relative.starts_with("http") || relative.starts_with("cli");
        assert!(speaks_http || !text.contains("StatusCode"), "{relative} names a status");
    }
}
