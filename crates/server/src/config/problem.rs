//! What can be wrong with a configuration, each problem in one line that names the setting, the value, where it came
//! from and the nearest right one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::owner;

/// Where a value in force came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => formatter.write_str("the default"),
            Origin::File { path, line } => write!(formatter, "`{}` line {line}", path.display()),
            Origin::Variable(name) => formatter.write_str(name),
            Origin::Flag(name) => write!(formatter, "--{name}"),
        }
    }
}

/// A value that its setting cannot take, as the kind of the setting sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unfit {
    /// What it must be: the end of the sentence "it must be …".
    pub(super) wanted: String,
    pub(super) nearest: Option<String>,
}

impl Unfit {
    pub(super) fn new(wanted: impl Into<String>) -> Unfit {
        Unfit { wanted: wanted.into(), nearest: None }
    }

    pub(super) fn nearest(self, nearest: impl Into<String>) -> Unfit {
        Unfit { nearest: Some(nearest.into()), ..self }
    }
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("could not read the settings file `{}` ({origin}){}", path.display(), file_mend(path, source))]
    Unreadable {
        path: PathBuf,
        /// Who named it, or the data directory that it is in.
        origin: Origin,
        #[source]
        source: io::Error,
    },
    #[error("`{}` line {line} is not TOML: {why}", path.display())]
    NotToml { path: PathBuf, line: usize, why: String },
    #[error("there is no setting `{name}` ({origin}){}", meant(nearest.as_ref()))]
    Unknown { name: String, origin: Origin, nearest: Option<String> },
    #[error("`{name}` is `{value}` ({origin}), but must be {wanted}{}", hint(nearest.as_ref()))]
    Unfit { name: String, value: String, origin: Origin, wanted: String, nearest: Option<String> },
    /// A value that is right by itself but not beside the others.
    #[error("`{name}` is `{value}` ({origin}), but {why}")]
    Clash { name: &'static str, value: String, origin: Origin, why: String },
}

/// What to do about a settings file that cannot be read, as far as the error says.
fn file_mend(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            ": name one that is there; `soku config print` writes one".to_owned()
        }
        io::ErrorKind::InvalidData => ": write it in UTF-8".to_owned(),
        _ => owner::mend(path, error),
    }
}

fn meant(nearest: Option<&String>) -> String {
    nearest.map_or_else(|| ": `soku config print` shows them all".to_owned(), |_| hint(nearest))
}

fn hint(nearest: Option<&String>) -> String {
    nearest.map(|nearest| format!("; the nearest right one is `{nearest}`")).unwrap_or_default()
}

impl Problem {
    /// Whether it was said on the command line.
    #[must_use]
    pub fn is_wrong_usage(&self) -> bool {
        match self {
            Problem::Unreadable { .. } | Problem::NotToml { .. } => false,
            Problem::Unknown { origin, .. } | Problem::Unfit { origin, .. } | Problem::Clash { origin, .. } => {
                matches!(origin, Origin::Flag(_))
            }
        }
    }
}

/// All that is wrong, at least one thing.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} problem(s)", problems.len())]
pub struct ConfigError {
    pub problems: Vec<Problem>,
    /// What is odd beside, a sentence each.
    pub warnings: Vec<String>,
}
