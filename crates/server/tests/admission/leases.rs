//! Stories of processes that die, stand still, or lose their database while they hold a claim.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use soku_server::admission::{EnterRefused, Entry, IdempotencySettings, Outcome};
use soku_server::clock::Clock;
use soku_server::db::{ClaimAnswer, ClaimRequest, KeySource, RecordError};
use soku_server::media::Media;
use sqlx::{ConnectOptions as _, Executor as _};

use crate::bed::{Bed, NOW, on_both, tell_on_sqlite};
use crate::process::{CAT, DOG, Process, begun, gone, made, payload, quick};

/// Short enough not to be waited for, long enough that a busy machine is not taken for a dead process.
const LEASE: Duration = Duration::from_millis(1_500);

fn short_lease() -> IdempotencySettings {
    IdempotencySettings { lease: LEASE, heartbeat: LEASE / 5, ..quick() }
}

async fn process_with_short_lease(bed: &Bed) -> Process {
    Process::with(bed, short_lease(), Clock::manual(NOW)).await
}

on_both! {
    async fn when_a_process_dies_exactly_one_waiter_takes_over_and_the_dead_can_record_nothing(bed: &Bed) {
        let account = bed.account("default").await;
        let dead = process_with_short_lease(bed).await;
        let alive = [process_with_short_lease(bed).await, process_with_short_lease(bed).await];
        let stranded = dead.begin(&account, "k", CAT).await;
        let mut waiting = FuturesUnordered::new();
        for number in 0..6 {
            let maker = &alive[number % 2];
            let joined = maker.join(&account, "k", CAT).await;
            waiting.push(async move { (maker, joined.outcome().await) });
        }
        dead.die().await;

        let (maker, first) = waiting.next().await.unwrap();
        let Ok(Outcome::Begin(ticket)) = first else { panic!("nobody can have made it") };
        assert!(ticket.fence() > stranded.fence());
        assert!(matches!(maker.record(&account, &stranded).await, Err(RecordError::FenceLost)));
        stranded.fail(gone()).await;
        let media = maker.finish(&account, ticket).await;

        let others: Vec<Media> = waiting.map(|(_, outcome)| made(outcome)).collect().await;
        assert_eq!(others, vec![media; 5]);
    }

    // Every allowed pair of lease and heartbeat must let a claim be taken over; this one is looked at less often than it beats.
    async fn a_heart_that_beats_faster_than_it_is_looked_at_is_seen_to_stop(bed: &Bed) {
        let account = bed.account("default").await;
        let settings = IdempotencySettings {
            lease: LEASE,
            heartbeat: Duration::from_millis(100),
            ..IdempotencySettings::default()
        };
        let dead = Process::with(bed, settings, Clock::manual(NOW)).await;
        let alive = Process::with(bed, settings, Clock::manual(NOW)).await;
        let _stranded = dead.begin(&account, "k", CAT).await;
        let joined = alive.join(&account, "k", CAT).await;
        dead.die().await;

        let outcome = tokio::time::timeout(20 * LEASE, joined.outcome()).await.expect("the dead claim is taken over");

        assert!(matches!(outcome, Ok(Outcome::Begin(_))));
    }

    async fn an_import_that_takes_longer_than_the_lease_is_not_taken_over(bed: &Bed) {
        let account = bed.account("default").await;
        let [here, elsewhere] = [process_with_short_lease(bed).await, process_with_short_lease(bed).await];
        let ticket = here.begin(&account, "k", CAT).await;
        let waiting = tokio::spawn(elsewhere.join(&account, "k", CAT).await.outcome());

        tokio::time::sleep(2 * LEASE).await;

        let media = here.finish(&account, ticket).await;
        assert_eq!(made(waiting.await.unwrap()), media);
    }

    async fn a_process_without_its_database_records_and_begins_nothing(bed: &Bed) {
        let account = bed.account("default").await;
        let process = process_with_short_lease(bed).await;
        let ticket = process.begin(&account, "k", CAT).await;

        process.db.close().await;

        assert!(matches!(process.record(&account, &ticket).await, Err(RecordError::Db(_))));
        assert!(matches!(process.enter(&account, "new", CAT).await, Err(EnterRefused::Db(_))));
        ticket.fail(gone()).await;
    }

    async fn a_waiter_without_its_database_is_told_so_after_a_lease(bed: &Bed) {
        let account = bed.account("default").await;
        let [here, elsewhere] = [process_with_short_lease(bed).await, process_with_short_lease(bed).await];
        let _ticket = here.begin(&account, "k", CAT).await;
        let joined = elsewhere.join(&account, "k", CAT).await;

        elsewhere.db.close().await;

        assert!(matches!(joined.outcome().await, Err(EnterRefused::Db(_))));
    }

    async fn a_process_that_stops_frees_what_it_still_holds(bed: &Bed) {
        let account = bed.account("default").await;
        let [stopping, other] = [Process::start(bed).await, Process::start(bed).await];
        let abandoned = stopping.begin(&account, "k", CAT).await;
        std::mem::forget(abandoned);

        stopping.stop().await;

        let _at_once = other.begin(&account, "k", CAT).await;
    }

    async fn a_claim_that_this_process_forgot_holds_nobody_up(bed: &Bed) {
        let account = bed.account("default").await;
        let process = Process::start(bed).await;
        let ticket = process.begin(&account, "k", CAT).await;
        let claim = ticket.claim().clone();
        ticket.fail(gone()).await;
        // As if the answer to a claim had been lost: the row is there, and nobody in the process knows of it.
        let wish = ClaimRequest {
            key: claim,
            source: KeySource::Caller,
            payload_hash: payload(CAT).hex(),
            owner: process.owner.clone(),
            now: NOW,
        };
        assert!(matches!(bed.db.claim(&wish).await.unwrap(), ClaimAnswer::Won { .. }));

        let _at_once = process.begin(&account, "k", DOG).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_could_not_be_written_is_written_as_soon_as_it_can() {
    tell_on_sqlite(async |bed: &Bed| {
        let account = bed.account("default").await;
        let mut impatient = bed.settings.clone();
        impatient.busy_timeout = Duration::from_millis(50);
        let bed_of_impatient = Bed { db: bed.another().await, settings: impatient };
        let process = Process::start(&bed_of_impatient).await;
        let other = Process::start(bed).await;
        let [failing, dropped] =
            [process.begin(&account, "fails", CAT).await, process.begin(&account, "dropped", CAT).await];
        let beside = [process.join(&account, "fails", CAT).await, process.join(&account, "dropped", CAT).await];

        let lock = WriteLock::take(bed).await;
        failing.fail(gone()).await;
        drop(dropped);
        for joined in beside {
            assert!(matches!(joined.outcome().await, Ok(Outcome::Failed(_))), "who waits here is told all the same");
        }
        lock.give_back().await;

        for key in ["fails", "dropped"] {
            loop {
                match other.enter(&account, key, CAT).await {
                    Ok(Entry::Begin(_)) => break,
                    Ok(Entry::Join(joined)) => match joined.outcome().await {
                        Ok(Outcome::Failed(_)) => {}
                        Ok(Outcome::Begin(_)) => break,
                        _ => panic!("nobody made it"),
                    },
                    other => drop(begun(other)),
                }
            }
        }
    })
    .await;
}

/// Keeps every process from writing, as a long write of another program does.
struct WriteLock(sqlx::SqliteConnection);

impl WriteLock {
    async fn take(bed: &Bed) -> WriteLock {
        let options: sqlx::sqlite::SqliteConnectOptions = bed.settings.url.parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        WriteLock(connection)
    }

    async fn give_back(mut self) {
        self.0.execute("ROLLBACK").await.unwrap();
    }
}
