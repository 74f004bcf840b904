//! Laying the sources over one another: flag over variable over file over default.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::document;
use super::nearest::nearest;
use super::problem::{Origin, Problem};
use super::table::{Kind, SETTINGS, Setting};

/// The process's environment, taken once at the start.
#[derive(Clone, Default, Debug)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Environment {
        Environment(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect())
    }

    /// The same with one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Environment {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The value of a variable that is set, not empty, and text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    /// Whether colours are welcome (<https://no-color.org>).
    #[must_use]
    pub fn likes_colour(&self) -> bool {
        self.text("NO_COLOR").is_none() && self.text("TERM") != Some("dumb")
    }

    /// The variables with names that begin like this, whose values are text and not empty.
    pub(super) fn starting_with(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let names = self.0.keys().filter(move |name| name.starts_with(prefix));
        names.filter_map(|name| Some((name.as_str(), self.text(name)?)))
    }

    fn soku(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.0.iter().filter(|(name, _)| name.starts_with("SOKU_")).map(|(name, value)| (name.as_str(), value))
    }
}

/// What the command line says about settings.
#[derive(Clone, Default, Debug)]
pub struct Flags {
    /// `--config FILE`
    pub file: Option<PathBuf>,
    /// Values by the name of their setting.
    pub values: HashMap<&'static str, String>,
}

/// The file that holds settings when `--config` names no other.
const FILE_NAME: &str = "soku.toml";

