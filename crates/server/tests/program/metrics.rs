//! What the process says about itself on the listener for metrics, and what the operator's files make of it.

use std::collections::BTreeSet;

use soku_testkit::{Answer, Origin, samples};

use crate::program::{Place, Program, client};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn address_of_metrics(program: &Program) -> String {
    program.logged(|line| line["message"].as_str()?.strip_prefix("Serving metrics on ").map(str::to_owned))
}

async fn scrape(program: &Program) -> String {
    let answer = client().get(address_of_metrics(program)).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let form = answer.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(form.starts_with("application/openmetrics-text; version=1.0.0"), "{form}");
    answer.text().await.expect("text")
}

#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{series}` in\n{text}")).parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let (place, origin) = (Place::new().with("SOKU_METRICS_LISTEN", "127.0.0.1:0"), Origin::start().await);
    origin.serve("/a.png?sig=tellnobody", Answer::ok("image/png", samples::PNG.bytes));
    let program = place.start();
    let source = origin.url("/a.png?sig=tellnobody");

    let (_, stored) = program.import(&source).await;
    assert_eq!(program.import(&source).await.0, 201);
    assert_eq!(program.import(&origin.url("/missing.png")).await.0, 500);
    assert_eq!(program.import("http://10.1.2.3/a.png").await.0, 400);
    let url = stored["url"].as_str().expect("a url");
    assert_eq!(program.get(url).await.1.len(), samples::PNG.bytes.len());
    let without_key = client().post(format!("{}/v1/media", program.base)).send().await.expect("an answer");
    assert_eq!(without_key.status(), 401);
    assert_eq!(program.get(&format!("{}/v1/nothing-like-that/{}", program.base, "x".repeat(50))).await.0, 404);
    program.logged(|line| (line["sent_bytes"] == samples::PNG.bytes.len()).then_some(()));

    let text = scrape(&program).await;
    let at = |series: &str| value(&text, series);
    assert_eq!(at(r#"soku_http_requests_total{route="/v1/media",method="POST",status="201"}"#), 2.0);
    assert_eq!(at(r#"soku_http_requests_total{route="/v1/media",method="POST",status="401"}"#), 1.0);
    assert_eq!(at(r#"soku_http_requests_total{route="/media",method="GET",status="200"}"#), 1.0);
    assert_eq!(at(r#"soku_http_requests_total{route="other",method="GET",status="404"}"#), 1.0);
    assert_eq!(at(r#"soku_http_request_duration_seconds_count{route="/v1/media"}"#), 5.0);
    assert_eq!(at(r#"soku_imports_total{outcome="made"}"#), 1.0);
    assert_eq!(at(r#"soku_imports_total{outcome="replayed"}"#), 1.0);
    assert_eq!(at(r#"soku_imports_total{outcome="failed"}"#), 2.0);
    assert_eq!(at(r#"soku_downloads_total{outcome="stored"}"#), 1.0);
    assert_eq!(at(r#"soku_downloads_total{outcome="source_status"}"#), 1.0);
    assert_eq!(at(r#"soku_downloads_total{outcome="address_not_public"}"#), 1.0);
    assert_eq!(at("soku_downloaded_bytes_total"), samples::PNG.bytes.len() as f64);
    assert_eq!(at("soku_delivered_bytes_total"), samples::PNG.bytes.len() as f64);
    assert_eq!(at("soku_storage_keep_duration_seconds_count"), 1.0);
    assert!(at("soku_database_commit_duration_seconds_count") >= 1.0);
    assert!(at("soku_database_batch_writes_count") >= at("soku_database_commit_duration_seconds_count"));
    assert_eq!((at("soku_downloads_running"), at("soku_downloads_waiting")), (0.0, 0.0));
    assert!(at("soku_disk_free_bytes") > 0.0 && at("process_open_fds") > 5.0 && at("process_cpu_seconds_total") > 0.0);
    // The scrape itself is open.
    assert!(at("soku_http_connections") >= 1.0);
    for secret in ["tellnobody", "10.1.2.3", "xxxx", &program.key] {
        assert!(!text.contains(secret), "`{secret}` in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_goes_on_and_what_goes_wrong() {
    let place = Place::new()
        .with("SOKU_METRICS_LISTEN", "127.0.0.1:0")
        .with("SOKU_DOWNLOADS_AT_ONCE", "1")
        .with("SOKU_RATE_LIMIT_PREMIUM_PER_MINUTE", "3")
        .with("SOKU_RATE_LIMIT_PREMIUM_BURST", "0");
    let origin = Origin::start().await;
    origin.answer_all_with(|_, _| Answer::ok("image/png", samples::PNG.bytes).cut_after(10).then_stall());
    let program = place.start();
    // Two that ask and never hear: one runs, one waits.
    let asked = [origin.url("/1.png"), origin.url("/2.png")].map(|url| {
        let (base, key) = (program.base.clone(), program.key.clone());
        tokio::spawn(async move {
            let request = client().post(format!("{base}/v1/media")).header("soku-api-key", key);
            request.header("Content-Type", "application/json").body(format!(r#"{{"url":"{url}"}}"#)).send().await
        })
    });
    let mut text = scrape(&program).await;
    while (value(&text, "soku_downloads_running"), value(&text, "soku_downloads_waiting")) != (1.0, 1.0) {
        text = scrape(&program).await;
    }
    assert_eq!(value(&text, "soku_imports_under_way"), 2.0);

    let media = place.data().join("media");
    std::fs::rename(&media, place.data().join("aside")).expect("renamed");
    std::fs::write(&media, "in the way").expect("written");
    assert_eq!(program.get(&format!("{}/readyz", program.base)).await.0, 503);
    assert_eq!(program.import("ftp://example.com/").await.0, 400);
    assert_eq!(program.import("ftp://example.com/").await.0, 429);

    let text = scrape(&program).await;
    assert_eq!(value(&text, r#"soku_rate_limited_total{tier="premium"}"#), 1.0);
    assert_eq!(value(&text, r#"soku_storage_errors_total{operation="ping"}"#), 1.0);
    asked.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_where_they_are_wanted_and_nowhere_else() {
    let place = Place::new().with("SOKU_METRICS_LISTEN", "127.0.0.1:0");
    let program = place.start();
    let address = address_of_metrics(&program);
    assert_eq!(program.get(&format!("{}/metrics", program.base)).await.0, 404);
    assert_eq!(program.get(&address.replace("/metrics", "/v1/media")).await.0, 404);
    assert_eq!(program.get(&address).await.0, 200);
    assert!(!program.log().contains("GET /metrics answered 200"), "a scrape is no log line");

    // Scraped to the end of a stop.
    assert_eq!(program.terminate(), Some(0));
    let silent = Place::new();
    let program = silent.start();
    assert!(!program.log().contains("Serving metrics"));
}

/// The names of every metric in a text, as a rule or a panel writes them.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("soku_") || word.starts_with("process_")).map(str::to_owned).collect()
}

/// The families that a running server has, with the endings under which their series go.
async fn known() -> BTreeSet<String> {
    let place = Place::new().with("SOKU_METRICS_LISTEN", "127.0.0.1:0");
    let program = place.start();
    let text = scrape(&program).await;
    let mut known = BTreeSet::new();
    for line in text.lines() {
        let Some((family, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) else { continue };
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            "info" => &["_info"],
            _ => &[""],
        };
        known.extend(endings.iter().map(|ending| format!("{family}{ending}")));
    }
    known
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_alerts_and_documents_name_metrics_that_exist() {
    let known = known().await;
    for file in ["deploy/alerts.yml", "deploy/dashboard.json", "docs/operations.md"] {
        let text = std::fs::read_to_string(format!("{ROOT}/{file}")).expect(file);
        // Of the document its own chapter: others have variables of nginx with such names.
        let text =
            text.split_once("\n## Monitoring\n").map_or(&*text, |(_, rest)| rest.split("\n## ").next().unwrap_or(rest));
        let named = names(text);
        assert!(!named.is_empty(), "{file} names no metric");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names metrics that do not exist: {unknown:?}");
    }
    let told = std::fs::read_to_string(format!("{ROOT}/docs/operations.md")).expect("a document");
    let alerts = std::fs::read_to_string(format!("{ROOT}/deploy/alerts.yml")).expect("rules");
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(told.contains(&format!("### {alert}")), "docs/operations.md does not say what to do about `{alert}`");
    }
}
