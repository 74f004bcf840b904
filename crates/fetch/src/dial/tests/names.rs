//! How names are looked up.

use std::time::Instant;

use soku_testkit::Transport;

use super::*;

#[test]
fn a_silent_name_server_costs_five_seconds_and_no_thread() {
    assert_eq!(DialSettings::default().dns_timeout, Duration::from_secs(5));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        // The only thread of the blocking pool is taken for as long as this takes.
        let blocker = tokio::task::spawn_blocking(move || held.recv());
        let bed = Bed::with(Policy::loopback(), |settings| settings.dns_timeout = Duration::from_millis(300)).await;
        let origin = Origin::start().await;
        bed.dns.answer("good.example.com", &["127.0.0.1"]);
        let tarpits: Vec<String> = (0..50).map(|n| format!("tarpit{n}.example.com")).collect();
        for name in &tarpits {
            bed.dns.reply(name, DnsReply::Silence);
        }
        let began = Instant::now();

        let urls: Vec<String> = tarpits.iter().map(|name| format!("http://{name}/")).collect();
        let silent = urls.iter().map(|url| bed.refusal(url));
        let good = format!("http://good.example.com:{}/", origin.port());
        let (silent, peer) = tokio::join!(futures_util::future::join_all(silent), bed.peer(&good));

        assert!(silent.iter().all(|refusal| matches!(refusal, DialError::Dns(DnsFailure::Timeout))), "{silent:?}");
        assert_eq!(peer, origin.address(), "the others get through meanwhile");
        assert!(began.elapsed() < Duration::from_secs(5));
        release.send(()).unwrap();
        blocker.await.unwrap().unwrap();
    });
}

#[tokio::test]
async fn a_lost_aaaa_answer_does_not_hold_up_a_good_a() {
    let bed = Bed::new().await;
    let origin = Origin::start().await;
    let (v4, v6) = (Box::new(DnsReply::addresses(&["127.0.0.1"])), Box::new(DnsReply::Silence));
    bed.dns.reply("half.example.com", DnsReply::ByFamily { v4, v6 });
    let began = Instant::now();

    let peer = bed.peer(&format!("http://half.example.com:{}/", origin.port())).await;

    assert_eq!(peer, origin.address());
    assert!(began.elapsed() < bed.dialer.settings.dns_timeout / 2);
}

#[tokio::test]
async fn a_late_public_answer_is_still_used_when_the_early_one_is_private() {
    let bed = Bed::new().await;
    let origin = Origin::start_on([0, 0, 0, 0, 0, 0, 0, 1]).await;
    let late = DnsReply::Late(Duration::from_millis(200), Box::new(DnsReply::addresses(&["::1"])));
    let v4 = Box::new(DnsReply::addresses(&["10.0.0.1"]));
    bed.dns.reply("dns64.example.com", DnsReply::ByFamily { v4, v6: Box::new(late) });

    let peer = bed.peer(&format!("http://dns64.example.com:{}/", origin.port())).await;

    assert_eq!(peer, origin.address());
}

#[tokio::test]
async fn a_ttl_of_zero_is_respected_and_a_longer_one_used() {
    let bed = Bed::new().await;
    let origin = Origin::start().await;
    bed.dns.answer("zero.example.com", &["127.0.0.1"]);
    bed.dns.reply("minute.example.com", DnsReply::Lasting(vec!["127.0.0.1".parse().unwrap()], 60));

    for _ in 0..3 {
        bed.peer(&format!("http://zero.example.com:{}/", origin.port())).await;
        bed.peer(&format!("http://minute.example.com:{}/", origin.port())).await;
    }

    assert_eq!(bed.dns.count("zero.example.com", "A"), 3);
    assert_eq!(bed.dns.count("minute.example.com", "A"), 1);
    assert_eq!(origin.until(|seen| seen.connections == 6).await.connections, 6, "each dial is a new connection");
}

