//! Amounts: sizes, times and counts, each with the least and the most that make sense.

use std::time::Duration;

use crate::config::problem::Unfit;
use crate::config::table::{Kind, Shape};

/// Bytes, from the first to the second.
pub(in crate::config) struct Bytes(pub(in crate::config) u64, pub(in crate::config) u64);

pub(in crate::config) const KIB: u64 = 1 << 10;
pub(in crate::config) const MIB: u64 = 1 << 20;
pub(in crate::config) const GIB: u64 = 1 << 30;
pub(in crate::config) const TIB: u64 = 1 << 40;

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", TIB),
    ("GiB", GIB),
    ("MiB", MIB),
    ("KiB", KIB),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl Shape for Bytes {
    fn noun(&self) -> &'static str {
        "SIZE"
    }
}

impl Kind for Bytes {
    type Value = u64;

    fn parse(&self, text: &str) -> Result<u64, Unfit> {
        let (number, unit) = split(text);
        let factor = match unit {
            "" => Some(1),
            unit => SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor),
        };
        let wanted = || format!("a size from {} to {}", size(self.0), size(self.1));
        let Some(factor) = factor else {
            let unfit =
                Unfit::new(format!("{}, in whole bytes or with B, kB, KiB, MB, MiB, GB, GiB, TB or TiB", wanted()));
            let binary = unit.chars().next().and_then(|first| {
                SIZE_UNITS[..4].iter().find(|(name, _)| name[..1].eq_ignore_ascii_case(&first.to_string()))
            });
            return Err(match binary {
                Some((unit, _)) if number.parse::<u64>().is_ok() => unfit.nearest(format!("{number}{unit}")),
                _ => unfit,
            });
        };
        let bytes = match scaled(number, factor) {
            Scaled::Exactly(bytes) => bytes,
            Scaled::TooMuch => u64::MAX,
            Scaled::NoNumber => {
                return Err(Unfit::new(format!("{}, such as `{}`", wanted(), size(self.1.min(5 * GIB)))));
            }
        };
        let nearest = bytes.clamp(self.0, self.1);
        if nearest == bytes { Ok(bytes) } else { Err(Unfit::new(wanted()).nearest(size(nearest))) }
    }
}

/// A size with the largest unit that needs no fraction.
pub(in crate::config) fn size(bytes: u64) -> String {
    let unit = SIZE_UNITS[..4].iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    unit.map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// A length of time, from the first to the second, in milliseconds.
pub(in crate::config) struct Span(pub(in crate::config) u64, pub(in crate::config) u64);

pub(in crate::config) const SECOND: u64 = 1_000;
pub(in crate::config) const MINUTE: u64 = 60 * SECOND;
pub(in crate::config) const HOUR: u64 = 60 * MINUTE;
pub(in crate::config) const DAY: u64 = 24 * HOUR;

const TIME_UNITS: [(&str, u64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];

impl Shape for Span {
    fn noun(&self) -> &'static str {
        "TIME"
    }
}

impl Kind for Span {
    type Value = Duration;

    fn parse(&self, text: &str) -> Result<Duration, Unfit> {
        let wanted = || format!("a time from {} to {}", span(self.0), span(self.1));
        let Some(ms) = total_ms(text) else {
            let unfit = Unfit::new(format!("{}, with the unit ms, s, m, h or d", wanted()));
            let unit = split(text).1.to_ascii_lowercase();
            let meant = match unit.as_str() {
                "" | "sec" | "secs" | "second" | "seconds" => Some("s"),
                "min" | "mins" | "minute" | "minutes" => Some("m"),
                "hr" | "hrs" | "hour" | "hours" => Some("h"),
                "day" | "days" => Some("d"),
                "msec" | "millis" | "milliseconds" => Some("ms"),
                _ => None,
            };
            let number = split(text).0;
            return Err(match meant {
                Some(unit) if number.parse::<u64>().is_ok() => unfit.nearest(format!("{number}{unit}")),
                _ => unfit,
            });
        };
        let nearest = ms.clamp(self.0, self.1);
        if nearest == ms { Ok(Duration::from_millis(ms)) } else { Err(Unfit::new(wanted()).nearest(span(nearest))) }
    }
}

/// The milliseconds of "1h30m" or "250ms"; `None` where it is no time.
fn total_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() || total == 0 && text == rest {
        let (number, after) = split(rest);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let factor = TIME_UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = match scaled(number, factor) {
            Scaled::Exactly(ms) => total.saturating_add(ms),
            Scaled::TooMuch => u64::MAX,
            Scaled::NoNumber => return None,
        };
        rest = next.trim_start();
        if rest.is_empty() {
            return Some(total);
        }
    }
    None
}

/// A time with the largest unit that needs no fraction.
pub(in crate::config) fn span(ms: u64) -> String {
    let unit = TIME_UNITS.iter().find(|(_, factor)| ms >= *factor && ms.is_multiple_of(*factor));
    unit.map_or_else(|| format!("{}s", ms / SECOND), |(unit, factor)| format!("{}{unit}", ms / factor))
}

