//! Stories of media entries.

use std::collections::HashSet;

use soku_server::db::{Db, MediaCursor};
use soku_server::id::{AccountId, MediaId};
use soku_server::media::{Disposition, Media};

use crate::bed::{NOW, key_of, on_both, picture, win, wish};

/// Walks a whole list in pages.
async fn walk(db: &Db, account: Option<&AccountId>, page: u32) -> Vec<MediaId> {
    let mut ids = Vec::new();
    let mut cursor = None;
    loop {
        let rows = db.list_media(account, cursor.as_ref(), page).await.unwrap();
        assert!(rows.len() <= page as usize);
        let Some(last) = rows.last() else { return ids };
        cursor = Some(MediaCursor::after(last));
        ids.extend(rows.into_iter().map(|media| media.id));
    }
}

on_both! {
    async fn a_media_entry_is_found_as_it_was_recorded(bed: &Bed) {
        let account = bed.account("default").await;
        let usual = picture(&account);
        let odd = Media {
            filename: "a'b\"c\\d%\u{1f600}.svg".to_owned(),
            content_type: "image/svg+xml".to_owned(),
            disposition: Disposition::Attachment,
            size_bytes: u64::from(u32::MAX) + 7,
            created: NOW.plus_ms(-1),
            ..picture(&account)
        };

        bed.record(&account, &usual).await;
        bed.record(&account, &odd).await;

        assert_eq!(bed.db.find_media(&usual.id).await.unwrap(), Some(usual));
        assert_eq!(bed.db.find_media(&odd.id).await.unwrap(), Some(odd));
        assert_eq!(bed.db.find_media(&MediaId::random()).await.unwrap(), None);
    }

    async fn a_size_beyond_what_a_row_holds_is_refused(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        let media = Media { size_bytes: u64::MAX, ..picture(&account) };

        assert!(bed.db.record(&media, &key, fence, NOW).await.is_err());

        assert_eq!(bed.db.find_media(&media.id).await.unwrap(), None);
    }

    async fn a_list_runs_from_the_newest_to_the_oldest_without_gap_or_double(bed: &Bed) {
        let (account, other) = (bed.account("default").await, bed.account("other").await);
        let mut all = Vec::new();
        for number in 0..40_i64 {
            let owner = if number % 4 == 0 { &other } else { &account };
            // Many share a moment: the id tells them apart.
            let media = Media { created: NOW.plus_ms(number / 8), ..picture(owner) };
            bed.record(owner, &media).await;
            all.push(media);
        }
        all.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        let ids = |wanted: Option<&AccountId>| -> Vec<MediaId> {
            let mine = all.iter().filter(|media| wanted.is_none_or(|account| media.account_id == *account));
            mine.map(|media| media.id.clone()).collect()
        };

        for page in [1, 7, 40, 1000] {
            assert_eq!(walk(&bed.db, None, page).await, ids(None), "pages of {page}");
            assert_eq!(walk(&bed.db, Some(&account.id), page).await, ids(Some(&account.id)), "pages of {page}");
        }
        assert_eq!(bed.db.list_media(None, None, 1).await.unwrap(), all[..1]);
        assert_eq!(walk(&bed.db, Some(&AccountId::random()), 10).await, []);
    }

    async fn of_many_ids_those_with_a_row_are_named(bed: &Bed) {
        let account = bed.account("default").await;
        let media = [picture(&account), picture(&account)];
        bed.record(&account, &media[0]).await;
        bed.record(&account, &media[1]).await;
        let mut ids: Vec<MediaId> = (0..1200).map(|_| MediaId::random()).collect();
        ids.insert(0, media[0].id.clone());
        ids.push(media[1].id.clone());

        let found = bed.db.which_exist(&ids).await.unwrap();

        assert_eq!(found, media.iter().map(|media| media.id.clone()).collect::<HashSet<_>>());
        assert_eq!(bed.db.which_exist(&[]).await.unwrap(), HashSet::new());
    }

    async fn many_imports_at_once_are_all_recorded(bed: &Bed) {
        let account = bed.account("default").await;
        let mut imports = tokio::task::JoinSet::new();
        for task in 0..32 {
            let (db, account) = (bed.db.clone(), account.clone());
            imports.spawn(async move {
                for number in 0..10 {
                    let key = key_of(&account, &format!("{task}/{number}"));
                    let fence = win(&db, &wish(&key, NOW)).await;
                    db.record(&picture(&account), &key, fence, NOW.plus_ms(1000)).await.unwrap();
                }
            });
        }
        imports.join_all().await;

        assert_eq!(bed.db.list_media(Some(&account.id), None, 1000).await.unwrap().len(), 320);
    }
}