/// Variables that others agreed on, and that stand in for settings of ours when nothing else is said.
const AMBIENT: [(&str, &[&str]); 3] = [
    ("storage.endpoint", &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
    ("storage.region", &["AWS_REGION", "AWS_DEFAULT_REGION"]),
    ("traces.service_name", &["OTEL_SERVICE_NAME"]),
];

/// One value and where it came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Layer {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// The value in force of every setting, as text.
#[derive(Clone, Debug)]
pub struct Layers(HashMap<&'static str, Layer>);

impl Layers {
    /// The defaults alone.
    pub(super) fn defaults() -> Layers {
        let layer = |setting: &'static Setting| Layer { text: setting.default.to_owned(), origin: Origin::Default };
        Layers(SETTINGS.iter().map(|setting| (setting.name.as_str(), layer(setting))).collect())
    }

    /// All sources laid over the defaults, with what is wrong about them and what is odd.
    pub(super) fn laid(flags: &Flags, environment: &Environment) -> (Layers, Vec<Problem>, Vec<String>) {
        let mut layers = Layers::defaults();
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        layers.lay_ambient(environment);
        layers.lay_file(flags, environment, &mut problems);
        layers.lay_variables(environment, &mut problems, &mut warnings);
        for setting in SETTINGS.iter() {
            if let Some(text) = flags.values.get(setting.name.as_str()) {
                layers.lay(setting, text.clone(), Origin::Flag(setting.flag.clone()));
            }
        }
        (layers, problems, warnings)
    }

    fn lay(&mut self, setting: &'static Setting, text: String, origin: Origin) {
        self.0.insert(&setting.name, Layer { text, origin });
    }

    fn lay_ambient(&mut self, environment: &Environment) {
        for (name, variables) in AMBIENT {
            let setting = SETTINGS.iter().find(|setting| setting.name == name).expect("ambient names are settings");
            let found = variables.iter().find_map(|variable| Some((variable, environment.text(variable)?)));
            if let Some((variable, text)) = found {
                self.lay(setting, text.to_owned(), Origin::Variable((*variable).to_owned()));
            }
        }
    }

    fn lay_file(&mut self, flags: &Flags, environment: &Environment, problems: &mut Vec<Problem>) {
        let by_flag = || Some((flags.values.get("data_dir")?.as_str(), Origin::Flag("data-dir".to_owned())));
        let by_variable = || {
            let variable = "SOKU_DATA_DIR";
            Some((environment.text(variable)?, Origin::Variable(variable.to_owned())))
        };
        let named = by_flag().or_else(by_variable);
        let (data_dir, origin) = named.unwrap_or((&self.0["data_dir"].text, Origin::Default));
        let data_dir = data_dir.to_owned();
        let origin = if flags.file.is_some() { Origin::Flag("config".to_owned()) } else { origin };
        let found = Path::new(&data_dir).join(FILE_NAME);
        let path = flags.file.as_ref().unwrap_or(&found);
        let document = match std::fs::read_to_string(path) {
            Ok(document) => document,
            Err(error) if flags.file.is_none() && error.kind() == std::io::ErrorKind::NotFound => return,
            Err(source) => return problems.push(Problem::Unreadable { path: path.clone(), origin, source }),
        };
        let entries = match document::entries(&document) {
            Ok(entries) => entries,
            Err(document::NotToml { line, why }) => {
                return problems.push(Problem::NotToml { path: path.clone(), line, why });
            }
        };
        for entry in entries {
            let origin = Origin::File { path: path.clone(), line: entry.line };
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == entry.name) else {
                let nearest = nearest(&entry.name, SETTINGS.iter().map(|setting| setting.name.as_str()));
                let nearest = nearest.map(str::to_owned);
                problems.push(Problem::Unknown { name: entry.name, origin, nearest });
                continue;
            };
            // The file was found through the data directory, so it cannot choose another; a copy of the whole
            // default document is no such attempt.
            if setting.name == "data_dir" && flags.file.is_none() {
                if entry.text != setting.default && entry.text != data_dir {
                    let why =
                        format!("this file was found in the data directory `{data_dir}`: name another with --config");
                    problems.push(Problem::Clash { name: "data_dir", value: entry.text, origin, why });
                }
                continue;
            }
            self.lay(setting, entry.text, origin);
        }
    }

    fn lay_variables(&mut self, environment: &Environment, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
        for (variable, value) in environment.soku() {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.variable == variable) else {
                if !is_of_kubernetes(variable, value) {
                    let nearest = nearest(variable, SETTINGS.iter().map(|setting| setting.variable.as_str()));
                    let hint = nearest.map(|nearest| format!("; the nearest is {nearest}")).unwrap_or_default();
                    warnings.push(format!("the variable {variable} is no setting and is ignored{hint}"));
                }
                continue;
            };
            let origin = Origin::Variable(variable.to_owned());
            match value.to_str() {
                Some("") => {}
                Some(text) => self.lay(setting, text.to_owned(), origin),
                None => problems.push(Problem::Unfit {
                    name: setting.name.clone(),
                    value: value.to_string_lossy().escape_default().to_string(),
                    origin,
                    wanted: "UTF-8 text".to_owned(),
                    nearest: None,
                }),
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> &Layer {
        self.0.get(name).expect("every setting has at least its default")
    }

    /// The value in force of a setting and where it came from.
    #[must_use]
    pub fn in_force(&self, setting: &Setting) -> (&str, &Origin) {
        let layer = self.get(&setting.name);
        (&layer.text, &layer.origin)
    }
}

/// Whether Kubernetes sets this variable by itself for a service named `soku` or `soku-…`.
fn is_of_kubernetes(variable: &str, value: &OsString) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.to_string_lossy().starts_with(scheme));
    let names_a_port =
        variable.split_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    variable.contains("_SERVICE_HOST") || variable.contains("_SERVICE_PORT") || names_a_port || is_address
}

/// The values in force on their way to their types.
pub(super) struct Reading<'a> {
    pub(super) layers: &'a Layers,
    pub(super) problems: Vec<Problem>,
}

impl Reading<'_> {
    /// The value of one setting; `None` and one more problem where it cannot be one.
    pub(super) fn value<K: Kind>(&mut self, section: &str, key: &str, kind: &K) -> Option<K::Value> {
        let name = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        let layer = self.layers.get(&name);
        match kind.parse(layer.text.trim()) {
            Ok(value) => Some(value),
            Err(unfit) => {
                self.problems.push(Problem::Unfit {
                    name,
                    value: kind.shown(&layer.text),
                    origin: layer.origin.clone(),
                    wanted: unfit.wanted,
                    nearest: unfit.nearest,
                });
                None
            }
        }
    }
}
