//! The table of settings, from which the TOML keys, the variables, the flags, `config print` and the reading are all
//! made. The sections declare what is in it; the default document gives the defaults and the words.

use std::sync::LazyLock;

use super::document::DOCUMENTED;
use super::problem::Unfit;

/// What is known of a setting's values without reading one.
pub(super) trait Shape: Sync {
    /// How help texts name a value: `SIZE`, `TIME`…
    fn noun(&self) -> &'static str;

    /// Whether TOML writes a value without quotes.
    fn is_bare(&self) -> bool {
        false
    }

    /// A value as it may be shown: without its secrets.
    fn shown(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// How a setting's text becomes its value.
pub(super) trait Kind: Shape {
    type Value;

    fn parse(&self, text: &str) -> Result<Self::Value, Unfit>;
}

/// One line of a section's declaration.
pub(super) struct Declared {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) shape: &'static dyn Shape,
}

/// One setting with its three names.
pub struct Setting {
    /// Empty for the settings at the top.
    pub section: &'static str,
    pub key: &'static str,
    /// `section.key`: as errors name it.
    pub name: String,
    /// `SOKU_SECTION_KEY`
    pub variable: String,
    /// `section-key`
    pub flag: String,
    /// What its flag stands under in help texts.
    pub heading: String,
    /// How help texts name a value.
    pub noun: &'static str,
    /// What the default document says about it.
    pub about: &'static str,
    pub default: &'static str,
    shape: &'static dyn Shape,
}

impl Setting {
    /// A value of it, written as in a settings file, without secrets.
    #[must_use]
    pub fn written(&self, text: &str) -> String {
        if self.shape.is_bare() { text.to_owned() } else { toml::Value::from(self.shape.shown(text)).to_string() }
    }

    /// A value of it for people, without secrets.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        self.shape.shown(text)
    }

    /// A value of it for programs, without secrets.
    #[must_use]
    pub fn json(&self, text: &str) -> serde_json::Value {
        if self.shape.is_bare() {
            serde_json::from_str(text).unwrap_or_else(|_| text.into())
        } else {
            self.shape.shown(text).into()
        }
    }
}

/// Every setting, in the order of the default document.
pub static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| super::declared().into_iter().flatten().map(setting).collect());

fn setting(declared: &'static Declared) -> Setting {
    let Declared { section, key, shape } = *declared;
    let parts: Vec<&str> = [section, key].into_iter().filter(|part| !part.is_empty()).collect();
    let name = parts.join(".");
    let documented = DOCUMENTED.get(&name).expect("the default document has every setting: a test compares them");
    Setting {
        section,
        key,
        variable: format!("SOKU_{}", parts.join("_").to_uppercase()),
        flag: parts.join("-").replace('_', "-"),
        heading: if section.is_empty() { "Settings".to_owned() } else { format!("Settings [{section}]") },
        noun: shape.noun(),
        about: &documented.about,
        default: &documented.default,
        shape,
        name,
    }
}

/// Declares a section once: its settings' names, the types of their values, and what values they take.
macro_rules! section {
    ($(#[$doc:meta])* $visibility:vis $name:ident $section:literal { $($key:ident: $type:ty = $kind:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        $visibility struct $name {
            $(pub $key: $type,)*
        }

        impl $name {
            pub(super) const DECLARED: &'static [$crate::config::table::Declared] = &[
                $($crate::config::table::Declared { section: $section, key: stringify!($key), shape: &$kind },)*
            ];

            /// The section's values; `None` where one cannot be read, which `reading` then knows.
            pub(super) fn read(reading: &mut $crate::config::layers::Reading<'_>) -> Option<$name> {
                $(let $key: Option<$type> = reading.value($section, stringify!($key), &$kind);)*
                Some($name { $($key: $key?,)* })
            }
        }
    };
}
pub(super) use section;
