//! Media entries in rows.

use std::collections::HashSet;

use futures_util::FutureExt as _;
use sqlx::{FromRow, QueryBuilder};

use super::error::Cause;
use super::{Act, Db, DbError, Steps, on_reader, on_tx};
use crate::clock::Timestamp;
use crate::id::{AccountId, MediaId};
use crate::media::{Disposition, Media};

/// How many ids go into one question.
const IDS_AT_ONCE: usize = 500;

/// The place after a row in a list that runs from the newest to the oldest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaCursor {
    pub created: Timestamp,
    pub id: MediaId,
}

impl MediaCursor {
    /// The place right after `media`.
    #[must_use]
    pub fn after(media: &Media) -> MediaCursor {
        MediaCursor { created: media.created, id: media.id.clone() }
    }
}

#[derive(FromRow)]
pub(super) struct MediaRow {
    id: String,
    account_id: String,
    filename: String,
    content_type: String,
    disposition: String,
    size_bytes: i64,
    sha256: String,
    source_url: String,
    created: i64,
}

impl TryFrom<MediaRow> for Media {
    type Error = sqlx::Error;

    fn try_from(row: MediaRow) -> Result<Media, sqlx::Error> {
        Ok(Media {
            id: MediaId::from_stored(row.id),
            account_id: AccountId::from_stored(row.account_id),
            filename: row.filename,
            content_type: row.content_type,
            disposition: Disposition::parse(&row.disposition).ok_or_else(|| Cause::unreadable("media.disposition"))?,
            size_bytes: u64::try_from(row.size_bytes).map_err(|_| Cause::unreadable("media.size_bytes"))?,
            sha256: row.sha256,
            source_url: row.source_url,
            created: Timestamp(row.created),
        })
    }
}

/// What [`MediaRow`] reads, by name: a newer program may have added columns meanwhile.
macro_rules! media_columns {
    () => {
        "media.id, media.account_id, media.filename, media.content_type, media.disposition, media.size_bytes, \
         media.sha256, media.source_url, media.created"
    };
}
pub(super) use media_columns;

pub(super) const NEWEST: &str = concat!(
    "SELECT ",
    media_columns!(),
    " FROM media WHERE (created, id) < ($1, $2) ORDER BY created DESC, id DESC LIMIT $3"
);
pub(super) const NEWEST_OF_ACCOUNT: &str = concat!(
    "SELECT ",
    media_columns!(),
    " FROM media WHERE account_id = $4 AND (created, id) < ($1, $2) ORDER BY created DESC, id DESC LIMIT $3"
);
pub(super) const FORGET_CLAIMS: &str = "DELETE FROM idempotency WHERE media_id = $1";

impl Db {
    /// The media entry with this id.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn find_media(&self, id: &MediaId) -> Result<Option<Media>, DbError> {
        const OPERATION: &str = "finding a media entry";
        const SQL: &str = concat!("SELECT ", media_columns!(), " FROM media WHERE id = $1");
        let row = on_reader!(self, OPERATION, conn =>
            sqlx::query_as::<_, MediaRow>(SQL).bind(id.as_str()).fetch_optional(conn))?;
        row.map(Media::try_from).transpose().map_err(|error| DbError::during(OPERATION, error))
    }

    /// At most `limit` media entries from the newest on, of one account or all, after a place in the list.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn list_media(
        &self,
        account: Option<&AccountId>,
        after: Option<&MediaCursor>,
        limit: u32,
    ) -> Result<Vec<Media>, DbError> {
        const OPERATION: &str = "listing media entries";
        let (created, id) = after.map_or((i64::MAX, ""), |cursor| (cursor.created.0, cursor.id.as_str()));
        let limit = i64::from(limit);
        let rows = match account {
            None => on_reader!(self, OPERATION, conn =>
                sqlx::query_as::<_, MediaRow>(NEWEST).bind(created).bind(id).bind(limit).fetch_all(conn)),
            Some(account) => on_reader!(self, OPERATION, conn =>
                sqlx::query_as::<_, MediaRow>(NEWEST_OF_ACCOUNT)
                    .bind(created).bind(id).bind(limit).bind(account.as_str()).fetch_all(conn)),
        }?;
        let entries: Result<_, _> = rows.into_iter().map(Media::try_from).collect();
        entries.map_err(|error| DbError::during(OPERATION, error))
    }

    /// Removes a media entry with the claims that made it, and gives what it was; `None` where there is none.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn delete_media(&self, id: &MediaId) -> Result<Option<Media>, DbError> {
        const OPERATION: &str = "deleting a media entry";
        const MEDIA: &str = concat!("DELETE FROM media WHERE id = $1 RETURNING ", media_columns!());
        let id = id.clone();
        let work = self.write(Act::durable(OPERATION).in_steps(Steps::Several), move |mut tx| {
            async move {
                on_tx!(tx, conn => sqlx::query(FORGET_CLAIMS).bind(id.as_str()).execute(conn).await.map(drop))?;
                Ok(on_tx!(tx, conn =>
                    sqlx::query_as::<_, MediaRow>(MEDIA).bind(id.as_str()).fetch_optional(conn).await)?)
            }
            .boxed()
        });
        work.await?.map(Media::try_from).transpose().map_err(|error| DbError::during(OPERATION, error))
    }

    /// Which of these ids have a row.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn which_exist(&self, ids: &[MediaId]) -> Result<HashSet<MediaId>, DbError> {
        let mut found = HashSet::new();
        for some in ids.chunks(IDS_AT_ONCE) {
            let rows = on_reader!(self, "looking for media entries", conn => async {
                let mut question = QueryBuilder::new("SELECT id FROM media WHERE id IN (");
                let mut list = question.separated(", ");
                for id in some {
                    list.push_bind(id.as_str());
                }
                list.push_unseparated(")");
                question.build_query_scalar::<String>().persistent(false).fetch_all(conn).await
            })?;
            found.extend(rows.into_iter().map(MediaId::from_stored));
        }
        Ok(found)
    }
}
