//! What is never dialled, and what is told of it.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn a_literal_and_a_name_meet_the_same_judge() {
    let bed = Bed::new().await;
    let (public, private) = both_sides().await;
    let port = public.port();
    bed.dns.answer("good.example.com", &["127.0.0.1"]);
    bed.dns.answer("bad.example.com", &["127.0.0.2"]);
    bed.dns.answer("mapped.example.com", &["::ffff:127.0.0.2"]);

    for host in [
        "127.0.0.2",
        "127.0.0.2.",
        "127.2",
        "0x7f.0.0.2",
        "0x7f000002",
        "2130706434",
        "0177.0.0.02",
        "１２７．０．０．２",
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "[64:ff9b::7f00:2]",
        "[::127.0.0.2]",
        "bad.example.com",
        "mapped.example.com",
    ] {
        let refusal = bed.refusal(&format!("http://{host}:{port}/")).await;
        assert!(matches!(refusal, DialError::AddressNotPublic), "{host}: {refusal:?}");
    }
    for host in ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "good.example.com", "GOOD.example.com."] {
        assert_eq!(bed.peer(&format!("http://{host}:{port}/")).await, public.address(), "{host}");
    }

    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_answer_reaches_nothing_private() {
    let bed = Bed::new().await;
    let (public, private) = both_sides().await;
    let url = format!("http://rebind.example.com:{}/", public.port());
    bed.dns.reply_in_turn(
        "rebind.example.com",
        [DnsReply::addresses(&["127.0.0.1"]), DnsReply::addresses(&["127.0.0.2"])],
    );

    assert_eq!(bed.peer(&url).await, public.address());
    assert_eq!(bed.dns.count("rebind.example.com", "A"), 1, "one question a hop");
    assert!(matches!(bed.refusal(&url).await, DialError::AddressNotPublic));
    assert_eq!(bed.dns.count("rebind.example.com", "A"), 2, "and one for the next hop: the answer was good once");
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn a_name_that_could_not_be_reached_is_not_asked_a_second_time() {
    let bed = Bed::new().await;
    let (public, private) = both_sides().await;
    let port = public.port();
    drop(public);
    bed.dns.reply_in_turn(
        "rebind.example.com",
        [DnsReply::addresses(&["127.0.0.1"]), DnsReply::addresses(&["127.0.0.2"])],
    );

    let refusal = bed.refusal(&format!("http://rebind.example.com:{port}/")).await;

    assert!(matches!(refusal, DialError::ConnectFailed(_)), "{refusal:?}");
    assert_eq!(bed.dns.count("rebind.example.com", "A"), 1);
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn of_mixed_answers_only_the_public_ones_are_dialled() {
    let bed = Bed::new().await;
    let (public, private) = both_sides().await;
    let port = public.port();
    bed.dns.answer("mixed.example.com", &["127.0.0.2", "10.0.0.1", "fd00::1", "169.254.169.254", "127.0.0.1"]);
    bed.dns.answer("inner.example.com", &["127.0.0.2", "10.0.0.1", "fd00::1"]);

    assert_eq!(bed.peer(&format!("http://mixed.example.com:{port}/")).await, public.address());
    let refusal = bed.refusal(&format!("http://inner.example.com:{port}/")).await;
    assert!(matches!(refusal, DialError::AddressNotPublic), "{refusal:?}");
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn inner_names_are_refused_without_a_query() {
    let bed = Bed::new().await;
    for host in [
        "localhost",
        "redis",
        "kubernetes.",
        "a.localhost",
        "printer.local",
        "metadata.google.internal",
        "nas.home.arpa",
        "1.0.0.127.in-addr.arpa",
        "abcdefghijklmnop.onion",
        "LOCALHOST",
        "ｌocalhost",
    ] {
        let refusal = bed.refusal(&format!("http://{host}/")).await;
        assert!(matches!(refusal, DialError::AddressNotPublic), "{host}: {refusal:?}");
    }
    for host in ["nothing.invalid", "a.test", "www.example"] {
        let refusal = bed.refusal(&format!("http://{host}/")).await;
        assert!(matches!(refusal, DialError::Dns(DnsFailure::Reserved)), "{host}: {refusal:?}");
    }

    assert_eq!(bed.dns.queries(), []);
}

#[tokio::test]
async fn with_an_allow_list_inner_names_are_asked_for_and_localhost_is_known() {
    let (public, private) = both_sides().await;
    let port = private.port();
    let policy = Policy::new(networks("127.0.0.2"), Networks::default(), vec![80]).unwrap();
    let bed = Bed::with(policy, |_| {}).await;
    bed.dns.answer("files", &["127.0.0.2"]);
    bed.dns.answer("nas.local", &["127.0.0.2"]);

    assert_eq!(bed.peer(&format!("http://files:{port}/")).await, private.address());
    assert_eq!(bed.peer(&format!("http://nas.local:{port}/")).await, private.address());
    assert!(bed.dns.queries().iter().all(|query| ["files", "nas.local"].contains(&query.name.as_str())));

    let refusal = bed.refusal(&format!("http://localhost:{port}/")).await;
    assert!(matches!(refusal, DialError::AddressNotPublic), "localhost is judged: {refusal:?}");
    assert_eq!(public.connections(), 0);

    let allowing = Policy::new(networks("127.0.0.1"), Networks::default(), vec![80]).unwrap();
    let bed = Bed::with(allowing, |_| {}).await;
    assert_eq!(bed.peer(&format!("http://localhost:{port}/")).await, public.address());
    assert_eq!(bed.peer(&format!("http://a.localhost:{port}/")).await, public.address());
    assert_eq!(bed.dns.queries(), []);
}

#[tokio::test]
async fn a_blocked_port_is_refused_before_the_name_is_asked() {
    let bed = Bed::with(Policy::default(), |_| {}).await;
    for url in [
        "http://files.example.com:22/",
        "https://files.example.com:6379/",
        "http://files.example.com:0/",
        "http://8.8.8.8:22/",
        "http://8.8.8.8:0/",
    ] {
        let refusal = bed.refusal(url).await;
        assert!(matches!(refusal, DialError::PortBlocked), "{url}: {refusal:?}");
    }
    for url in ["http://127.0.0.1:22/", "http://localhost:22/", "http://10.0.0.1:0/", "http://[::1]:0/"] {
        let refusal = bed.refusal(url).await;
        assert!(matches!(refusal, DialError::AddressNotPublic), "{url}: {refusal:?}");
    }

    assert_eq!(bed.dns.queries(), []);
}

#[tokio::test]
async fn an_allow_list_opens_its_ports_address_by_address() {
    let (public, private) = both_sides().await;
    let port = public.port();
    let policy = Policy::with_tables(networks("127.0.0.2"), Networks::default(), vec![80], Tables::loopback()).unwrap();
    let bed = Bed::with(policy, |_| {}).await;
    bed.dns.answer("inside.example.com", &["127.0.0.2"]);
    bed.dns.answer("both.example.com", &["127.0.0.1", "127.0.0.2"]);
    bed.dns.answer("outside.example.com", &["127.0.0.1", "10.0.0.1"]);
    bed.dns.answer("private.example.com", &["10.0.0.1"]);

    assert_eq!(bed.peer(&format!("http://inside.example.com:{port}/")).await, private.address());
    assert_eq!(bed.peer(&format!("http://both.example.com:{port}/")).await, private.address());
    let refusal = bed.refusal(&format!("http://outside.example.com:{port}/")).await;
    assert!(matches!(refusal, DialError::PortBlocked), "another port would do: {refusal:?}");
    let refusal = bed.refusal(&format!("http://private.example.com:{port}/")).await;
    assert!(matches!(refusal, DialError::AddressNotPublic), "{refusal:?}");
    let refusal = bed.refusal("http://inside.example.com:0/").await;
    assert!(matches!(refusal, DialError::PortBlocked), "{refusal:?}");
    assert_eq!(public.connections(), 0);
}

#[tokio::test]
async fn what_was_judged_is_what_is_dialled() {
    let bed = Bed::new().await;
    let (public, private) = both_sides().await;
    let port = public.port();
    bed.dns.answer("good.example.com", &["127.0.0.1"]);

    // Each of these has the private address where one parser or another would look for a host.
    for url in [
        format!("http://127.0.0.1:{port}\\@127.0.0.2/"),
        format!("http://127.0.0.1:{port}/@127.0.0.2"),
        format!("http://127.0.0.1:{port}?@127.0.0.2/"),
        format!("http://127.0.0.1:{port}#@127.0.0.2/"),
        format!("http:\\\\127.0.0.1:{port}\\127.0.0.2"),
        format!("http:127.0.0.1:{port}/127.0.0.2"),
        format!("ht\ntp://127.0\t.0.1:{port}/"),
        format!("http://good.example.com:{port}/http://127.0.0.2/"),
    ] {
        assert_eq!(bed.peer(&url).await, public.address(), "{url}");
    }
    for url in [
        format!("http://127.0.0.2:{port}\\@127.0.0.1/"),
        format!("http://127.0.0.2:{port}#@127.0.0.1:{port}/"),
        format!("http:/127.0.0.2:{port}/"),
    ] {
        let refusal = bed.refusal(&url).await;
        assert!(matches!(refusal, DialError::AddressNotPublic), "{url}: {refusal:?}");
    }
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn a_refusal_does_not_say_what_the_name_resolved_to() {
    let bed = Bed::new().await;
    bed.dns.answer("a.example.com", &["10.11.12.13"]);
    bed.dns.answer("b.example.com", &["127.0.0.2", "fd00::77"]);
    bed.dns.reply("c.example.com", DnsReply::Failure);

    let refusals = [
        bed.refusal("http://a.example.com/").await,
        bed.refusal("http://b.example.com/").await,
        bed.refusal("http://10.11.12.13/").await,
        bed.refusal("http://metadata.google.internal/").await,
    ];
    for refusal in &refusals {
        assert_eq!(refusal.to_string(), refusals[0].to_string());
        assert_eq!(format!("{refusal:?}"), "AddressNotPublic");
    }

    let unresolved = [bed.refusal("http://c.example.com/").await, bed.refusal("http://d.example.com/").await];
    for refusal in unresolved {
        assert_eq!(refusal.to_string(), "the host name could not be resolved");
    }
}

/// One of the many ways in which people, browsers and attackers write an IPv4 address.
fn spelled(address: Ipv4Addr, way: u8) -> String {
    let [a, b, c, d] = address.octets();
    let whole = address.to_bits();
    match way {
        0 => address.to_string(),
        1 => format!("{address}."),
        2 => whole.to_string(),
        3 => format!("0x{whole:x}"),
        4 => format!("0{whole:o}"),
        5 => format!("0{a:o}.0x{b:X}.{c}.0{d:o}"),
        6 => format!("{a}.{}", whole & 0x00ff_ffff),
        7 => format!("{a}.{b}.0x{:x}", whole & 0xffff),
        8 => address.to_string().chars().map(wide).collect(),
        9 => address.to_string().replace('.', "。"),
        10 => address.to_string().replace('.', "%2e"),
        11 => format!("[::ffff:{address}]"),
        _ => format!("[0:0:0:0:0:FFFF:{:x}:{:x}]", whole >> 16, whole & 0xffff),
    }
}

/// The full-width form of a digit.
fn wide(character: char) -> char {
    match character.to_digit(10) {
        Some(digit) => char::from_u32(0xff10 + digit).unwrap(),
        None => character,
    }
}

#[test]
fn an_address_is_judged_alike_however_it_is_spelled() {
    let dialer = Dialer::new(Policy::default(), DialSettings::default()).unwrap();
    let own = dialer.own.current();

    proptest!(ProptestConfig::with_cases(1_000), |(
        bits in prop_oneof![any::<u32>(), (0x7f00_0000_u32..0x7f00_0100), (0x0a00_0000_u32..0x0a00_0100)],
        way in 0_u8..13,
    )| {
        let address = Ipv4Addr::from_bits(bits);
        let url = SourceUrl::parse(&format!("http://{}/", spelled(address, way))).unwrap();

        let is_dialled = dialer.begin_lookup(&url).is_ok();

        let verdict = dialer.policy.judge_with_port(&own, SocketAddr::new(address.into(), 80));
        prop_assert_eq!(is_dialled, verdict == PortVerdict::Public, "{} for {}", url, address);
    });
}
