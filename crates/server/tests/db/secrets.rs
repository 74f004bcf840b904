//! Stories of what an operator's log may show: never a password.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use soku_server::db::{Db, DbSettings};

use crate::bed::on_both;

/// Everything that a careless log line could show of an error.
fn everything(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error:?} {error:#?}");
    let mut next = Some(error);
    while let Some(error) = next {
        write!(text, " {error} {error:?}").unwrap();
        next = error.source();
    }
    text
}

#[tokio::test]
async fn a_password_is_in_no_error_and_no_debug_text() {
    let urls = [
        "postgres://soku:hush-hush@127.0.0.1:1/soku",
        "postgres://127.0.0.1:1/soku?user=soku&password=hush-hush",
        "postgres://soku@127.0.0.1:1/soku?pasword=hush-hush",
        "postgres://soku:1/hush-hush@127.0.0.1:1/soku",
        "postgres://soku:1?hush-hush@127.0.0.1:1/soku",
        "postgres://soku:1#hush-hush@127.0.0.1:1/soku",
        "postgres://soku:hush-hush@127.0.0.1:notaport/soku",
        "postgres://soku:hush-hush@127.0.0.1:1/soku?sslmode=odd",
        "postgresql://soku:hush-hush@127.0.0.1:1/soku?port=odd",
        "mysql://soku:hush-hush@127.0.0.1:1/soku",
        "soku:hush-hush@127.0.0.1:1/soku",
        "sqlite:///tmp/soku?password=hush-hush",
    ];
    for url in urls {
        let mut settings = DbSettings::new(url);
        settings.connect_timeout = Duration::from_millis(200);
        settings.statement_timeout = Duration::from_millis(200);

        let error = Db::open(&settings).await.err().unwrap_or_else(|| panic!("{url} was opened"));

        let shown = format!("{} {settings:?} {settings:#?} {}", everything(&error), settings.redacted_url());
        assert!(!shown.contains("hush-hush"), "{url}: {shown}");
    }
}

#[test]
fn what_is_shown_of_a_url_tells_the_operator_which_database_it_is() {
    for (url, shown) in [
        ("postgres://soku:hush@db.example:5433/main?sslmode=require", "postgres://soku@db.example:5433/main"),
        ("postgres://db.example/main", "postgres://db.example/main"),
        ("sqlite:///var/lib/soku/soku.db", "sqlite:///var/lib/soku/soku.db"),
        ("mysql://soku:hush@db.example/main", "mysql://…"),
        ("nonsense", "…"),
    ] {
        assert_eq!(DbSettings::new(url).redacted_url(), shown);
    }
}

on_both! {
    async fn an_open_database_shows_neither_password_nor_rows(bed: &Bed) {
        let mut settings = bed.settings.clone();
        if let Some(rest) = settings.url.strip_prefix("postgres://soku@") {
            settings.url = format!("postgres://soku:hush-hush@{rest}");
        }
        let db = Db::open(&settings).await.unwrap();
        let account = bed.account("name-of-a-customer").await;

        let doubled = db.insert_key(&crate::accounts::row_of_nobody(), &crate::accounts::digest()).await.unwrap_err();
        let again = db.insert_account(&account).await.unwrap_err();

        let shown = format!("{db:?} {settings:?} {} {}", everything(&doubled), everything(&again));
        for secret in ["hush-hush", "name-of-a-customer", "INSERT", &crate::accounts::digest().hex()] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        db.close().await;
    }
}
