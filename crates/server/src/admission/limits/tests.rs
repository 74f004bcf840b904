use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::id::AccountId;

const NOON: Timestamp = Timestamp(1_772_280_000_000);
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn limits() -> (Limits, Clock) {
    limits_with(LimitSettings::default())
}

fn limits_with(settings: LimitSettings) -> (Limits, Clock) {
    let clock = Clock::manual(NOON);
    (Limits::new(settings, clock.clone()), clock)
}

/// The verdict, where limits are switched on.
fn judge(limits: &Limits, subject: Subject<'_>, endpoint: Option<Endpoint>) -> Judged {
    limits.judge(subject, endpoint).expect("limits are on")
}

/// How many pass in a row until one is refused.
fn passes(limits: &Limits, subject: Subject<'_>, endpoint: Option<Endpoint>) -> u32 {
    (0..).take_while(|_| judge(limits, subject, endpoint).is_allowed()).last().map_or(0, |last| last + 1)
}

#[test]
fn every_tier_passes_its_limit_and_its_burst() {
    let (limits, _) = limits();

    assert_eq!(passes(&limits, Subject::Address(ADDRESS), None), 35);
    for (tier, expected) in [(Tier::Authenticated, 90), (Tier::Premium, 200), (Tier::Admin, 700)] {
        let account = AccountId::random();
        assert_eq!(passes(&limits, Subject::Account(&account, tier), None), expected, "{tier:?}");
    }
}

#[test]
fn every_endpoint_passes_its_own_limit_on_top() {
    let (limits, _) = limits();
    let account = AccountId::random();
    let subject = Subject::Account(&account, Tier::Premium);

    assert_eq!(passes(&limits, subject, Some(Endpoint::Media)), 30);
    assert_eq!(passes(&limits, subject, Some(Endpoint::Posts)), 30);
    assert_eq!(passes(&limits, subject, Some(Endpoint::Templates)), 20);
    assert_eq!(passes(&limits, subject, None), 200 - 80, "what the endpoints refused was not charged to the tier");
}

#[test]
fn a_request_that_the_tier_refuses_is_not_charged_to_the_endpoint() {
    let (limits, clock) = limits();
    let account = AccountId::random();
    let subject = Subject::Account(&account, Tier::Authenticated);
    assert_eq!(passes(&limits, subject, None), 90);
    for _ in 0..100 {
        assert!(!judge(&limits, subject, Some(Endpoint::Media)).is_allowed());
    }

    clock.advance_ms(60_000);

    assert_eq!(passes(&limits, subject, Some(Endpoint::Media)), 30);
}

