//! The documents lead where they say: to files that are there, and to headings that they have.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the crate lies in the repository")
}

/// Every file of the repository that somebody wrote, but for those of hidden directories.
fn written_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if name == "target" || name.as_encoded_bytes().starts_with(b".") || path.is_symlink() {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    path.extension().is_some_and(|extension| wanted.iter().any(|one| extension == *one))
}

/// The text without its fenced blocks: what is in them leads nowhere.
fn prose(markdown: &str) -> String {
    let mut fenced = false;
    let lines = markdown.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where a document's links lead, of both forms: `[text](target)` and `[name]: target`.
fn links(markdown: &str) -> Vec<String> {
    let prose = prose(markdown);
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let named = prose.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    inline.chain(named.map(|(_, target)| target)).map(|target| target.trim().to_owned()).collect()
}

/// The anchors of a document's headings, made as GitHub makes them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let prose = prose(markdown);
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// What is wrong with a link of the document `file`.
fn broken(file: &Path, link: &str) -> Option<String> {
    if ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let folder = file.parent().expect("a file is in a folder");
    let target = if path.is_empty() { file.to_owned() } else { folder.join(path) };
    if !target.exists() {
        return Some(format!("{}: nothing is at `{link}`", file.display()));
    }
    let anchor = anchor?;
    let headings = anchors(&fs::read_to_string(&target).expect("a link with a fragment leads to a document"));
    (!headings.contains(anchor)).then(|| format!("{}: no heading for `{link}`, of {headings:?}", file.display()))
}

/// The paths below `docs/` that a text names. A `docs/` in the middle of a longer path is somebody else's.
fn named_documents(text: &str) -> Vec<String> {
    let within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    let at = text.match_indices("docs/").filter(|(at, _)| !text[..*at].ends_with(within));
    let path = |at: usize| text[at..].chars().take_while(|c| within(*c)).collect::<String>();
    at.map(|(at, _)| path(at).trim_end_matches('.').to_owned()).collect()
}

#[test]
fn every_link_in_a_document_leads_somewhere() {
    let documents: Vec<_> = written_files().into_iter().filter(|path| has_extension(path, &["md"])).collect();
    assert!(documents.len() > 8, "{documents:?}");

    let mut found = 0;
    let mut problems = Vec::new();
    for file in documents {
        for link in links(&fs::read_to_string(&file).expect("a readable document")) {
            found += 1;
            problems.extend(broken(&file, &link));
        }
    }

    assert!(found > 10, "only {found} links were found");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_document_that_a_source_names_is_there() {
    let root = repository();
    let is_source = |path: &PathBuf| {
        has_extension(path, &["rs", "sql", "toml", "md", "conf", "service"]) || path.starts_with(root.join("scripts"))
    };
    // This file shows paths that are not there.
    let here = Path::new(file!()).file_name().expect("a name");
    let mut found = 0;
    let mut problems = Vec::new();
    for file in written_files().into_iter().filter(is_source).filter(|path| path.file_name() != Some(here)) {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("a readable source")).into_owned();
        for path in named_documents(&text) {
            found += 1;
            if !root.join(&path).exists() {
                problems.push(format!("{} names {path}", file.display()));
            }
        }
    }

    assert!(found > 5, "only {found} were found");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_leads_nowhere_is_found_out() {
    let readme = repository().join("README.md");

    for link in ["docs/no-such.md", "#no-such-heading", "LICENSE-MIT#a", "/README.md"] {
        let outcome = std::panic::catch_unwind(|| broken(&readme, link));
        assert!(outcome.is_ok_and(|problem| problem.is_some()), "{link}");
    }
    for link in ["docs/api.md", "#run-it", "docs/", "https://example.com/docs/no-such.md"] {
        assert_eq!(broken(&readme, link), None);
    }
    let text = "See [a](x.md#y), ![b](z.png).\n```sh\n[c](no.md)\n```\n[d]: w.md\n# Run `soku`, when…\n";
    assert_eq!(links(text), ["x.md#y", "z.png", "w.md"]);
    assert_eq!(anchors(text), BTreeSet::from(["run-soku-when".to_owned()]));
    assert_eq!(named_documents("(docs/a.md). https://x/docs/b.md, docs/c-1.md."), ["docs/a.md", "docs/c-1.md"]);
}

/// `cargo run` of the README names no program: there must be just one to run, and be it beside the measuring one.
#[test]
fn plain_cargo_run_is_the_server() {
    let mut command = std::process::Command::new(env!("CARGO"));
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(repository());
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let run_by_default = metadata["workspace_default_members"].as_array().expect("a list");
    let packages = metadata["packages"].as_array().expect("a list");
    let programs: Vec<&str> = packages
        .iter()
        .filter(|package| run_by_default.contains(&package["id"]))
        .flat_map(|package| package["targets"].as_array().expect("a list"))
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| target["name"].as_str())
        .collect();
    assert_eq!(programs, ["soku"]);
    let readme = fs::read_to_string(repository().join("README.md")).expect("a README");
    assert!(readme.contains("cargo run --release -- serve"));
}
