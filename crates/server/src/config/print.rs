//! Writing down what is in force, secrets hidden: as a settings file, or as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::layers::Layers;
use super::problem::Origin;
use super::table::SETTINGS;

impl Layers {
    /// A settings file that says what is in force, with where it came from beside what is no default.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut document = String::new();
        let mut section = "";
        for setting in SETTINGS.iter() {
            if setting.section != section {
                section = setting.section;
                let _ = writeln!(document, "\n[{section}]");
            }
            let (text, origin) = self.in_force(setting);
            let _ = write!(document, "{} = {}", setting.key, setting.written(text));
            let _ = match origin {
                Origin::Default => writeln!(document),
                origin => writeln!(document, "  # {origin}"),
            };
        }
        document
    }

    /// An object of what is in force, an object for each section.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut top = Map::new();
        for setting in SETTINGS.iter() {
            let value = setting.json(self.in_force(setting).0);
            if setting.section.is_empty() {
                top.insert(setting.key.to_owned(), value);
            } else if let Value::Object(section) =
                top.entry(setting.section).or_insert_with(|| Value::Object(Map::new()))
            {
                section.insert(setting.key.to_owned(), value);
            }
        }
        Value::Object(top)
    }
}
