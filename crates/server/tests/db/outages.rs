//! Stories of a PostgreSQL server that goes away, comes back, or falls silent: a relay stands between it and us.

use std::net::SocketAddr;
use std::time::Duration;

use soku_server::db::{ClaimAnswer, Db, DbError, DbSettings};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::bed::{self, NOW, key_of, picture, win, wish};

/// What the relay does with connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    Open,
    /// Every connection is cut, new ones too.
    Cut,
    /// Bytes are swallowed.
    Silent,
}

/// A relay before the server that the tests may use.
struct Relay {
    address: SocketAddr,
    line: watch::Sender<Line>,
}

impl Relay {
    async fn start(server: String) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (line, seen) = watch::channel(Line::Open);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(relay(client, server.clone(), seen.clone()));
            }
        });
        Relay { address, line }
    }

    fn turn(&self, line: Line) {
        self.line.send(line).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "the relay of a test dials the server that the tests may use")]
async fn relay(mut client: TcpStream, server: String, mut line: watch::Receiver<Line>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    loop {
        let now = *line.borrow_and_update();
        match now {
            Line::Cut => return,
            Line::Silent => line.changed().await.unwrap(),
            Line::Open => tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                changed = line.changed() => changed.unwrap(),
            },
        }
    }
}

/// Tells a story of a database behind a relay, with limits short enough to meet.
async fn behind_a_relay(story: impl AsyncFnOnce(&Relay, DbSettings)) {
    bed::in_new_schema(async |settings| {
        let mut url = url::Url::parse(&settings.url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let relay = Relay::start(server).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(relay.address.port())).unwrap();
        let mut settings = DbSettings { url: url.into(), ..settings.clone() };
        settings.connect_timeout = Duration::from_millis(500);
        settings.statement_timeout = Duration::from_millis(500);
        story(&relay, settings).await;
    })
    .await;
}

fn is_unavailable<T: std::fmt::Debug>(outcome: &Result<T, DbError>) -> bool {
    matches!(outcome, Err(DbError::Unavailable { .. }))
}

/// Asks until the database answers again: the pool may hold some connections that died with the line.
async fn recover(db: &Db) {
    let mut asked = db.ping().await;
    for _ in 0..50 {
        if asked.is_ok() {
            break;
        }
        asked = db.ping().await;
    }
    asked.expect("the database comes back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_is_unavailable_until_it_comes_back() {
    behind_a_relay(async |relay, settings| {
        let db = Db::open(&settings).await.unwrap();
        let account = bed::account(&db, "default").await;
        let (first, second) = (key_of(&account, "1"), key_of(&account, "2"));
        let fence = win(&db, &wish(&first, NOW)).await;

        relay.turn(Line::Cut);
        let asked = db.ping().await;
        let read = db.find_account("default").await;
        let claimed = db.claim(&wish(&second, NOW)).await;
        relay.turn(Line::Open);
        recover(&db).await;

        assert!(is_unavailable(&asked), "{asked:?}");
        assert!(is_unavailable(&read), "{read:?}");
        assert!(is_unavailable(&claimed), "{claimed:?}");
        let media = picture(&account);
        db.record(&media, &first, fence, NOW.plus_ms(1000)).await.unwrap();
        assert_eq!(db.find_media(&media.id).await.unwrap(), Some(media));
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_unavailable_within_the_limits() {
    behind_a_relay(async |relay, settings| {
        let db = Db::open(&settings).await.unwrap();
        let account = bed::account(&db, "default").await;
        let (first, second) = (key_of(&account, "1"), key_of(&account, "2"));
        let fence = win(&db, &wish(&first, NOW)).await;

        relay.turn(Line::Silent);
        let media = picture(&account);
        let read = db.find_account("default").await;
        let claimed = db.claim(&wish(&second, NOW)).await;
        let recorded = db.record(&media, &first, fence, NOW.plus_ms(1000)).await;
        // What was swallowed never arrives: the connections that it was sent on are of no more use.
        relay.turn(Line::Cut);
        relay.turn(Line::Open);
        recover(&db).await;

        assert!(is_unavailable(&read), "{read:?}");
        assert!(is_unavailable(&claimed), "{claimed:?}");
        assert!(recorded.is_err());
        assert_eq!(db.find_media(&media.id).await.unwrap(), None, "half a record is no record");
        let again = db.claim(&wish(&second, NOW)).await.unwrap();
        assert!(matches!(again, ClaimAnswer::Won { .. }), "{again:?}");
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_or_silent_at_the_start_is_said_so() {
    behind_a_relay(async |relay, settings| {
        for line in [Line::Cut, Line::Silent] {
            relay.turn(line);

            let opened = Db::open(&settings).await;

            assert!(matches!(opened, Err(DbError::Open { .. })), "{line:?}: {opened:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_waits_too_long_is_ended_by_the_server() {
    use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
    bed::in_new_schema(async |settings| {
        let mut settings = settings.clone();
        settings.statement_timeout = Duration::from_millis(200);
        let db = Db::open(&settings).await.unwrap();
        let account = bed::account(&db, "default").await;
        let options: sqlx::postgres::PgConnectOptions = settings.url.parse().unwrap();
        let mut other = options.connect().await.unwrap();
        other.execute("BEGIN").await.unwrap();
        other.execute("LOCK TABLE idempotency IN ACCESS EXCLUSIVE MODE").await.unwrap();

        let claimed = db.claim(&wish(&key_of(&account, "k"), NOW)).await;
        other.execute("ROLLBACK").await.unwrap();

        let Err(DbError::Unavailable { source, .. }) = claimed else { panic!("{claimed:?}") };
        assert!(source.to_string().contains("57014"), "the server ended it, not we: {source}");
        win(&db, &wish(&key_of(&account, "k"), NOW)).await;
        other.close().await.unwrap();
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_tasks_than_connections_wait_their_turn() {
    bed::in_new_schema(async |settings| {
        let settings = DbSettings { connections: 2, ..settings.clone() };
        let db = Db::open(&settings).await.unwrap();
        let account = bed::account(&db, "default").await;

        let mut claims = tokio::task::JoinSet::new();
        for number in 0..200 {
            let (db, key) = (db.clone(), key_of(&account, &number.to_string()));
            claims.spawn(async move { win(&db, &wish(&key, NOW)).await });
        }
        claims.join_all().await;

        db.close().await;
    })
    .await;
}
