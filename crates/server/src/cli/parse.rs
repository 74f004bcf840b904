//! What is read from arguments beside settings: each into its type, or refused as wrong usage.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::account::PeriodEnd;
use crate::account::SubscriptionState;
use crate::clock::Timestamp;
use crate::id::{KeyId, MediaId};

/// A name or label: something to see, on one line.
pub(super) fn name(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("it has control characters".to_owned());
    }
    if text.is_empty() || text.trim() != text {
        return Err("it is empty, or has blanks at its ends".to_owned());
    }
    if text.chars().count() > 100 {
        return Err("it has more than 100 characters".to_owned());
    }
    Ok(text.to_owned())
}

/// A subscription's state.
pub(super) fn subscription() -> impl TypedValueParser<Value = SubscriptionState> {
    PossibleValuesParser::new(SubscriptionState::ALL.map(SubscriptionState::as_str))
        .map(|text| SubscriptionState::parse(&text).expect("only states are possible values"))
}

/// When a period ends: a moment or `never`.
pub(super) fn period_end(text: &str) -> Result<PeriodEnd, String> {
    if text == "never" {
        return Ok(PeriodEnd(None));
    }
    let moment = Timestamp::parse_rfc3339(text);
    moment.map(|end| PeriodEnd(Some(end))).ok_or_else(|| {
        "it is no RFC 3339 date and time with its offset, such as 2027-01-31T00:00:00Z, and not `never`".to_owned()
    })
}

/// The id of a key.
pub(super) fn key_id(text: &str) -> Option<KeyId> {
    let digits = text.strip_prefix("key_")?;
    let is_id = digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then(|| KeyId::from_stored(text.to_owned()))
}

/// The id of a media entry, by itself or inside its hosted URL.
pub(super) fn media_id(text: &str) -> Result<MediaId, String> {
    let inside_url = text.rsplit_once("/media/").and_then(|(_, rest)| rest.split('/').next());
    MediaId::parse(inside_url.unwrap_or(text))
        .ok_or_else(|| "the id of a media entry is 32 hex digits: `soku media list` shows it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_entry_is_named_by_its_id_or_its_url() {
        let id = "0123456789abcdef0123456789abcdef";

        assert_eq!(media_id(id).unwrap().as_str(), id);
        assert_eq!(media_id(&format!("https://a.example/soku/media/{id}/photo.jpg")).unwrap().as_str(), id);
        for wrong in ["", "0123", &format!("https://a.example/{id}"), "https://a.example/media/"] {
            assert!(media_id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(name("Ünïcode 写真"), Ok("Ünïcode 写真".to_owned()));
        for wrong in ["", " a", "a\n", "a\tb", &"a".repeat(101)] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
