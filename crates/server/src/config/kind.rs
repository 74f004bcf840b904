//! The kinds of values that settings have, and what each kind takes.

pub(super) mod amount;
pub(super) mod list;
pub(super) mod place;

use tracing::level_filters::LevelFilter;

use super::nearest::nearest;
use super::problem::Unfit;
use super::table::{Kind, Shape};
use crate::telemetry::Levels;

/// `true` or `false`.
pub(super) struct Flag();

impl Shape for Flag {
    fn noun(&self) -> &'static str {
        "true|false"
    }

    fn is_bare(&self) -> bool {
        true
    }
}

impl Kind for Flag {
    type Value = bool;

    fn parse(&self, text: &str) -> Result<bool, Unfit> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            other => {
                let unfit = Unfit::new("`true` or `false`");
                Err(match nearest(other, ["true", "false"]) {
                    Some(nearest) => unfit.nearest(nearest),
                    None => unfit,
                })
            }
        }
    }
}

/// One of a closed list of words.
pub(super) struct OneOf<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Sync> Shape for OneOf<T> {
    fn noun(&self) -> &'static str {
        "WORD"
    }
}

impl<T: Copy + Sync> Kind for OneOf<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, Unfit> {
        let lower = text.to_ascii_lowercase();
        self.0.iter().find(|(word, _)| *word == lower).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<String> = self.0.iter().map(|(word, _)| format!("`{word}`")).collect();
            let unfit = Unfit::new(format!("one of {}", words.join(", ")));
            match nearest(text, self.0.iter().map(|(word, _)| *word)) {
                Some(nearest) => unfit.nearest(nearest),
                None => unfit,
            }
        })
    }
}

/// A level, and after it perhaps others of single modules: `warn,soku_fetch=debug`.
pub(super) struct LogLevels();

const LEVELS: OneOf<LevelFilter> = OneOf(&[
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
]);

impl Shape for LogLevels {
    fn noun(&self) -> &'static str {
        "LEVEL"
    }
}

impl Kind for LogLevels {
    type Value = Levels;

    fn parse(&self, text: &str) -> Result<Levels, Unfit> {
        let (ours, others) = text.split_once(',').unwrap_or((text, ""));
        let target = |item: &str| {
            let (target, level) = item.split_once('=').ok_or_else(|| {
                Unfit::new(format!("a level and then `module=level`, separated by commas: `{item}` is none"))
            })?;
            Ok((target.trim().to_owned(), LEVELS.parse(level.trim())?))
        };
        let others = others.split(',').map(str::trim).filter(|item| !item.is_empty());
        Ok(Levels { ours: LEVELS.parse(ours.trim())?, targets: others.map(target).collect::<Result<_, Unfit>>()? })
    }
}

/// What may stand between the parentheses of a `User-Agent`; empty is not set.
pub(super) struct Contact();

impl Shape for Contact {
    fn noun(&self) -> &'static str {
        "TEXT"
    }
}

impl Kind for Contact {
    type Value = Option<String>;

    fn parse(&self, text: &str) -> Result<Option<String>, Unfit> {
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && !b"()\\".contains(&byte);
        if text.bytes().all(is_plain) && text.len() <= 200 {
            return Ok((!text.is_empty()).then(|| text.to_owned()));
        }
        let plain: String = text.chars().filter(|c| u8::try_from(*c).is_ok_and(is_plain)).take(200).collect();
        Err(Unfit::new("at most 200 printable ASCII characters without parentheses and backslashes").nearest(plain))
    }
}

/// A part of a whole, from 0 to 1, written so that TOML reads it too.
pub(super) struct Ratio();

impl Shape for Ratio {
    fn noun(&self) -> &'static str {
        "NUMBER"
    }

    fn is_bare(&self) -> bool {
        true
    }
}

impl Kind for Ratio {
    type Value = f64;

