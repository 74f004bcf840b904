//! The document is the code's, complete, and the copy in the repository is fresh.

use serde_json::Value;
use soku_api::{ErrorCode, Reason};

use crate::support::TestApp;

fn repository(file: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

#[tokio::test]
async fn the_document_is_served_and_its_copy_is_fresh() {
    let app = TestApp::start().await;

    let served = app.get("/openapi.json").await;

    assert_eq!(served.status, 200);
    let path = repository("openapi.json");
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("SOKU_UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &served.body).expect("the copy can be written");
    } else {
        assert!(copy.as_bytes() == served.body, "openapi.json is stale: run the tests with SOKU_UPDATE_GENERATED=1");
    }
    assert_eq!(served.json()["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
}

#[tokio::test]
async fn the_document_shows_every_code_and_reason() {
    let document: Value = serde_json::from_str(&soku_server::http::openapi::json()).expect("JSON");
    let text = document.to_string();

    for reason in Reason::ALL {
        assert!(text.contains(&format!("\"reason\":\"{}\"", reason.as_str())), "{}", reason.as_str());
    }
    for code in ErrorCode::ALL {
        assert!(text.contains(&format!("\"code\":\"{}\"", code.as_str())), "{}", code.as_str());
    }
    let post = &document["paths"]["/v1/media"]["post"];
    assert!(post["responses"]["201"]["headers"]["Location"].is_object());
    assert!(post["responses"]["429"]["headers"]["Retry-After"].is_object());
    assert_eq!(post["security"][0]["apiKey"], serde_json::json!([]));
}

#[test]
fn the_page_of_errors_is_fresh() {
    let mut page = "# Error codes and reasons\n\nMade from the code by the tests: every `code` that an error can carry, then every \
                    `details.reason`, with what brings it about and what mends it. Neither is ever renamed.\n\n\
                    | status | code | cause | mend |\n|---|---|---|---|\n"
        .to_owned();
    for code in ErrorCode::ALL {
        page.push_str(&format!("| {} | `{}` | {} | {} |\n", code.status(), code.as_str(), code.cause(), code.mend()));
    }
    page.push_str("\n| status | reason | message | cause | mend |\n|---|---|---|---|---|\n");
    for reason in Reason::ALL {
        page.push_str(&format!(
            "| {} | `{}` | {} | {} | {} |\n",
            reason.code().status(),
            reason.as_str(),
            reason.message(),
            reason.cause(),
            reason.mend()
        ));
    }
    let path = repository("docs/errors.md");
    if std::env::var_os("SOKU_UPDATE_GENERATED").is_some() {
        std::fs::write(&path, page).expect("the page can be written");
    } else {
        let copy = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(copy == page, "docs/errors.md is stale: run the tests with SOKU_UPDATE_GENERATED=1");
    }
}
