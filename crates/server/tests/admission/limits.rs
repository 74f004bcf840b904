//! Stories of rate limits across restarts.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use soku_server::account::{Account, Tier};
use soku_server::admission::{Endpoint, Judged, LimitSettings, Limits, Subject};
use soku_server::clock::{Clock, Timestamp};

use crate::bed::{Bed, NOW, on_both};
use crate::process::{Process, quick};

const STRANGER: Subject<'static> = Subject::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));

fn judge(limits: &Limits, subject: Subject<'_>, endpoint: Option<Endpoint>) -> Judged {
    limits.judge(subject, endpoint).expect("limits are on")
}

fn exhaust(limits: &Limits, subject: Subject<'_>, endpoint: Option<Endpoint>) {
    while judge(limits, subject, endpoint).is_allowed() {}
}

fn premium(account: &Account) -> Subject<'_> {
    Subject::Account(&account.id, Tier::Premium)
}

/// The table of a process that starts when the wall clock shows `moment`.
async fn restarted(bed: &Bed, moment: Timestamp) -> (Limits, Clock) {
    let clock = Clock::manual(moment);
    let limits = Limits::new(LimitSettings::default(), clock.clone());
    limits.load(&bed.db).await.unwrap();
    (limits, clock)
}

on_both! {
    async fn a_restart_is_no_way_round_the_limits(bed: &Bed) {
        let account = bed.account("default").await;
        let process = Process::with(bed, quick(), Clock::manual(NOW)).await;
        let limits = &process.admission.limits;
        exhaust(limits, STRANGER, None);
        exhaust(limits, premium(&account), Some(Endpoint::Media));
        process.clock.advance_ms(10_000);
        exhaust(limits, premium(&account), None);
        process.stop().await;

        let process = Process::with(bed, quick(), Clock::manual(NOW.plus_ms(15_500))).await;

        let limits = &process.admission.limits;
        for subject in [STRANGER, premium(&account)] {
            let refused = judge(limits, subject, None);
            assert!(!refused.is_allowed());
            assert_eq!(refused.retry_after_s(), Some(45), "44.5 s, rounded up");
            assert_eq!(refused.reset_unix_s(), NOW.0 / 1000 + 60);
        }
        process.clock.advance_ms(44_500);
        assert!(judge(limits, STRANGER, None).is_allowed());
        let after = judge(limits, premium(&account), Some(Endpoint::Media));
        assert_eq!((after.limit(), after.remaining()), (30, 29));
        let of_tier = judge(limits, premium(&account), None);
        assert_eq!((of_tier.limit(), of_tier.remaining()), (200, 200 - 170 - 2), "the later 170 still count");
        process.stop().await;
    }

    async fn a_crash_forgets_at_most_what_passed_in_the_last_second(bed: &Bed) {
        let process = Process::with(bed, quick(), Clock::manual(NOW)).await;
        exhaust(&process.admission.limits, STRANGER, None);
        while bed.db.load_windows().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process.die().await;

        let (limits, _) = restarted(bed, NOW.plus_ms(2_000)).await;

        assert!(!judge(&limits, STRANGER, None).is_allowed());
    }

    async fn a_clock_set_back_between_two_runs_locks_nobody_out_for_longer_than_the_window(bed: &Bed) {
        let (limits, _) = restarted(bed, NOW).await;
        exhaust(&limits, STRANGER, None);
        limits.save(&bed.db).await.unwrap();

        let (limits, clock) = restarted(bed, NOW.plus_ms(-3_600_000)).await;

        let refused = judge(&limits, STRANGER, None);
        assert_eq!(refused.retry_after_s(), Some(60));
        clock.advance_ms(60_000);
        assert!(judge(&limits, STRANGER, None).is_allowed());
    }

    async fn only_what_changed_is_saved_again_and_the_silent_are_dropped(bed: &Bed) {
        let account = bed.account("default").await;
        let (limits, clock) = restarted(bed, NOW).await;
        assert!(judge(&limits, STRANGER, None).is_allowed());
        assert!(judge(&limits, premium(&account), Some(Endpoint::Media)).is_allowed());
        limits.save(&bed.db).await.unwrap();
        let subjects = |rows: Vec<(String, Vec<i64>)>| rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let account_key = format!("account/{}", account.id);
        let endpoint_key = format!("endpoint/media/{}", account.id);
        let saved = bed.db.load_windows().await.unwrap();
        assert_eq!(subjects(saved), [account_key.clone(), "address/192.0.2.7".to_owned(), endpoint_key]);

        clock.advance_ms(300_000);
        assert!(judge(&limits, premium(&account), None).is_allowed());
        limits.save(&bed.db).await.unwrap();
        limits.drop_idle_rows(&bed.db).await.unwrap();

        // A row is dropped once it is older than five minutes, not in the very millisecond.
        clock.advance_ms(1);
        limits.drop_idle_rows(&bed.db).await.unwrap();
        assert_eq!(bed.db.load_windows().await.unwrap(), [(account_key, vec![NOW.0 + 300_000])]);
    }

    async fn windows_that_could_not_be_saved_are_saved_the_next_time(bed: &Bed) {
        let (limits, _) = restarted(bed, NOW).await;
        let away = bed.another().await;
        away.close().await;
        exhaust(&limits, STRANGER, None);

        assert!(limits.save(&away).await.is_err());
        limits.save(&bed.db).await.unwrap();

        let rows = bed.db.load_windows().await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].1.len(), 35);
    }

    async fn rows_of_another_version_are_passed_over(bed: &Bed) {
        bed.db.save_windows(vec![("planet/mars".to_owned(), vec![NOW.0])]).await.unwrap();

        let (limits, _) = restarted(bed, NOW).await;

        assert!(judge(&limits, STRANGER, None).is_allowed());
    }
}
