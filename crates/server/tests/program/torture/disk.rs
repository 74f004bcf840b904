//! A disk that loses its power: what was synced is there, of the rest any part or nothing.
//!
//! Stricter than most file systems: the name of a new file is safe only after an `fsync` of its directory, and writes
//! that no sync covered may survive in any order, torn into sectors.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::random::Random;
use super::syscalls::{Call, Moment, Recording};

const SECTOR: usize = 512;

type Names = BTreeMap<String, usize>;

/// The files and directories below one root.
pub(super) struct Disk {
    root: PathBuf,
    nodes: Vec<Node>,
    /// Syncs that run: which node, and how many of its changes are covered.
    syncing: HashMap<usize, (usize, usize)>,
}

enum Node {
    File(Journal<Vec<u8>, Write>),
    Directory { now: Names, journal: Journal<Names, Rename> },
}

/// A state that is safe, and the changes since.
struct Journal<S, C> {
    safe: S,
    /// How many changes went into `safe`.
    settled: usize,
    loose: Vec<C>,
    /// Where the next `write` goes.
    position: usize,
}

#[derive(Clone)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

/// Names that go and names that come, at once.
#[derive(Clone)]
struct Rename {
    gone: Option<String>,
    come: Option<(String, usize)>,
}

/// What survives of what was not synced.
pub(super) enum Survivors<'a> {
    Nothing,
    Some(&'a mut Random),
}

impl<S: Default, C> Default for Journal<S, C> {
    fn default() -> Journal<S, C> {
        Journal { safe: S::default(), settled: 0, loose: Vec::new(), position: 0 }
    }
}

impl Disk {
    /// The disk as it was at a place in a recording. A sync for which `forgets` holds did nothing.
    pub(super) fn at(root: &Path, recording: &Recording, place: usize, forgets: impl Fn(&Call) -> bool) -> Disk {
        let mut disk = Disk { root: root.to_owned(), nodes: vec![Node::directory()], syncing: HashMap::new() };
        for moment in &recording.moments[..place] {
            let (Moment::Begins(nth) | Moment::Ends(nth)) = *moment;
            let call = &recording.calls[nth];
            if call.result < 0 || (call.is_sync() && forgets(call)) {
                continue;
            }
            match moment {
                Moment::Begins(_) if call.is_sync() => disk.sync_begins(nth, call),
                Moment::Ends(_) if call.is_sync() => disk.sync_ends(nth),
                Moment::Begins(_) => {}
                Moment::Ends(_) => disk.change(call),
            }
        }
        disk
    }

