//! How many connections one address sees at a time.

use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn a_source_sees_a_bounded_number_of_connections() {
    assert_eq!(DialSettings::default().connections_per_address, 32);

    let bed = Bed::with(Policy::loopback(), |settings| settings.connections_per_address = 3).await;
    let origin = Origin::start().await;
    bed.dns.answer("a.example.com", &["127.0.0.1"]);
    bed.dns.answer("b.example.com", &["127.0.0.1"]);
    let hosts = ["a.example.com", "b.example.com", "127.0.0.1", "[::ffff:127.0.0.1]"];
    let (open, most) = (AtomicUsize::new(0), AtomicUsize::new(0));

    let visits = (0..40).map(|n| {
        let (bed, open, most) = (&bed, &open, &most);
        let url = format!("http://{}:{}/", hosts[n % hosts.len()], origin.port());
        async move {
            let connection = bed.dial_for(["a", "b"][n % 2], &url).await.unwrap();
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            open.fetch_sub(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    futures_util::future::join_all(visits).await;

    assert_eq!(most.into_inner(), 3, "whatever the address is called");
    assert_eq!(origin.until(|seen| seen.connections == 40).await.connections, 40, "all get their turn");
    assert_eq!(bed.dialer.turns.in_use(), 0, "an address nobody wants is forgotten");
}

#[tokio::test]
async fn an_allowed_network_sees_as_many_connections_as_it_takes() {
    let policy = Policy::new(networks("127.0.0.2"), Networks::default(), vec![80]).unwrap();
    let bed = Bed::with(policy, |settings| settings.connections_per_address = 1).await;
    let origin = Origin::start_on([127, 0, 0, 2]).await;

    let held = [bed.dial(&origin.url("/")).await.unwrap(), bed.dial(&origin.url("/")).await.unwrap()];

    assert_eq!(origin.until(|seen| seen.open == 2).await.open, 2);
    drop(held);
}

#[tokio::test]
async fn waiting_for_a_turn_is_not_connecting() {
    let bed = Bed::with(Policy::loopback(), |settings| {
        settings.connections_per_address = 1;
        settings.connect_timeout = Duration::from_millis(50);
    })
    .await;
    let origin = Origin::start().await;
    let url = origin.url("/");
    let held = bed.dial(&url).await.unwrap();

    let (next, ()) = tokio::join!(bed.dial(&url), async {
        tokio::time::sleep(bed.dialer.settings.connect_timeout * 5).await;
        drop(held);
    });

    assert!(next.is_ok(), "{:?}", next.err());
}

#[tokio::test]
async fn another_address_of_the_name_is_used_while_one_is_taken() {
    let bed = Bed::with(Policy::loopback(), |settings| settings.connections_per_address = 1).await;
    let v4 = Origin::start().await;
    let v6 = Origin::start_at((Ipv6Addr::LOCALHOST, v4.port())).await;
    bed.dns.answer("dual.example.com", &["127.0.0.1", "::1"]);
    let _held = bed.dial(&v6.url("/")).await.unwrap();

    let peer = bed.peer(&format!("http://dual.example.com:{}/", v4.port())).await;

    assert_eq!(peer, v4.address());
}

#[tokio::test]
async fn each_address_has_a_line_of_its_own() {
    let bed = Bed::with(Policy::loopback(), |settings| settings.connections_per_address = 1).await;
    let v4 = Origin::start().await;
    let v6 = Origin::start_on(Ipv6Addr::LOCALHOST).await;

    let _held = [bed.dial(&v4.url("/")).await.unwrap(), bed.dial(&v6.url("/")).await.unwrap()];

    assert_eq!(bed.dialer.turns.in_use(), 2);
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_the_line() {
    let bed = Bed::with(Policy::loopback(), |settings| settings.connections_per_address = 1).await;
    let origin = Origin::start().await;
    let url = SourceUrl::parse(&origin.url("/")).unwrap();
    let held = bed.dialer.dial(&url, "somebody").await.unwrap();
    let gave_up = timeout(Duration::from_millis(50), bed.dialer.dial(&url, "somebody")).await;
    assert!(gave_up.is_err(), "the only turn is taken");

    drop(held);

    bed.dial(url.identity()).await.unwrap();
    assert_eq!(bed.dialer.turns.in_use(), 0);
}
