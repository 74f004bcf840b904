//! Identifiers and secrets, all from the system's random generator.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Fills `N` bytes from the system's generator.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A newtype over one-case text that only this module makes anew.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(String);

        impl $name {
            /// The text as it stands in rows and URLs.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// An id read back from a row that this program wrote.
            #[must_use]
            pub fn from_stored(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// One media entry: 32 lower-case hex digits, 128 random bits, so that no neighbour can be guessed.
    MediaId
}
text_id! {
    /// One account: `acc_` and 24 lower-case hex digits.
    AccountId
}
text_id! {
    /// One API key, not the secret: `key_` and 16 lower-case hex digits.
    KeyId
}
text_id! {
    /// One running process that owns claims and a spool directory: 24 lower-case hex digits.
    OwnerId
}
text_id! {
    /// One HTTP request: `req_` and 16 of `[a-z0-9]`.
    RequestId
}

impl MediaId {
    /// A new unguessable id.
    #[must_use]
    pub fn random() -> MediaId {
        MediaId(hex::encode(random::<16>()))
    }

    /// An id from outside (a URL, the command line); `None` unless it has the exact form.
    #[must_use]
    pub fn parse(text: &str) -> Option<MediaId> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(is_hex)).then(|| MediaId(text.to_owned()))
    }
}

impl AccountId {
    /// A new id.
    #[must_use]
    pub fn random() -> AccountId {
        AccountId(format!("acc_{}", hex::encode(random::<12>())))
    }
}

impl KeyId {
    /// A new id.
    #[must_use]
    pub fn random() -> KeyId {
        KeyId(format!("key_{}", hex::encode(random::<8>())))
    }
}

impl OwnerId {
    /// A new id.
    #[must_use]
    pub fn random() -> OwnerId {
        OwnerId(hex::encode(random::<12>()))
    }
}

impl RequestId {
    /// A new id.
    #[must_use]
    pub fn random() -> RequestId {
        RequestId(format!("req_{}", hex::encode(random::<8>())))
    }
}

/// An API key in clear: shown once at creation, then only its digest is kept.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// A new key: `sk_live_` and 24 random bytes as base64url, 40 characters in all.
    #[must_use]
    pub fn random() -> ApiKey {
        ApiKey(format!("sk_live_{}", URL_SAFE_NO_PAD.encode(random::<24>())))
    }

    /// The secret itself, for the one moment in which it is shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What lists show: the first three and the last three of its random characters.
    #[must_use]
    pub fn preview(&self) -> String {
        let secret = &self.0["sk_live_".len()..];
        format!("sk_live_{}…{}", &secret[..3], &secret[secret.len() - 3..])
    }

    /// What is stored.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(hidden)")
    }
}

/// The SHA-256 of whatever a caller sent as its key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of the bytes of a header, well formed or not, so that every key takes the same path (rule K1).
    #[must_use]
    pub fn of(key: &[u8]) -> KeyDigest {
        KeyDigest(Sha256::digest(key).into())
    }

    /// As it stands in the unique index: 64 lower-case hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_forty_characters_and_hides_itself() {
        let key = ApiKey::random();

        assert_eq!(key.reveal().len(), 40);
        assert!(key.reveal().starts_with("sk_live_"));
        assert_eq!(format!("{key:?}"), "ApiKey(hidden)");
        assert_eq!(key.preview().chars().count(), "sk_live_abc…xyz".chars().count());
    }

    #[test]
    fn a_media_id_is_read_only_in_its_one_form() {
        let id = MediaId::random();

        assert_eq!(MediaId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(MediaId::parse(&id.as_str().to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")), None);
        assert_eq!(MediaId::parse(&id.as_str()[1..]), None);
        assert_eq!(MediaId::parse("../../../../../../etc/passwd0000"), None);
    }
}
