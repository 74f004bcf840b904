//! Stories of how claims end: done, failed, given back, expired, forgotten.

use soku_api::Reason;
use soku_server::db::{ClaimAnswer, ClaimRequest, ClaimState, DbError, RecordError};
use soku_server::failure::Failure;

use crate::bed::{NOW, key_of, on_both, picture, win, wish};

/// A failure with every field in use.
fn failure() -> Failure {
    Failure {
        detected_type: Some("text/html".to_owned()),
        limit_bytes: Some(5 << 30),
        source_status: Some(503),
        retry_after: Some(60),
        ..Failure::from(Reason::SourceStatus)
    }
}

on_both! {
    async fn what_is_recorded_is_replayed_with_the_hash_of_its_payload(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let first = wish(&key, NOW);
        let fence = win(&bed.db, &first).await;
        let media = picture(&account);

        bed.db.record(&media, &key, fence, NOW.plus_ms(1000)).await.unwrap();

        let again = ClaimRequest { payload_hash: "another".to_owned(), ..wish(&key, NOW.plus_ms(999)) };
        let answer = bed.db.claim(&again).await.unwrap();
        assert_eq!(answer, ClaimAnswer::Done { payload_hash: first.payload_hash, media: media.clone() });
        assert_eq!(bed.db.find_media(&media.id).await.unwrap(), Some(media));
    }

    async fn a_record_is_made_once(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        let (first, second) = (picture(&account), picture(&account));
        bed.db.record(&first, &key, fence, NOW.plus_ms(1000)).await.unwrap();

        let again = bed.db.record(&second, &key, fence, NOW.plus_ms(1000)).await;

        assert!(matches!(again, Err(RecordError::FenceLost)), "{again:?}");
        assert_eq!(bed.db.find_media(&second.id).await.unwrap(), None);
    }

    async fn a_record_that_fails_leaves_its_claim_running(bed: &Bed) {
        let account = bed.account("default").await;
        let (key, other) = (key_of(&account, "1"), key_of(&account, "2"));
        let media = picture(&account);
        let fence = win(&bed.db, &wish(&other, NOW)).await;
        bed.db.record(&media, &other, fence, NOW.plus_ms(1000)).await.unwrap();
        let fence = win(&bed.db, &wish(&key, NOW)).await;

        let doubled = bed.db.record(&media, &key, fence, NOW.plus_ms(1000)).await;

        assert!(matches!(doubled, Err(RecordError::Db(DbError::Failed { .. }))), "{doubled:?}");
        assert_eq!(bed.db.poll(&key, fence).await.unwrap(), Some(ClaimState::Running { fence, beat: 0 }));
    }

    async fn a_record_that_expired_is_taken_over_under_a_higher_fence(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        let media = picture(&account);
        bed.db.record(&media, &key, fence, NOW.plus_ms(1000)).await.unwrap();

        let anew = ClaimRequest { payload_hash: "new".to_owned(), ..wish(&key, NOW.plus_ms(1000)) };
        let new_fence = win(&bed.db, &anew).await;

        assert!(new_fence > fence);
        let seen = bed.db.claim(&wish(&key, NOW.plus_ms(1000))).await.unwrap();
        let ClaimAnswer::Running { payload_hash, owner, fence: seen_fence, .. } = seen else { panic!("{seen:?}") };
        assert_eq!((payload_hash, owner, seen_fence), (anew.payload_hash, anew.owner, new_fence));
        assert_eq!(bed.db.find_media(&media.id).await.unwrap(), Some(media), "its media entry stays");
    }

    async fn a_failure_that_nobody_waits_for_leaves_nothing(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;

        assert!(bed.db.fail(&key, fence, &failure(), NOW.plus_ms(1000)).await.unwrap());

        assert_eq!(bed.db.poll(&key, fence).await.unwrap(), None);
        assert_eq!(bed.db.purge(NOW.plus_ms(100_000), 10).await.unwrap(), 0, "there is no row to forget");
        win(&bed.db, &wish(&key, NOW)).await;
    }

    async fn a_failure_is_told_to_those_who_wait(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        assert!(bed.db.watch(&key, fence).await.unwrap());

        assert!(bed.db.fail(&key, fence, &failure(), NOW.plus_ms(1000)).await.unwrap());

        let told = bed.db.poll(&key, fence).await.unwrap();
        assert_eq!(told, Some(ClaimState::Failed { fence, failure: failure() }));
    }

    async fn a_failed_key_is_free_at_once_for_any_payload_and_its_waiters_are_told_all_the_same(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        bed.db.watch(&key, fence).await.unwrap();
        bed.db.fail(&key, fence, &failure(), NOW.plus_ms(1000)).await.unwrap();
        let told = Some(ClaimState::Failed { fence, failure: failure() });

        let anew = ClaimRequest { payload_hash: "new".to_owned(), ..wish(&key, NOW.plus_ms(1)) };
        let new_fence = win(&bed.db, &anew).await;

        assert!(new_fence > fence);
        assert_eq!(bed.db.poll(&key, fence).await.unwrap(), told);
        let running = bed.db.poll(&key, new_fence).await.unwrap();
        assert!(matches!(running, Some(ClaimState::Running { .. })), "{running:?}");

        // The second attempt fails too before the first waiter looked again: its row is kept for that waiter.
        bed.db.fail(&key, new_fence, &Failure::from(Reason::Truncated), NOW.plus_ms(1000)).await.unwrap();
        let told = bed.db.poll(&key, fence).await.unwrap();
        assert!(matches!(told, Some(ClaimState::Failed { .. })), "{told:?}");
    }

    async fn a_success_after_a_failure_is_no_failure_to_anybody(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        bed.db.watch(&key, fence).await.unwrap();
        bed.db.fail(&key, fence, &failure(), NOW.plus_ms(1000)).await.unwrap();
        let new_fence = win(&bed.db, &wish(&key, NOW)).await;
        let media = picture(&account);

        bed.db.record(&media, &key, new_fence, NOW.plus_ms(1000)).await.unwrap();

        let done = Some(ClaimState::Done { media });
        assert_eq!(bed.db.poll(&key, fence).await.unwrap(), done);
        assert_eq!(bed.db.poll(&key, new_fence).await.unwrap(), done);
        let third = win(&bed.db, &wish(&key, NOW.plus_ms(1000))).await;
        let running = bed.db.poll(&key, third).await.unwrap();
        assert!(matches!(running, Some(ClaimState::Running { .. })), "{running:?}");
        bed.db.fail(&key, third, &failure(), NOW.plus_ms(2000)).await.unwrap();
        assert_eq!(bed.db.poll(&key, third).await.unwrap(), None, "nobody watched the third");
    }

    async fn a_watch_outlives_a_take_over(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        bed.db.watch(&key, fence).await.unwrap();
        let new_fence = bed.db.take_over(&key, fence, 0, &wish(&key, NOW).owner).await.unwrap().unwrap();

        bed.db.fail(&key, new_fence, &failure(), NOW.plus_ms(1000)).await.unwrap();

        let told = bed.db.poll(&key, fence).await.unwrap();
        assert_eq!(told, Some(ClaimState::Failed { fence: new_fence, failure: failure() }));
    }

    async fn an_attempt_that_is_over_cannot_be_watched_failed_or_given_back(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        let new_fence = bed.db.take_over(&key, fence, 0, &wish(&key, NOW).owner).await.unwrap().unwrap();

        assert!(!bed.db.watch(&key, fence).await.unwrap());
        assert!(!bed.db.fail(&key, fence, &failure(), NOW.plus_ms(1000)).await.unwrap());
        assert!(!bed.db.release(&key, fence).await.unwrap());
        let running = bed.db.poll(&key, new_fence).await.unwrap();
        assert!(matches!(running, Some(ClaimState::Running { .. })), "{running:?}");

        assert!(bed.db.release(&key, new_fence).await.unwrap());
        assert!(!bed.db.release(&key, new_fence).await.unwrap());
        assert!(!bed.db.watch(&key, new_fence).await.unwrap());
        assert_eq!(bed.db.poll(&key, new_fence).await.unwrap(), None);
    }

    async fn of_those_who_fail_and_watch_at_once_nobody_is_forgotten(bed: &Bed) {
        let account = bed.account("default").await;
        for round in 0..30 {
            let key = key_of(&account, &round.to_string());
            let fence = win(&bed.db, &wish(&key, NOW)).await;
            let (failing, watching) = (bed.db.clone(), bed.db.clone());
            let (fail_key, watch_key) = (key.clone(), key.clone());

            let failed = tokio::spawn(async move {
                failing.fail(&fail_key, fence, &failure(), NOW.plus_ms(1000)).await.unwrap()
            });
            let watched = tokio::spawn(async move { watching.watch(&watch_key, fence).await.unwrap() });

            assert!(failed.await.unwrap());
            let told = bed.db.poll(&key, fence).await.unwrap();
            match watched.await.unwrap() {
                true => assert_eq!(told, Some(ClaimState::Failed { fence, failure: failure() })),
                false => assert_eq!(told, None),
            }
        }
    }

    async fn only_what_expired_is_purged_and_no_more_than_asked(bed: &Bed) {
        let account = bed.account("default").await;
        for number in 0..6 {
            let key = key_of(&account, &number.to_string());
            let fence = win(&bed.db, &wish(&key, NOW)).await;
            bed.db.record(&picture(&account), &key, fence, NOW.plus_ms(number)).await.unwrap();
        }
        let failed = key_of(&account, "failed");
        let fence = win(&bed.db, &wish(&failed, NOW)).await;
        bed.db.watch(&failed, fence).await.unwrap();
        bed.db.fail(&failed, fence, &failure(), NOW.plus_ms(2)).await.unwrap();
        let running = key_of(&account, "running");
        let running_fence = win(&bed.db, &wish(&running, NOW)).await;

        assert_eq!(bed.db.purge(NOW.plus_ms(-1), 100).await.unwrap(), 0);
        assert_eq!(bed.db.purge(NOW.plus_ms(4), 2).await.unwrap(), 2);

        // The oldest went first.
        for (number, remembered) in [(0, false), (1, false), (3, true)] {
            let left = bed.db.poll(&key_of(&account, &number.to_string()), 0).await.unwrap();
            assert_eq!(left.is_some(), remembered, "{number}");
        }
        assert_eq!(bed.db.purge(NOW.plus_ms(4), 100).await.unwrap(), 4);
        assert_eq!(bed.db.purge(NOW.plus_ms(1_000_000_000), 100).await.unwrap(), 1);
        let state = bed.db.poll(&running, running_fence).await.unwrap();
        assert_eq!(state, Some(ClaimState::Running { fence: running_fence, beat: 0 }));
        assert_eq!(bed.db.list_media(None, None, 100).await.unwrap().len(), 6, "media entries are no claims");
    }

    async fn deleting_a_media_entry_forgets_the_keys_that_made_it(bed: &Bed) {
        let account = bed.account("default").await;
        let (key, other) = (key_of(&account, "1"), key_of(&account, "2"));
        let (media, kept) = (picture(&account), picture(&account));
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        bed.db.record(&media, &key, fence, NOW.plus_ms(1000)).await.unwrap();
        let other_fence = win(&bed.db, &wish(&other, NOW)).await;
        bed.db.record(&kept, &other, other_fence, NOW.plus_ms(1000)).await.unwrap();

        assert_eq!(bed.db.delete_media(&media.id).await.unwrap(), Some(media.clone()));
        assert_eq!(bed.db.delete_media(&media.id).await.unwrap(), None);

        assert_eq!(bed.db.find_media(&media.id).await.unwrap(), None);
        win(&bed.db, &wish(&key, NOW)).await;
        assert_eq!(bed.db.poll(&other, other_fence).await.unwrap(), Some(ClaimState::Done { media: kept }));
    }
}
