//! Every route of the document is refused as it should be: without a key, beyond its limits, with a bad request. A new
//! route fails here until it stands in one of the two lists.

use serde_json::Value;

use crate::support::TestApp;

/// Routes that need no key and count for no limit.
const OPEN: [(&str, &str); 5] = [
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/openapi.json"),
    ("get", "/media/{id}/{filename}"),
    ("head", "/media/{id}/{filename}"),
];

fn routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&soku_server::http::openapi::json()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut routes = Vec::new();
    for (path, item) in paths {
        for method in item.as_object().expect("an item").keys() {
            routes.push((method.clone(), path.clone()));
        }
    }
    routes
}

#[tokio::test]
async fn every_route_with_a_key_refuses_without_one_and_beyond_its_limits() {
    let closed: Vec<_> =
        routes().into_iter().filter(|(method, path)| !OPEN.contains(&(method.as_str(), path.as_str()))).collect();
    assert!(!closed.is_empty());

    for (method, path) in closed {
        let app = TestApp::start().await;
        let key = app.subscribed().await;
        let method = method.to_uppercase();

        app.send(app.request(&method, &path)).await.refused(401, "unauthorized", "");
        let bad = app.request(&method, &path).header("soku-api-key", key.reveal());
        let bad = app.send(bad.header("Content-Type", "application/json").body("{")).await;
        bad.refused(400, "validation_error", "invalid_json");
        let mut limited = false;
        for _ in 0..250 {
            let answer = app.send(app.request(&method, &path).header("soku-api-key", key.reveal())).await;
            if answer.status == 429 {
                answer.refused(429, "rate_limit_exceeded", "");
                limited = true;
                break;
            }
        }
        assert!(limited, "{method} {path} has no limit");
    }
}

#[test]
fn every_open_route_is_in_the_document() {
    let routes = routes();
    for (method, path) in OPEN {
        assert!(routes.contains(&(method.to_owned(), path.to_owned())), "{method} {path}");
    }
}
