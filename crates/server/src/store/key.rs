//! The only maker of paths and keys. A local path comes from the id alone (rule F1); a bucket's key is the path of the
//! hosted URL, decoded, so that a CDN in front of the bucket finds it.

use std::path::{Path, PathBuf};

use object_store::path::Path as BucketPath;

use crate::id::MediaId;
use crate::media::Media;

/// What names one object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectKey {
    id: MediaId,
    filename: String,
}

/// Why no path can be made of a key. Rows that this program wrote never meet it.
#[derive(Debug, thiserror::Error)]
pub enum KeyRefused {
    #[error("`{id}` is not a media id")]
    Id { id: String },
    #[error("the file name of media `{id}` is not one plain segment of a path")]
    Filename { id: MediaId },
}

impl ObjectKey {
    /// The key of `filename` (decoded, safe) under `id`.
    #[must_use]
    pub fn new(id: MediaId, filename: impl Into<String>) -> ObjectKey {
        ObjectKey { id, filename: filename.into() }
    }

    /// The key that a row stands for.
    #[must_use]
    pub fn of(media: &Media) -> ObjectKey {
        ObjectKey::new(media.id.clone(), media.filename.clone())
    }

    /// The media entry it belongs to.
    #[must_use]
    pub fn id(&self) -> &MediaId {
        &self.id
    }

    /// The path of the hosted URL, pure ASCII: `media/<id>/<filename>`, percent-encoded.
    #[must_use]
    pub fn url_path(&self) -> String {
        format!("media/{}/{}", self.id, soku_media::encode_segment(&self.filename))
    }

    /// `media/<id>/<filename>` below the bucket's prefix, as true UTF-8. `Path::from` would percent-encode it once
    /// more, and nobody else would find the object.
    pub(super) fn bucket_path(&self, prefix: &BucketPath) -> Result<BucketPath, KeyRefused> {
        let refused = || KeyRefused::Filename { id: self.id.clone() };
        if self.filename.is_empty() || self.filename.contains('/') {
            return Err(refused());
        }
        let folder = bucket_folder(prefix, &self.id)?;
        BucketPath::parse(format!("{folder}/{}", self.filename)).map_err(|_| refused())
    }
}

/// The folder in the bucket that holds an id's one object.
pub(super) fn bucket_folder(prefix: &BucketPath, id: &MediaId) -> Result<BucketPath, KeyRefused> {
    let id = checked(id)?;
    let folder = if prefix.is_root() { format!("media/{id}") } else { format!("{prefix}/media/{id}") };
    BucketPath::parse(folder).map_err(|_| KeyRefused::Id { id: id.to_owned() })
}

/// `<media>/<first two digits>/<id>`.
pub(super) fn local_path(media_dir: &Path, id: &MediaId) -> Result<PathBuf, KeyRefused> {
    let id = checked(id)?;
    Ok(media_dir.join(&id[..2]).join(id))
}

/// The names of all shard directories.
pub(super) fn shards() -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(|shard| format!("{shard:02x}"))
}

/// An id that came out of a row is text: only its one form may become part of a path.
fn checked(id: &MediaId) -> Result<&str, KeyRefused> {
    match MediaId::parse(id.as_str()) {
        Some(_) => Ok(id.as_str()),
        None => Err(KeyRefused::Id { id: id.to_string() }),
    }
}

/// The headers that a bucket keeps with an object (rule V5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectMeta {
    pub content_type: String,
    /// The whole `Content-Disposition` header.
    pub content_disposition: String,
}

impl ObjectMeta {
    /// The headers of a media entry.
    #[must_use]
    pub fn of(media: &Media) -> ObjectMeta {
        ObjectMeta {
            content_type: media.content_type.clone(),
            content_disposition: soku_media::content_disposition(media.disposition.as_str(), &media.filename),
        }
    }
}

/// A hosted URL never changes what it stands for.
pub(super) const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> BucketPath {
        BucketPath::parse(text).unwrap()
    }

    #[test]
    fn a_local_path_is_made_of_the_id_alone() {
        let id = MediaId::parse("0123456789abcdef0123456789abcdef").unwrap();

        assert_eq!(local_path(Path::new("/m"), &id).unwrap(), Path::new("/m/01/0123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn an_id_that_is_none_makes_no_path() {
        for text in ["", "..", "../../etc/passwd", "0123456789ABCDEF0123456789ABCDEF", "日本語日本語日本語日本語"]
        {
            let id = MediaId::from_stored(text.to_owned());

            assert!(local_path(Path::new("/m"), &id).is_err(), "{text}");
            assert!(bucket_folder(&prefix(""), &id).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bucket_key_is_true_utf8_below_the_prefix() {
        let id = MediaId::parse("0123456789abcdef0123456789abcdef").unwrap();
        let key = ObjectKey::new(id, "Ünïcode %41 ~写真+.jpg");

        let path = key.bucket_path(&prefix("a/b")).unwrap();

        assert_eq!(path.as_ref(), "a/b/media/0123456789abcdef0123456789abcdef/Ünïcode %41 ~写真+.jpg");
        assert!(key.bucket_path(&prefix("")).unwrap().as_ref().starts_with("media/0"));
    }

    proptest::proptest! {
        #[test]
        fn the_bucket_key_is_the_path_of_the_hosted_url_decoded(name in "[^/\\p{Cc}]{1,60}") {
            proptest::prop_assume!(name != "." && name != "..");
            let key = ObjectKey::new(MediaId::random(), name);

            let url_path = key.url_path();

            let decoded = percent_encoding::percent_decode_str(&url_path).decode_utf8().unwrap();
            assert!(url_path.is_ascii());
            assert_eq!(key.bucket_path(&prefix("")).unwrap().as_ref(), decoded);
        }
    }

    #[test]
    fn a_file_name_that_would_climb_makes_no_key() {
        for name in ["", "..", ".", "a/b", "/", "a\u{0}b"] {
            let key = ObjectKey::new(MediaId::random(), name);

            assert!(key.bucket_path(&prefix("")).is_err(), "{name:?}");
        }
    }
}
