//! The floors of the house: an import may skip a floor, never climb (ARCHITECTURE.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The floor of each room of the server; a room may import only from floors below its own, and from its own subtree.
const FLOORS: [(&str, u32); 16] = [
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

#[test]
fn no_import_climbs() {
    let floors: BTreeMap<&str, u32> = FLOORS.into_iter().collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20);

    let mut climbs = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).expect("inside the root");
        let room = relative.components().next().expect("a room").as_os_str().to_string_lossy().replace(".rs", "");
        if room == "lib" {
            continue;
        }
        let own = *floors.get(room.as_str()).unwrap_or_else(|| panic!("`{room}` has no floor: add it to FLOORS"));
        let text = std::fs::read_to_string(&file).expect("a readable file");
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let target: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let Some(floor) = floors.get(target.as_str()) else { continue };
                let allowed = *floor < own || target == room;
                if !allowed {
                    climbs.push(format!("{}: {line}", relative.display()));
                }
            }
        }
    }
    assert!(climbs.is_empty(), "imports that climb:\n{}", climbs.join("\n"));
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