    /// The names that lead to a path below the root.
    fn names(&self, path: &str) -> Option<Vec<String>> {
        let below = Path::new(path).strip_prefix(&self.root).ok()?;
        Some(below.iter().map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn find(&self, path: &str) -> Option<usize> {
        let mut node = 0;
        for name in self.names(path)? {
            let Node::Directory { now, .. } = &self.nodes[node] else { return None };
            node = *now.get(&name)?;
        }
        Some(node)
    }

    /// The directory of a path, and the name in it.
    fn parent(&self, path: &str) -> Option<(usize, String)> {
        let name = self.names(path)?.pop()?;
        let directory = Path::new(path).parent()?.to_str()?;
        Some((self.find(directory)?, name))
    }

    fn rename(&mut self, directory: usize, change: Rename) {
        let Node::Directory { now, journal } = &mut self.nodes[directory] else { panic!("not a directory") };
        change.apply(now);
        journal.loose.push(change);
    }

    fn add(&mut self, path: &str, node: Node) {
        let Some((directory, name)) = self.parent(path) else { return };
        self.nodes.push(node);
        self.rename(directory, Rename { gone: None, come: Some((name, self.nodes.len() - 1)) });
    }

    fn write(&mut self, path: &str, write: impl FnOnce(&mut Journal<Vec<u8>, Write>) -> Write) {
        // A file that has lost its name is of no use to anybody after a power cut.
        let Some(node) = self.find(path) else { return };
        let Node::File(journal) = &mut self.nodes[node] else { panic!("{path} is not a file") };
        let write = write(journal);
        journal.loose.push(write);
    }

    fn change(&mut self, call: &Call) {
        let path = |nth| call.path(nth);
        let descriptor = call.descriptor.as_str();
        match call.name.as_str() {
            "openat" | "creat" => {
                let path = if path(0).starts_with('/') { path(0) } else { format!("{descriptor}/{}", path(0)) };
                match self.find(&path) {
                    None if call.words.contains("O_CREAT") => self.add(&path, Node::File(Journal::default())),
                    None => {}
                    Some(node) => {
                        let Node::File(journal) = &mut self.nodes[node] else { return };
                        journal.position = 0;
                        if call.words.contains("O_TRUNC") {
                            journal.loose.push(Write::Length(0));
                        }
                    }
                }
            }
            "write" | "writev" => self.write(descriptor, |journal| {
                let at = journal.position;
                let bytes = call.written();
                journal.position += bytes.len();
                Write::Bytes(at, bytes)
            }),
            "pwrite64" => self.write(descriptor, |_| Write::Bytes(call.last_number(), call.written())),
            "ftruncate" => self.write(descriptor, |_| Write::Length(call.last_number())),
            "lseek" => {
                if let Some(node) = self.find(descriptor)
                    && let Node::File(journal) = &mut self.nodes[node]
                {
                    journal.position = usize::try_from(call.result).expect("a position");
                }
            }
            "mkdir" | "mkdirat" => self.add(&path(0), Node::directory()),
            "link" | "linkat" => {
                let (Some(node), Some((directory, name))) = (self.find(&path(0)), self.parent(&path(1))) else {
                    return;
                };
                self.rename(directory, Rename { gone: None, come: Some((name, node)) });
            }
            "rename" | "renameat" | "renameat2" => {
                let (Some((from, old)), Some((to, new))) = (self.parent(&path(0)), self.parent(&path(1))) else {
                    return;
                };
                assert_eq!(from, to, "a rename from one directory to another is not known here");
                let node = self.find(&path(0)).expect("what is renamed is there");
                self.rename(from, Rename { gone: Some(old), come: Some((new, node)) });
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let Some((directory, name)) = self.parent(&path(0)) else { return };
                self.rename(directory, Rename { gone: Some(name), come: None });
            }
            "sendto" | "sendmsg" => {}
            other => assert!(self.find(descriptor).is_none(), "`{other}` is not known here"),
        }
    }

    fn sync_begins(&mut self, nth: usize, call: &Call) {
        if let Some(node) = self.find(&call.descriptor) {
            let covered = match &self.nodes[node] {
                Node::File(journal) => journal.settled + journal.loose.len(),
                Node::Directory { journal, .. } => journal.settled + journal.loose.len(),
            };
            self.syncing.insert(nth, (node, covered));
        }
    }

    fn sync_ends(&mut self, nth: usize) {
        let Some((node, covered)) = self.syncing.remove(&nth) else { return };
        match &mut self.nodes[node] {
            Node::File(journal) => journal.settle(covered, Write::apply),
            Node::Directory { journal, .. } => journal.settle(covered, Rename::apply),
        }
    }

    /// Makes the directory that is found after the power came back.
    pub(super) fn after_the_cut(&self, target: &Path, survivors: &mut Survivors<'_>) {
        fs::create_dir_all(target).expect("made");
        self.bring_back(0, target, survivors, &mut HashMap::new());
    }

    fn bring_back(
        &self,
        node: usize,
        target: &Path,
        survivors: &mut Survivors<'_>,
        made: &mut HashMap<usize, PathBuf>,
    ) {
        if let Some(first) = made.get(&node) {
            return fs::hard_link(first, target).expect("linked");
        }
        match &self.nodes[node] {
            Node::File(journal) => {
                fs::write(target, journal.survived(survivors)).expect("written");
                made.insert(node, target.to_owned());
            }
            Node::Directory { journal, .. } => {
                fs::create_dir_all(target).expect("made");
                let mut names = journal.safe.clone();
                for change in &journal.loose {
                    if let Survivors::Some(random) = survivors
                        && random.coin()
                    {
                        change.apply(&mut names);
                    }
                }
                for (name, node) in names {
                    self.bring_back(node, &target.join(name), survivors, made);
                }
            }
        }
    }
}

impl Node {
    fn directory() -> Node {
        Node::Directory { now: Names::new(), journal: Journal::default() }
    }
}

impl<S, C> Journal<S, C> {
    fn settle(&mut self, covered: usize, apply: impl Fn(&C, &mut S)) {
        let count = covered.saturating_sub(self.settled);
        for change in self.loose.drain(..count) {
            apply(&change, &mut self.safe);
        }
        self.settled += count;
    }
}

impl Journal<Vec<u8>, Write> {
    fn survived(&self, survivors: &mut Survivors<'_>) -> Vec<u8> {
        let mut bytes = self.safe.clone();
        let Survivors::Some(random) = survivors else { return bytes };
        for write in &self.loose {
            match (write, random.below(3)) {
                (_, 0) => {}
                (Write::Bytes(at, written), 1) => {
                    for (nth, sector) in written.chunks(SECTOR).enumerate() {
                        if random.coin() {
                            Write::Bytes(at + nth * SECTOR, sector.to_vec()).apply(&mut bytes);
                        }
                    }
                }
                (write, _) => write.apply(&mut bytes),
            }
        }
        bytes
    }
}

impl Write {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Write::Length(length) => bytes.resize(*length, 0),
            Write::Bytes(at, written) => {
                let end = at + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(written);
            }
        }
    }
}

impl Rename {
    fn apply(&self, names: &mut Names) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, node)) = &self.come {
            names.insert(name.clone(), *node);
        }
    }
}