#[tokio::test]
async fn aliases_are_followed_to_their_addresses() {
    let bed = Bed::new().await;
    let (public, private) = both_sides().await;
    let port = public.port();
    bed.dns.reply("www.example.com", DnsReply::Alias("cdn.example.net".into(), vec!["127.0.0.1".parse().unwrap()]));
    bed.dns.reply("bare.example.com", DnsReply::BareAlias("target.example.net".into()));
    bed.dns.answer("target.example.net", &["127.0.0.1"]);
    bed.dns.reply("trap.example.com", DnsReply::BareAlias("inner.example.net".into()));
    bed.dns.answer("inner.example.net", &["127.0.0.2"]);
    bed.dns.reply("loop.example.com", DnsReply::BareAlias("loop.example.com".into()));

    assert_eq!(bed.peer(&format!("http://www.example.com:{port}/")).await, public.address());
    assert_eq!(bed.peer(&format!("http://bare.example.com:{port}/")).await, public.address());
    let refusal = bed.refusal(&format!("http://trap.example.com:{port}/")).await;
    assert!(matches!(refusal, DialError::AddressNotPublic), "{refusal:?}");
    let refusal = bed.refusal(&format!("http://loop.example.com:{port}/")).await;
    assert!(matches!(refusal, DialError::Dns(_)), "{refusal:?}");
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn an_answer_too_long_for_a_datagram_is_fetched_over_tcp() {
    let bed = Bed::new().await;
    let origin = Origin::start().await;
    bed.dns.reply("long.example.com", DnsReply::Truncated(vec!["127.0.0.1".parse().unwrap()]));

    let peer = bed.peer(&format!("http://long.example.com:{}/", origin.port())).await;

    assert_eq!(peer, origin.address());
    assert!(bed.dns.queries().iter().any(|query| query.transport == Transport::Tcp && query.kind == "A"));
}

#[tokio::test]
async fn no_answer_is_never_an_allowed_one() {
    let bed = Bed::new().await;
    bed.dns.answer("empty.example.com", &[]);
    bed.dns.reply("failing.example.com", DnsReply::Failure);

    let refusal = bed.refusal("http://missing.example.com/").await;
    assert!(matches!(refusal, DialError::Dns(DnsFailure::NoAddress)), "{refusal:?}");
    let refusal = bed.refusal("http://empty.example.com/").await;
    assert!(matches!(refusal, DialError::Dns(DnsFailure::NoAddress)), "{refusal:?}");
    let refusal = bed.refusal("http://failing.example.com/").await;
    assert!(matches!(refusal, DialError::Dns(DnsFailure::Lookup(_))), "{refusal:?}");
    let refusal = bed.refusal("http://a..example.com/").await;
    assert!(matches!(refusal, DialError::Dns(DnsFailure::NotADomain)), "{refusal:?}");
    let refusal = bed.refusal(&format!("http://{}.example.com/", "a".repeat(64))).await;
    assert!(matches!(refusal, DialError::Dns(DnsFailure::NotADomain)), "{refusal:?}");
}

#[tokio::test]
async fn names_are_absolute_and_may_hold_an_underscore() {
    let bed = Bed::new().await;
    let origin = Origin::start().await;
    bed.dns.answer("my_bucket.s3.example.com", &["127.0.0.1"]);

    bed.peer(&format!("http://my_bucket.s3.example.com:{}/", origin.port())).await;
    bed.refusal("http://not-there.example.com/").await;

    let mut asked: Vec<String> = bed.dns.queries().into_iter().map(|query| query.name).collect();
    asked.dedup();
    assert_eq!(asked, ["my_bucket.s3.example.com", "not-there.example.com"]);
}

#[tokio::test]
async fn the_hosts_file_comes_before_the_name_server_and_is_judged() {
    let (public, private) = both_sides().await;
    let port = public.port();
    let directory = tempfile::tempdir().unwrap();
    let hosts = directory.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 good.example.com\n127.0.0.2 bad.example.com\n").unwrap();
    let bed = Bed::with(Policy::loopback(), |settings| settings.hosts_file = hosts).await;
    bed.dns.answer("bad.example.com", &["127.0.0.1"]);

    assert_eq!(bed.peer(&format!("http://good.example.com:{port}/")).await, public.address());
    let refusal = bed.refusal(&format!("http://bad.example.com:{port}/")).await;
    assert!(matches!(refusal, DialError::AddressNotPublic), "{refusal:?}");
    assert_eq!(bed.dns.queries(), []);
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn a_name_server_that_is_away_is_no_answer() {
    let gone = DnsServer::start().await.address();
    let bed = Bed::with(Policy::loopback(), |settings| {
        settings.dns_servers = vec![gone];
        settings.dns_timeout = Duration::from_millis(500);
    })
    .await;

    let refusal = bed.refusal("http://files.example.com/").await;

    assert!(matches!(refusal, DialError::Dns(_)), "{refusal:?}");
}

#[tokio::test]
async fn a_second_name_server_stands_in_for_a_silent_one() {
    let silent = DnsServer::start().await;
    silent.reply("files.example.com", DnsReply::Silence);
    let origin = Origin::start().await;
    let silent_address = silent.address();
    let bed = Bed::with(Policy::loopback(), |settings| settings.dns_servers.insert(0, silent_address)).await;
    bed.dns.answer("files.example.com", &["127.0.0.1"]);

    let peer = bed.peer(&format!("http://files.example.com:{}/", origin.port())).await;

    assert_eq!(peer, origin.address());
}
