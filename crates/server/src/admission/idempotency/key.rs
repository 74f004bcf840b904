//! The names under which an import is single: the caller's key or one derived for them, and what the payload is.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::db::KeySource;
use crate::id::AccountId;

/// A key as the claim's row has it. A derived one and a caller's are told apart by their beginning, so that no caller's
/// text can meet a derived key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    text: String,
    source: KeySource,
}

/// The header's value is not 1 to 255 printable ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an idempotency key is 1 to 255 printable ASCII characters")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// The value of an `Idempotency-Key` header.
    ///
    /// # Errors
    /// It is not 1 to 255 printable ASCII characters.
    pub fn parse(value: &[u8]) -> Result<IdempotencyKey, InvalidKey> {
        let printable = |byte: &u8| (b' '..=b'~').contains(byte);
        let text = std::str::from_utf8(value).map_err(|_| InvalidKey)?;
        if !(1..=255).contains(&value.len()) || !value.iter().all(printable) {
            return Err(InvalidKey);
        }
        Ok(IdempotencyKey { text: format!("caller:{text}"), source: KeySource::Caller })
    }

    /// The key of a request that brought none: one and the same for the same account and payload.
    #[must_use]
    pub fn derive(account: &AccountId, payload: &PayloadHash) -> IdempotencyKey {
        let digest = digest_of([account.as_str().as_bytes(), &payload.0]);
        IdempotencyKey { text: format!("derived:{}", hex::encode(digest)), source: KeySource::Payload }
    }

    /// As it stands in the row.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whose key it is.
    #[must_use]
    pub fn source(&self) -> KeySource {
        self.source
    }
}

/// What a request asks for, as a digest: the URL may carry a signature and must not lie in a row (rule G1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadHash([u8; 32]);

impl PayloadHash {
    /// The digest of the known fields, each as name and parsed value, in an order that the endpoint fixes.
    #[must_use]
    pub fn of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> PayloadHash {
        PayloadHash(digest_of(fields.into_iter().flat_map(|(name, value)| [name.as_bytes(), value])))
    }

    /// As it stands in the row: 64 lower-case hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.hex())
    }
}

/// The digest of a list of parts, each with its length before it, so that no two lists run into the same bytes.
fn digest_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_to_255_printable_ascii_characters() {
        for good in [b"a".as_slice(), b" ~", b"8e03978e-40d5-43dd-bc93-6894a57f9324", &[b'x'; 255]] {
            assert!(IdempotencyKey::parse(good).is_ok(), "{good:?}");
        }
        for bad in [b"".as_slice(), b"\n", b"a\x7f", b"\xff", "ü".as_bytes(), b"a\tb", &[b'x'; 256]] {
            assert_eq!(IdempotencyKey::parse(bad), Err(InvalidKey), "{bad:?}");
        }
    }

    #[test]
    fn a_callers_key_never_meets_a_derived_one() {
        let payload = PayloadHash::of([("url", b"https://example.com/a".as_slice())]);
        let derived = IdempotencyKey::derive(&AccountId::random(), &payload);

        let copied = IdempotencyKey::parse(derived.as_str().as_bytes()).unwrap();

        assert_ne!(copied.as_str(), derived.as_str());
    }

    #[test]
    fn a_derived_key_is_of_one_account_and_one_payload() {
        let [one, other] = [AccountId::random(), AccountId::random()];
        let cat = PayloadHash::of([("url", b"https://example.com/cat".as_slice())]);
        let dog = PayloadHash::of([("url", b"https://example.com/dog".as_slice())]);

        assert_eq!(IdempotencyKey::derive(&one, &cat), IdempotencyKey::derive(&one, &cat));
        assert_ne!(IdempotencyKey::derive(&one, &cat), IdempotencyKey::derive(&one, &dog));
        assert_ne!(IdempotencyKey::derive(&one, &cat), IdempotencyKey::derive(&other, &cat));
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let one = PayloadHash::of([("a", b"bc".as_slice()), ("d", b"")]);
        let other = PayloadHash::of([("a", b"b".as_slice()), ("cd", b"")]);

        assert_ne!(one, other);
    }
}