/// A whole number, from the first to the second.
pub(in crate::config) struct Count(pub(in crate::config) u32, pub(in crate::config) u32);

impl Shape for Count {
    fn noun(&self) -> &'static str {
        "NUMBER"
    }

    fn is_bare(&self) -> bool {
        true
    }
}

impl Kind for Count {
    type Value = u32;

    fn parse(&self, text: &str) -> Result<u32, Unfit> {
        let wanted = || format!("a whole number from {} to {}", self.0, self.1);
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Unfit::new(wanted()));
        }
        let number = if text.starts_with('-') { 0 } else { text.parse().unwrap_or(u32::MAX) };
        let nearest = number.clamp(self.0, self.1);
        if nearest.to_string() == text.trim_start_matches('0') || text == "0" && nearest == 0 {
            Ok(nearest)
        } else {
            Err(Unfit::new(wanted()).nearest(nearest.to_string()))
        }
    }
}

/// The digits (and point) that begin a text, and what comes after them without blanks in front.
fn split(text: &str) -> (&str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

enum Scaled {
    Exactly(u64),
    TooMuch,
    NoNumber,
}

/// A decimal number times a factor, rounded down to a whole.
fn scaled(number: &str, factor: u64) -> Scaled {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || fraction.len() > 9 {
        return Scaled::NoNumber;
    }
    let Some(whole) = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(factor)) else {
        return Scaled::TooMuch;
    };
    let part = fraction.bytes().fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let part = part * u128::from(factor) / 10_u128.pow(fraction.len().try_into().expect("at most nine digits"));
    u64::try_from(part).ok().and_then(|part| whole.checked_add(part)).map_or(Scaled::TooMuch, Scaled::Exactly)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_size_is_read_in_bytes_and_in_units() {
        let kind = Bytes(0, 5 * TIB);
        for (text, bytes) in [
            ("0", 0),
            ("1048576", MIB),
            ("5GiB", 5 * GIB),
            ("5 gib", 5 * GIB),
            ("1.5MiB", 3 * MIB / 2),
            ("2MB", 2_000_000),
            ("64kb", 64_000),
            ("10B", 10),
        ] {
            assert_eq!(kind.parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_wrong_size_names_the_nearest_right_one() {
        let kind = Bytes(KIB, 5 * TIB);
        for (text, nearest) in [
            ("5G", Some("5GiB")),
            ("5gigs", Some("5GiB")),
            ("12", Some("1KiB")),
            ("9TiB", Some("5TiB")),
            ("99999999999999999999", Some("5TiB")),
            ("lots", None),
            ("", None),
            ("-1", None),
            ("1.2.3KiB", None),
        ] {
            assert_eq!(kind.parse(text).unwrap_err().nearest.as_deref(), nearest, "{text}");
        }
    }

    #[test]
    fn a_time_is_read_with_its_unit() {
        let kind = Span(0, 365 * DAY);
        for (text, ms) in [
            ("250ms", 250),
            ("30s", 30 * SECOND),
            ("1.5s", 1_500),
            ("10m", 10 * MINUTE),
            ("24h", DAY),
            ("1h30m", 90 * MINUTE),
            ("1h 30m", 90 * MINUTE),
            ("0s", 0),
            ("7d", 7 * DAY),
        ] {
            assert_eq!(kind.parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn a_wrong_time_names_the_nearest_right_one() {
        let kind = Span(100, HOUR);
        for (text, nearest) in [
            ("30", Some("30s")),
            ("30sec", Some("30s")),
            ("5minutes", Some("5m")),
            ("0s", Some("100ms")),
            ("1ms", Some("100ms")),
            ("1d", Some("1h")),
            ("", None),
            ("soon", None),
            ("1h30", None),
            ("-5s", None),
        ] {
            assert_eq!(kind.parse(text).unwrap_err().nearest.as_deref(), nearest, "{text}");
        }
    }

    #[test]
    fn a_count_outside_its_range_names_the_nearest_right_one() {
        let kind = Count(1, 100);

        assert_eq!(kind.parse("3"), Ok(3));
        assert_eq!(kind.parse("007"), Ok(7));
        for (text, nearest) in [
            ("0", Some("1")),
            ("-3", Some("1")),
            ("101", Some("100")),
            ("99999999999", Some("100")),
            ("x", None),
            ("1.5", None),
        ] {
            assert_eq!(kind.parse(text).unwrap_err().nearest.as_deref(), nearest, "{text}");
        }
        assert_eq!(Count(0, 5).parse("0"), Ok(0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(amount in 0_u64..=365 * DAY) {
            prop_assert_eq!(Bytes(0, u64::MAX).parse(&size(amount)), Ok(amount));
            prop_assert_eq!(Span(0, u64::MAX).parse(&span(amount)), Ok(Duration::from_millis(amount)));
        }

        #[test]
        fn no_text_breaks_the_reading(text in "\\PC{0,20}") {
            let _ = Bytes(0, 10).parse(&text);
            let _ = Span(0, 10).parse(&text);
            let _ = Count(0, 10).parse(&text);
        }
    }
}