    fn parse(&self, text: &str) -> Result<f64, Unfit> {
        let unfit = || Unfit::new("a number from 0 to 1, such as `0.25`");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<f64>() {
            Ok(ratio) if is_number(fraction) && matches!(whole, "0" | "1") && ratio <= 1.0 => Ok(ratio),
            Ok(large) if large > 1.0 => Err(unfit().nearest("1")),
            Ok(small) if small < 0.0 => Err(unfit().nearest("0")),
            _ if text.starts_with('.') && is_number(fraction) => Err(unfit().nearest(format!("0.{fraction}"))),
            _ => Err(unfit()),
        }
    }
}

/// What a service is called.
pub(super) struct ServiceName();

impl Shape for ServiceName {
    fn noun(&self) -> &'static str {
        "NAME"
    }
}

impl Kind for ServiceName {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, Unfit> {
        if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
            return Err(Unfit::new("a name of at most 200 bytes without control characters").nearest("soku"));
        }
        Ok(text.to_owned())
    }
}

/// The name of a region; empty is not set.
pub(super) struct Region();

impl Shape for Region {
    fn noun(&self) -> &'static str {
        "NAME"
    }
}

impl Kind for Region {
    type Value = Option<String>;

    fn parse(&self, text: &str) -> Result<Option<String>, Unfit> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.chars().all(is_plain) {
            Ok((!text.is_empty()).then(|| text.to_owned()))
        } else {
            Err(Unfit::new("letters, digits and `-`, such as `eu-central-1`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truth_is_read_in_its_usual_spellings() {
        assert_eq!(Flag().parse("true"), Ok(true));
        assert_eq!(Flag().parse("Off"), Ok(false));
        assert_eq!(Flag().parse("flase").unwrap_err().nearest.as_deref(), Some("false"));
        assert_eq!(Flag().parse("").unwrap_err().nearest, None);
    }

    #[test]
    fn single_modules_may_have_a_level_of_their_own() {
        let targets = vec![("soku_fetch".to_owned(), LevelFilter::DEBUG), ("sqlx".to_owned(), LevelFilter::INFO)];

        assert_eq!(LogLevels().parse("info"), Ok(LevelFilter::INFO.into()));
        assert_eq!(
            LogLevels().parse("warn, soku_fetch=debug,sqlx=info"),
            Ok(Levels { ours: LevelFilter::WARN, targets })
        );
        assert_eq!(LogLevels().parse("wran").unwrap_err().nearest.as_deref(), Some("warn"));
        assert_eq!(LogLevels().parse("warn,soku_fetch=debgu").unwrap_err().nearest.as_deref(), Some("debug"));
        assert!(LogLevels().parse("warn,debug").is_err());
    }

    #[test]
    fn a_ratio_is_a_part_of_a_whole() {
        for (text, ratio) in [("0", 0.0), ("1", 1.0), ("1.0", 1.0), ("0.25", 0.25), ("0.001", 0.001)] {
            assert_eq!(Ratio().parse(text), Ok(ratio), "{text}");
        }
        for (wrong, nearest) in [
            ("1.5", Some("1")),
            ("-1", Some("0")),
            (".5", Some("0.5")),
            ("100", Some("1")),
            ("NaN", None),
            ("1e-3", None),
            ("0.", None),
            ("00.5", None),
            ("half", None),
            ("", None),
        ] {
            assert_eq!(Ratio().parse(wrong).unwrap_err().nearest.as_deref(), nearest, "{wrong}");
        }
    }

    #[test]
    fn a_contact_cannot_end_the_comment_it_stands_in() {
        assert_eq!(Contact().parse(""), Ok(None));
        assert_eq!(Contact().parse("mailto:ops@example.com"), Ok(Some("mailto:ops@example.com".to_owned())));
        assert_eq!(Contact().parse("me) evil/1.0 (\r\nx").unwrap_err().nearest.as_deref(), Some("me evil/1.0 x"));
    }
}
