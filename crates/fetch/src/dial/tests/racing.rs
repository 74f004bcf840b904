//! Several addresses, dead ones among them.

use std::net::Ipv6Addr;
use std::time::Instant;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

/// An address that answers nothing: its queue of connections is full, so the kernel drops what comes.
struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    async fn at(address: SocketAddr) -> BlackHole {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        loop {
            #[expect(clippy::disallowed_methods, reason = "fills the queue of its own listener")]
            let connecting = TcpStream::connect(address);
            match timeout(Duration::from_millis(200), connecting).await {
                Ok(stream) => queued.push(stream.unwrap()),
                Err(_) => return BlackHole { address, _listener: listener, _queued: queued },
            }
        }
    }
}

#[tokio::test]
async fn case_30_a_dead_ipv6_does_not_fail_a_host_whose_ipv4_works() {
    let bed = Bed::new().await;
    let origin = Origin::start().await;
    bed.dns.answer("dual.example.com", &["::1", "127.0.0.1"]);

    let peer = bed.peer(&format!("http://dual.example.com:{}/", origin.port())).await;

    assert_eq!(peer, origin.address());
}

#[tokio::test]
async fn ipv6_goes_first_where_both_work() {
    let bed = Bed::new().await;
    let v4 = Origin::start().await;
    let v6 = Origin::start_at((Ipv6Addr::LOCALHOST, v4.port())).await;
    bed.dns.answer("dual.example.com", &["127.0.0.1", "::1"]);

    assert_eq!(bed.peer(&format!("http://dual.example.com:{}/", v4.port())).await, v6.address());
    assert_eq!(v4.connections(), 0);
}

#[tokio::test]
async fn a_silent_address_costs_a_stagger_and_no_more() {
    let bed = Bed::new().await;
    let origin = Origin::start().await;
    let hole = BlackHole::at((Ipv6Addr::LOCALHOST, origin.port()).into()).await;
    bed.dns.answer("dual.example.com", &["::1", "127.0.0.1"]);
    let began = Instant::now();

    let peer = bed.peer(&format!("http://dual.example.com:{}/", hole.address.port())).await;

    assert_eq!(peer, origin.address());
    assert!(began.elapsed() >= bed.dialer.settings.stagger, "the first address has its chance");
    assert!(began.elapsed() < bed.dialer.settings.attempt_timeout, "nobody waits for its end");
}

#[tokio::test]
async fn no_more_than_sixteen_addresses_are_used() {
    let policy = Policy::with_tables(
        Networks::default(),
        Networks::default(),
        (1..=u16::MAX).collect(),
        Tables::default().calling_public(networks("127.0.0.0/8")),
    )
    .unwrap();
    let bed = Bed::with(policy, |_| {}).await;
    let sixteenth = Origin::start_on([127, 3, 0, 16]).await;
    let port = sixteenth.port();
    let seventeenth = Origin::start_at(([127, 3, 0, 17], port)).await;
    let list = |last: usize| (1..=last).map(|n| format!("127.3.0.{n}").parse().unwrap()).collect();
    bed.dns.reply("many.example.com", DnsReply::Addresses(list(40)));

    assert_eq!(bed.peer(&format!("http://many.example.com:{port}/")).await, sixteenth.address());
    drop(sixteenth);
    let refusal = bed.refusal(&format!("http://many.example.com:{port}/")).await;
    assert!(matches!(refusal, DialError::ConnectFailed(_)), "{refusal:?}");
    assert_eq!(seventeenth.connections(), 0);
}

#[tokio::test]
async fn an_address_that_never_answers_times_out() {
    let hole = BlackHole::at(([127, 0, 0, 1], 0).into()).await;
    let url = format!("http://{}/", hole.address);

    let one = Bed::with(Policy::loopback(), |settings| settings.attempt_timeout = Duration::from_millis(100)).await;
    assert!(matches!(one.refusal(&url).await, DialError::ConnectTimeout));

    let all = Bed::with(Policy::loopback(), |settings| settings.connect_timeout = Duration::from_millis(100)).await;
    let began = Instant::now();
    assert!(matches!(all.refusal(&url).await, DialError::ConnectTimeout));
    assert!(began.elapsed() < all.dialer.settings.attempt_timeout / 2);
}

#[tokio::test]
async fn a_closed_port_is_a_failed_connection_with_its_cause() {
    let bed = Bed::new().await;
    let port = Origin::start().await.port();

    let refusal = bed.refusal(&format!("http://127.0.0.1:{port}/")).await;

    let DialError::ConnectFailed(cause) = refusal else { panic!("{refusal:?}") };
    assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_refusal_weighs_more_than_silence_or_a_missing_route() {
    let bed = Bed::with(Policy::loopback(), |settings| {
        settings.attempt_timeout = Duration::from_millis(100);
        settings.stagger = Duration::from_millis(1);
    })
    .await;
    let hole = BlackHole::at((Ipv6Addr::LOCALHOST, 0).into()).await;
    bed.dns.answer("dual.example.com", &["::1", "127.0.0.1"]);

    let refusal = bed.refusal(&format!("http://dual.example.com:{}/", hole.address.port())).await;

    assert!(matches!(refusal, DialError::ConnectFailed(_)), "{refusal:?}");
}

#[tokio::test]
async fn a_connection_to_another_peer_is_dropped_unused() {
    // The kernel takes 0.0.0.0 and :: for this machine: a judge that let them through would be deceived.
    let tables = Tables::default().calling_public(networks("0.0.0.0, ::"));
    let policy =
        Policy::with_tables(Networks::default(), Networks::default(), (1..=u16::MAX).collect(), tables).unwrap();
    let bed = Bed::with(policy, |_| {}).await;
    for (local, host) in [("127.0.0.1:0", "0.0.0.0"), ("[::1]:0", "[::]")] {
        let listener = TcpListener::bind(local).await.unwrap();
        let port = listener.local_addr().unwrap().port();

        let refusal = bed.refusal(&format!("http://{host}:{port}/")).await;

        assert!(matches!(refusal, DialError::ConnectFailed(_)), "{host}: {refusal:?}");
        let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.expect("the kernel did connect").unwrap();
        let mut sent = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut sent)).await.expect("closed at once").unwrap();
        assert_eq!(sent, b"", "{host}");
    }
}

#[tokio::test]
async fn small_writes_are_not_held_back() {
    let bed = Bed::new().await;
    let origin = Origin::start().await;

    let connection = bed.dial(&origin.url("/")).await.unwrap();

    assert!(connection.tcp().nodelay().unwrap());
}
