//! Stories of one key: who makes the import, who replays it, who waits for it, and who is refused.

use std::collections::HashSet;
use std::time::Duration;

use soku_api::Reason;
use soku_server::admission::{Endpoint, EnterRefused, Entry, IdempotencyKey};
use soku_server::failure::Failure;

use crate::bed::on_both;
use crate::process::{
    CAT, DOG, Process, already_made, begun, failed, gone, is_key_reused, is_shutting_down, made, payload,
};

on_both! {
    async fn a_second_request_with_the_same_key_gets_the_first_answer(bed: &Bed) {
        let account = bed.account("default").await;
        let [here, elsewhere] = [Process::start(bed).await, Process::start(bed).await];
        let ticket = here.begin(&account, "k", CAT).await;
        let media = here.finish(&account, ticket).await;

        let replays = [here.enter(&account, "k", CAT).await, elsewhere.enter(&account, "k", CAT).await];

        assert_eq!(replays.map(already_made), [media.clone(), media]);
    }

    async fn of_many_at_once_one_makes_the_import_and_all_get_it(bed: &Bed) {
        let account = bed.account("default").await;
        let processes = [Process::start(bed).await, Process::start(bed).await];

        let mut tickets = Vec::new();
        let mut joined = Vec::new();
        let entered = (0..60).map(async |number| {
            let process = &processes[number % 2];
            (process, process.enter(&account, "k", CAT).await)
        });
        for (process, entry) in futures_util::future::join_all(entered).await {
            match entry.unwrap() {
                Entry::Begin(ticket) => tickets.push((process, ticket)),
                Entry::Join(waiting) => joined.push(tokio::spawn(waiting.outcome())),
                Entry::AlreadyMade(media) => panic!("nothing is made yet: {}", media.id),
            }
        }
        assert_eq!((tickets.len(), joined.len()), (1, 59));
        let (maker, ticket) = tickets.pop().unwrap();
        let media = maker.finish(&account, ticket).await;

        for waiting in joined {
            assert_eq!(made(waiting.await.unwrap()), media);
        }
    }

    async fn a_failure_is_told_to_all_who_waited_and_its_key_is_free_for_the_next(bed: &Bed) {
        let account = bed.account("default").await;
        let [here, elsewhere] = [Process::start(bed).await, Process::start(bed).await];
        let ticket = here.begin(&account, "k", CAT).await;
        let beside = here.join(&account, "k", CAT).await;
        let far = tokio::spawn(elsewhere.join(&account, "k", CAT).await.outcome());

        ticket.fail(gone()).await;

        assert_eq!(failed(beside.outcome().await), gone());
        assert_eq!(failed(far.await.unwrap()), gone());
        let other_payload = elsewhere.begin(&account, "k", DOG).await;
        let media = elsewhere.finish(&account, other_payload).await;
        assert_eq!(already_made(here.enter(&account, "k", DOG).await), media);
    }

    async fn a_key_with_another_payload_is_refused_while_it_runs_and_after(bed: &Bed) {
        let account = bed.account("default").await;
        let [here, elsewhere] = [Process::start(bed).await, Process::start(bed).await];
        let ticket = here.begin(&account, "k", CAT).await;

        for process in [&here, &elsewhere] {
            assert!(is_key_reused(&process.enter(&account, "k", DOG).await), "while it runs");
        }
        here.finish(&account, ticket).await;
        for process in [&here, &elsewhere] {
            assert!(is_key_reused(&process.enter(&account, "k", DOG).await), "after it was made");
        }
    }

    async fn a_key_is_of_one_account_and_one_endpoint(bed: &Bed) {
        let [one, other] = [bed.account("one").await, bed.account("other").await];
        let process = Process::start(bed).await;
        let key = IdempotencyKey::parse(b"k").unwrap();

        let _first = process.begin(&one, "k", CAT).await;
        let _of_another_account = process.begin(&other, "k", DOG).await;
        let _of_another_endpoint =
            begun(process.admission.enter(&one.id, Endpoint::Posts, &key, payload(DOG)).await);
    }

    async fn without_a_key_the_same_payload_is_one_import_and_a_callers_key_always_makes_its_own(bed: &Bed) {
        let account = bed.account("default").await;
        let process = Process::start(bed).await;
        let ticket = begun(process.enter_keyless(&account, CAT).await);
        let media = process.finish(&account, ticket).await;

        assert_eq!(already_made(process.enter_keyless(&account, CAT).await), media);
        let _another_payload = begun(process.enter_keyless(&account, DOG).await);
        let _own_key = process.begin(&account, "k", CAT).await;
        let derived = IdempotencyKey::derive(&account.id, &payload(CAT));
        let _own_key_that_looks_derived = process.begin(&account, derived.as_str(), DOG).await;
    }

    async fn a_derived_key_is_remembered_for_an_hour_and_a_callers_for_a_day(bed: &Bed) {
        const HOUR_MS: i64 = 3_600_000;
        let account = bed.account("default").await;
        let process = Process::start(bed).await;
        let derived = begun(process.enter_keyless(&account, CAT).await);
        let first = process.finish(&account, derived).await;
        let own = process.begin(&account, "k", CAT).await;
        let second = process.finish(&account, own).await;

        process.clock.advance_ms(HOUR_MS - 1);
        assert_eq!(already_made(process.enter_keyless(&account, CAT).await), first);
        process.clock.advance_ms(1);
        let _made_anew = begun(process.enter_keyless(&account, CAT).await);
        process.clock.advance_ms(23 * HOUR_MS - 1);
        assert_eq!(already_made(process.enter(&account, "k", CAT).await), second);
        process.clock.advance_ms(1);
        let _with_another_payload = process.begin(&account, "k", DOG).await;
    }

    async fn deleting_the_media_forgets_the_key(bed: &Bed) {
        let account = bed.account("default").await;
        let process = Process::start(bed).await;
        let ticket = process.begin(&account, "k", CAT).await;
        let media = process.finish(&account, ticket).await;

        process.db.delete_media(&media.id).await.unwrap();

        let _made_anew = process.begin(&account, "k", CAT).await;
    }

    async fn a_job_that_panics_frees_its_key_and_who_waits_is_told_that_it_was_interrupted(bed: &Bed) {
        let account = bed.account("default").await;
        let [here, elsewhere] = [Process::start(bed).await, Process::start(bed).await];
        let ticket = here.begin(&account, "k", CAT).await;
        let beside = here.join(&account, "k", CAT).await;
        let far = tokio::spawn(elsewhere.join(&account, "k", CAT).await.outcome());

        let job = tokio::spawn(async move {
            let _held = ticket;
            std::panic::resume_unwind(Box::new("the job panics"));
        });

        assert!(job.await.unwrap_err().is_panic());
        let interrupted = Failure::from(Reason::Interrupted);
        assert_eq!(failed(beside.outcome().await), interrupted);
        assert_eq!(failed(far.await.unwrap()), interrupted);
        let _free = elsewhere.begin(&account, "k", CAT).await;
    }

    async fn a_caller_that_stops_waiting_in_the_middle_of_a_claim_leaves_none_behind(bed: &Bed) {
        let account = bed.account("default").await;
        let [here, elsewhere] = [Process::start(bed).await, Process::start(bed).await];

        for number in 0..30 {
            let key = number.to_string();
            let patience = Duration::from_micros(50 * number);
            drop(tokio::time::timeout(patience, here.enter(&account, &key, CAT)).await);
            loop {
                match elsewhere.enter(&account, &key, DOG).await {
                    Ok(Entry::Begin(_)) => break,
                    Err(EnterRefused::KeyReused) => tokio::time::sleep(Duration::from_millis(2)).await,
                    Ok(_) => panic!("nothing else was asked for"),
                    Err(refused) => panic!("{refused:?}"),
                }
            }
        }
    }

    async fn a_waiter_that_goes_away_changes_nothing_for_the_others(bed: &Bed) {
        let account = bed.account("default").await;
        let [here, elsewhere] = [Process::start(bed).await, Process::start(bed).await];
        let ticket = here.begin(&account, "k", CAT).await;
        let patient = here.join(&account, "k", CAT).await;
        for process in [&here, &elsewhere] {
            let hangs_up = process.join(&account, "k", CAT).await.outcome();
            assert!(tokio::time::timeout(Duration::from_millis(30), hangs_up).await.is_err());
        }

        let media = here.finish(&account, ticket).await;

        assert_eq!(made(patient.outcome().await), media);
    }

    async fn a_server_that_stops_begins_nothing_but_ends_and_replays(bed: &Bed) {
        let account = bed.account("default").await;
        let [here, elsewhere] = [Process::start(bed).await, Process::start(bed).await];
        let own = here.begin(&account, "own", CAT).await;
        let beside = here.join(&account, "own", CAT).await;
        let _of_another = elsewhere.begin(&account, "other", CAT).await;
        let far = here.join(&account, "other", CAT).await;

        here.admission.close();

        assert!(is_shutting_down(&here.enter(&account, "new", CAT).await));
        let _was_not_claimed = elsewhere.begin(&account, "new", CAT).await;
        assert!(matches!(far.outcome().await, Err(EnterRefused::ShuttingDown)), "another process may take for ever");
        let media = here.finish(&account, own).await;
        assert_eq!(made(beside.outcome().await), media);
        assert_eq!(already_made(here.enter(&account, "own", CAT).await), media);
    }

    async fn keys_that_came_to_nothing_leave_no_row(bed: &Bed) {
        let account = bed.account("default").await;
        let process = Process::start(bed).await;

        let mut keys = HashSet::new();
        for number in 0..100 {
            let ticket = process.begin(&account, &number.to_string(), CAT).await;
            keys.insert(ticket.claim().clone());
            ticket.fail(gone()).await;
        }

        for key in keys {
            assert_eq!(bed.db.poll(&key, 0).await.unwrap(), None);
        }
    }
}
