//! Stories of claims while they run: who wins, who takes over, who is seen alive.

use std::collections::HashSet;

use soku_server::db::{ClaimAnswer, ClaimKey, ClaimState, RecordError};
use soku_server::id::OwnerId;

use crate::bed::{NOW, key_of, on_both, picture, win, wish};

on_both! {
    async fn the_first_claim_wins_and_the_second_sees_it_run(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let first = wish(&key, NOW);

        let won = bed.db.claim(&first).await.unwrap();
        let second = bed.db.claim(&wish(&key, NOW)).await.unwrap();

        let ClaimAnswer::Won { fence } = won else { panic!("{won:?}") };
        let (payload_hash, owner) = (first.payload_hash, first.owner);
        assert_eq!(second, ClaimAnswer::Running { payload_hash, owner, fence, beat: 0 });
        assert_eq!(bed.db.poll(&key, fence).await.unwrap(), Some(ClaimState::Running { fence, beat: 0 }));
    }

    async fn of_sixty_four_that_claim_at_once_exactly_one_wins(bed: &Bed) {
        let account = bed.account("default").await;
        let other_process = bed.another().await;
        let key = key_of(&account, "k");

        let mut claims = tokio::task::JoinSet::new();
        for number in 0..64 {
            let db = if number % 2 == 0 { bed.db.clone() } else { other_process.clone() };
            let wish = wish(&key, NOW);
            claims.spawn(async move { db.claim(&wish).await.unwrap() });
        }
        let answers = claims.join_all().await;

        let won: Vec<_> = answers.iter().filter(|answer| matches!(answer, ClaimAnswer::Won { .. })).collect();
        let [ClaimAnswer::Won { fence: won }] = won[..] else { panic!("{won:?}") };
        for answer in &answers {
            match answer {
                ClaimAnswer::Won { fence } | ClaimAnswer::Running { fence, .. } => assert_eq!(fence, won),
                ClaimAnswer::Done { .. } => panic!("{answer:?}"),
            }
        }
        other_process.close().await;
    }

    async fn what_was_made_is_found_without_a_claim_as_long_as_it_is_remembered(bed: &Bed) {
        let account = bed.account("default").await;
        let (key, other) = (key_of(&account, "k"), bed.account("other").await);
        let found = async |key: &ClaimKey, now| bed.db.find_made(key, now).await.unwrap();
        assert_eq!(found(&key, NOW).await, None);
        let first = wish(&key, NOW);
        let fence = win(&bed.db, &first).await;
        assert_eq!(found(&key, NOW).await, None, "it runs");

        let media = picture(&account);
        bed.db.record(&media, &key, fence, NOW.plus_ms(1000)).await.unwrap();

        assert_eq!(found(&key, NOW.plus_ms(999)).await, Some((first.payload_hash, media)));
        assert_eq!(found(&key, NOW.plus_ms(1000)).await, None);
        assert_eq!(found(&key_of(&other, "k"), NOW).await, None);
    }

    async fn account_endpoint_and_key_all_tell_claims_apart(bed: &Bed) {
        let (account, other) = (bed.account("default").await, bed.account("other").await);
        let key = key_of(&account, "k");
        let elsewhere = ClaimKey { endpoint: "POST /v1/posts", ..key.clone() };

        for key in [key, elsewhere, key_of(&account, "K"), key_of(&other, "k")] {
            let answer = bed.db.claim(&wish(&key, NOW)).await.unwrap();
            assert!(matches!(answer, ClaimAnswer::Won { .. }), "{answer:?}");
        }
    }

    async fn a_key_may_be_any_printable_text(bed: &Bed) {
        let account = bed.account("default").await;
        let printable: String = (b'!'..=b'~').map(char::from).collect();

        for text in [printable.repeat(3)[..255].to_owned(), "'; DROP TABLE media; --".to_owned(), "%_".to_owned()] {
            let key = key_of(&account, &text);
            let fence = win(&bed.db, &wish(&key, NOW)).await;
            assert_eq!(bed.db.poll(&key, fence).await.unwrap(), Some(ClaimState::Running { fence, beat: 0 }));
        }
    }

    async fn a_beat_renews_every_running_claim_of_its_process_and_no_other(bed: &Bed) {
        let account = bed.account("default").await;
        let (first, second) = (key_of(&account, "1"), key_of(&account, "2"));
        let (done, foreign) = (key_of(&account, "3"), key_of(&account, "4"));
        let mine = wish(&first, NOW);
        let owner = mine.owner.clone();
        let first_fence = win(&bed.db, &mine).await;
        let second_fence = win(&bed.db, &soku_server::db::ClaimRequest { key: second.clone(), ..mine.clone() }).await;
        let done_fence = win(&bed.db, &soku_server::db::ClaimRequest { key: done.clone(), ..mine }).await;
        bed.db.record(&picture(&account), &done, done_fence, NOW.plus_ms(9)).await.unwrap();
        let foreign_fence = win(&bed.db, &wish(&foreign, NOW)).await;

        assert_eq!(bed.db.beat(&owner).await.unwrap(), 2);
        assert_eq!(bed.db.beat(&owner).await.unwrap(), 2);

        for (key, fence, beat) in [(first, first_fence, 2), (second, second_fence, 2), (foreign, foreign_fence, 0)] {
            assert_eq!(bed.db.poll(&key, fence).await.unwrap(), Some(ClaimState::Running { fence, beat }));
        }
    }

    async fn a_dead_lease_is_taken_over_by_exactly_one(bed: &Bed) {
        let account = bed.account("default").await;
        let other_process = bed.another().await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;

        let mut takers = tokio::task::JoinSet::new();
        for number in 0..64 {
            let db = if number % 2 == 0 { bed.db.clone() } else { other_process.clone() };
            let key = key.clone();
            takers.spawn(async move { db.take_over(&key, fence, 0, &OwnerId::random()).await.unwrap() });
        }
        let won: Vec<i64> = takers.join_all().await.into_iter().flatten().collect();

        assert_eq!(won, [fence + 1]);
        other_process.close().await;
    }

    async fn a_lease_that_moved_since_it_was_seen_is_not_taken_over(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let mine = wish(&key, NOW);
        let fence = win(&bed.db, &mine).await;
        bed.db.beat(&mine.owner).await.unwrap();

        let stale = bed.db.take_over(&key, fence, 0, &OwnerId::random()).await.unwrap();
        let fresh = bed.db.take_over(&key, fence, 1, &OwnerId::random()).await.unwrap();

        assert_eq!(stale, None);
        assert_eq!(fresh, Some(fence + 1));
        assert_eq!(bed.db.beat(&mine.owner).await.unwrap(), 0, "the former owner renews nothing any more");
    }

    async fn after_a_take_over_the_former_owner_records_nothing(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let fence = win(&bed.db, &wish(&key, NOW)).await;
        let new_fence = bed.db.take_over(&key, fence, 0, &OwnerId::random()).await.unwrap().unwrap();
        let (late, good) = (picture(&account), picture(&account));

        let refused = bed.db.record(&late, &key, fence, NOW.plus_ms(9)).await;
        let recorded = bed.db.record(&good, &key, new_fence, NOW.plus_ms(9)).await;

        assert!(matches!(refused, Err(RecordError::FenceLost)), "{refused:?}");
        recorded.unwrap();
        assert_eq!(bed.db.find_media(&late.id).await.unwrap(), None);
        assert_eq!(bed.db.poll(&key, fence).await.unwrap(), Some(ClaimState::Done { media: good }));
    }

    async fn a_row_made_anew_repeats_no_fence_that_a_stranded_process_holds(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let mut seen = HashSet::new();

        for _ in 0..50 {
            let fence = win(&bed.db, &wish(&key, NOW)).await;
            assert!(seen.insert(fence), "{fence} was given out before");
            assert!(bed.db.release(&key, fence).await.unwrap());
        }

        let stranded = *seen.iter().next().unwrap();
        win(&bed.db, &wish(&key, NOW)).await;
        let refused = bed.db.record(&picture(&account), &key, stranded, NOW).await;
        assert!(matches!(refused, Err(RecordError::FenceLost)), "{refused:?}");
    }

    async fn a_dead_process_gives_back_what_it_ran_and_keeps_what_it_did(bed: &Bed) {
        let account = bed.account("default").await;
        let (running, done, foreign) = (key_of(&account, "1"), key_of(&account, "2"), key_of(&account, "3"));
        let mine = wish(&running, NOW);
        let fence = win(&bed.db, &mine).await;
        let done_fence = win(&bed.db, &soku_server::db::ClaimRequest { key: done.clone(), ..mine.clone() }).await;
        let media = picture(&account);
        bed.db.record(&media, &done, done_fence, NOW.plus_ms(9)).await.unwrap();
        let foreign_fence = win(&bed.db, &wish(&foreign, NOW)).await;

        assert_eq!(bed.db.release_owner(&mine.owner).await.unwrap(), 1);

        assert_eq!(bed.db.poll(&running, fence).await.unwrap(), None);
        assert_eq!(bed.db.poll(&done, done_fence).await.unwrap(), Some(ClaimState::Done { media }));
        let foreign_state = bed.db.poll(&foreign, foreign_fence).await.unwrap();
        assert_eq!(foreign_state, Some(ClaimState::Running { fence: foreign_fence, beat: 0 }));
    }
}