#[test]
fn the_headers_speak_of_the_limit_that_is_closest_to_its_end() {
    let (limits, clock) = limits();
    let account = AccountId::random();
    let subject = Subject::Account(&account, Tier::Premium);

    let first = judge(&limits, subject, Some(Endpoint::Media));
    assert_eq!((first.tier(), first.limit(), first.remaining()), (Tier::Premium, 30, 29));
    assert_eq!(first.reset_unix_s(), NOON.0 / 1000 + 60);
    assert_eq!(first.retry_after_s(), None);
    assert_eq!(first.policy_field(), r#""premium";q=200;w=60, "premium-5min";q=500;w=300, "media";q=30;w=60"#);
    assert_eq!(first.rate_limit_field(), r#""media";r=29;t=60, "premium";r=199;t=60, "premium-5min";r=499;t=300"#);

    clock.advance_ms(1_500);
    assert_eq!(passes(&limits, subject, None), 199);
    let refused = judge(&limits, subject, Some(Endpoint::Media));
    assert_eq!((refused.limit(), refused.remaining()), (200, 0));
    assert_eq!(refused.reset_unix_s(), NOON.0 / 1000 + 60);
    assert_eq!(refused.retry_after_s(), Some(59), "58.5 s, rounded up");
    assert_eq!(refused.rate_limit_field(), r#""premium";r=0;t=59, "media";r=29;t=59, "premium-5min";r=300;t=299"#);
}

#[test]
fn after_retry_after_a_request_really_passes_and_a_second_earlier_none_does() {
    let (limits, clock) = limits();
    let account = AccountId::random();
    let subject = Subject::Account(&account, Tier::Premium);
    for round in 0..200 {
        clock.advance_ms(777);
        passes(&limits, subject, Some(Endpoint::Media));
        passes(&limits, subject, None);
        for endpoint in [None, Some(Endpoint::Media)] {
            let refused = judge(&limits, subject, endpoint);
            assert!(!refused.is_allowed());
            let retry_after_s = refused.retry_after_s().expect("it was refused");
            assert!((1..=300).contains(&retry_after_s), "{retry_after_s}");

            let sooner = would_pass(&limits, (retry_after_s - 1) * 1000, subject, endpoint);
            assert!(!sooner, "round {round}: {retry_after_s} s is too long");
            assert!(would_pass(&limits, retry_after_s * 1000, subject, endpoint), "round {round}");
        }
    }
}

/// Whether a copy of the table lets the request pass `wait_ms` from now.
fn would_pass(limits: &Limits, wait_ms: i64, subject: Subject<'_>, endpoint: Option<Endpoint>) -> bool {
    let clock = Clock::manual(NOON);
    clock.advance_ms(limits.table().now().steady_ms + wait_ms);
    let copy = Limits::new(limits.settings, clock);
    let mut table = copy.table();
    table.windows = limits
        .table()
        .windows
        .iter()
        .map(|(counter, kept)| (counter.clone(), Kept { window: kept.window.clone(), dirty: false }))
        .collect();
    drop(table);
    judge(&copy, subject, endpoint).is_allowed()
}

#[test]
fn a_caller_with_a_valid_key_never_touches_the_counter_of_its_address() {
    let (limits, _) = limits();
    let account = AccountId::random();
    assert_eq!(passes(&limits, Subject::Account(&account, Tier::Premium), Some(Endpoint::Media)), 30);

    assert_eq!(passes(&limits, Subject::Address(ADDRESS), None), 35);
    assert!(judge(&limits, Subject::Account(&account, Tier::Premium), None).is_allowed());
}

#[test]
fn without_a_key_an_endpoint_has_no_counter_of_its_own() {
    let (limits, _) = limits();

    assert_eq!(passes(&limits, Subject::Address(ADDRESS), Some(Endpoint::Templates)), 35);
}

#[test]
fn when_switched_off_nobody_is_judged() {
    let (limits, _) = limits_with(LimitSettings { enabled: false, ..LimitSettings::default() });

    assert!((0..1_000).all(|_| limits.judge(Subject::Address(ADDRESS), None).is_none()));
    assert!(limits.table().windows.is_empty());
}

#[test]
fn a_million_made_up_keys_do_not_grow_memory() {
    let settings = LimitSettings { max_addresses: 1_000, ..LimitSettings::default() };
    let (limits, clock) = limits_with(settings);

    // A key that is none is charged to the address that it came from, whatever it says.
    for _ in 0..10_000 {
        let _ = judge(&limits, Subject::Address(ADDRESS), None);
    }
    assert_eq!(limits.table().windows.len(), 1);

    // Each from a /64 of its own.
    let mut refused_newcomers = 0;
    for network in 0..1_000_000_u128 {
        let address = Ipv6Addr::from_bits(0x2001_0db8 << 96 | network << 64 | 1);
        let judged = judge(&limits, Subject::Address(IpAddr::V6(address)), None);
        refused_newcomers += u32::from(!judged.is_allowed());
    }
    {
        let table = limits.table();
        assert_eq!(table.windows.len(), 1_001, "all but 1,000 addresses share one counter");
        assert!(table.windows.values().all(|kept| kept.window.stamps().count() <= 35));
    }
    assert_eq!(refused_newcomers, 1_000_000 - 999 - 35);
    assert!(!judge(&limits, Subject::Address(ADDRESS), None).is_allowed(), "who had a counter keeps it");

    clock.advance_ms(300_000);
    limits.take_changed();

    assert!(limits.table().windows.is_empty(), "who is silent for five minutes is forgotten");
    assert!(judge(&limits, Subject::Address(ADDRESS), None).is_allowed());
    assert!(limits.table().windows.keys().all(|counter| *counter != Counter::Newcomers));
}

#[test]
fn a_wall_clock_that_is_set_neither_opens_the_gate_nor_closes_it() {
    let (limits, clock) = limits();
    assert_eq!(passes(&limits, Subject::Address(ADDRESS), None), 35);

    clock.set_by_ms(3_600_000);
    assert!(!judge(&limits, Subject::Address(ADDRESS), None).is_allowed());
    clock.set_by_ms(-7_200_000);
    let refused = judge(&limits, Subject::Address(ADDRESS), None);
    assert!(!refused.is_allowed());
    assert_eq!(refused.retry_after_s(), Some(60));
    assert_eq!(refused.reset_unix_s(), NOON.0 / 1000 - 3_600 + 60, "in the caller's own reckoning of time");

    clock.advance_ms(59_999);
    assert!(!judge(&limits, Subject::Address(ADDRESS), None).is_allowed());
    clock.advance_ms(1);
    assert!(judge(&limits, Subject::Address(ADDRESS), None).is_allowed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn however_the_wall_clock_is_set_the_same_requests_pass(
        steps in prop::collection::vec((0..20_000_i64, prop_oneof![Just(0), -7_200_000..7_200_000_i64]), 1..150),
    ) {
        let (limits, _) = limits();
        let (unset, _) = limits_with(LimitSettings::default());
        let mut steady_ms = 0;
        let mut wall = NOON;
        for (gap_ms, set_by_ms) in steps {
            steady_ms += gap_ms;
            wall = wall.plus_ms(gap_ms + set_by_ms);
            let account = AccountId::from_stored("acc_1".to_owned());
            let subject = Subject::Account(&account, Tier::Authenticated);
            let judge = |limits: &Limits, wall| {
                limits.judge_at(&mut limits.table(), subject, Some(Endpoint::Media), Moment { steady_ms, wall })
            };

            let judged = judge(&limits, wall);
            let reference = judge(&unset, NOON.plus_ms(steady_ms));

            prop_assert_eq!(judged.is_allowed(), reference.is_allowed());
            prop_assert_eq!(judged.remaining(), reference.remaining());
            prop_assert_eq!(judged.retry_after_s(), reference.retry_after_s());
            let wait_s = judged.reset_unix_s() - wall.0.div_euclid(1000);
            prop_assert!((0..=61).contains(&wait_s), "{wait_s} s");
        }
    }

    #[test]
    fn however_the_wall_clock_is_set_between_two_runs_nobody_is_locked_out_for_longer_than_the_window(
        gaps in prop::collection::vec(0..3_000_i64, 1..100),
        set_back_by_ms in 0..7_200_000_i64,
        stopped_for_ms in 0..400_000_i64,
    ) {
        let (before, clock) = limits();
        for gap_ms in gaps {
            clock.advance_ms(gap_ms);
            let _ = judge(&before, Subject::Address(ADDRESS), None);
        }
        let now = before.table().now();
        let stamps: Vec<i64> = before
            .take_changed()
            .into_iter()
            .flat_map(|(_, stamps)| stamps)
            .collect();
        let after = Moment { steady_ms: 0, wall: now.wall.plus_ms(stopped_for_ms - set_back_by_ms) };

        let mut ages: Vec<i64> = stamps.iter().map(|wall_ms| -after.stamp_of(*wall_ms)).collect();
        ages.sort_unstable();

        for (age_ms, wall_ms) in ages.iter().zip(stamps.iter().rev()) {
            prop_assert!(*age_ms >= 0, "nothing lies in the future");
            prop_assert!(*age_ms <= now.wall.0 - wall_ms + stopped_for_ms, "set back, nothing is older than it is");
        }
    }
}

#[test]
fn after_a_wall_clock_was_set_every_window_is_saved_in_its_new_reckoning() {
    let (limits, clock) = limits();
    assert_eq!(passes(&limits, Subject::Address(ADDRESS), None), 35);
    assert_eq!(limits.take_changed().len(), 1);
    clock.advance_ms(20_000);
    assert!(limits.take_changed().is_empty(), "time that goes by changes nothing");

    for set_by_ms in [3_600_000, -7_200_000] {
        clock.set_by_ms(set_by_ms);
        let changed = limits.take_changed();

        let [(_, stamps)] = &changed[..] else { panic!("{changed:?}") };
        assert!(stamps.iter().all(|stamp| *stamp == clock.now().0 - 20_000), "{stamps:?}");
        assert!(limits.take_changed().is_empty(), "once");
    }
}

#[test]
fn a_stamp_from_the_future_counts_as_now() {
    let now = Moment { steady_ms: 5_000, wall: NOON };

    assert_eq!(now.stamp_of(now.wall_ms_of(1_234)), 1_234);
    assert_eq!(now.stamp_of(NOON.0 + 3_600_000), 5_000);
    assert_eq!(now.stamp_of(NOON.0 - 400_000), 5_000 - 400_000);
}
