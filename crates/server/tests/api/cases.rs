//! What people reported about servers that fetch a URL for them, one test a report, each by the whole way: a raw source
//! with real media, `POST /v1/media`, and `GET` of the hosted URL. The number and the report stand above each test.

mod asking;
mod containers;
mod delivering;
mod framing;
mod names;
mod pages;

use soku_server::id::ApiKey;
use soku_testkit::samples::Sample;

use crate::support::{Answer, TestApp};

/// Imports a path of the source and asserts that the hosted URL gives exactly `sample`, under its type.
#[track_caller]
fn assert_same(hosted: &Answer, sample: Sample) {
    assert_eq!(hosted.status, 200);
    assert_eq!(hosted.header("content-type"), sample.mime);
    assert!(hosted.body == sample.bytes, "other bytes: {} for {}", hosted.body.len(), sample.bytes.len());
}

/// A started server, a key, and the way from a path of its source to the answer of the hosted URL.
struct Case {
    app: TestApp,
    key: ApiKey,
}

impl Case {
    async fn new() -> Case {
        Case::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Case {
        let app = TestApp::with(settings).await;
        let key = app.subscribed().await;
        Case { app, key }
    }

    /// Imports `path` and fetches what was hosted; also the encoded name.
    async fn taken(&self, path: &str) -> (Answer, String) {
        self.taken_from(&self.app.origin.url(path)).await
    }

    async fn taken_from(&self, url: &str) -> (Answer, String) {
        let made = self.app.import(&self.key, url).await;
        (self.app.get(&made.url()).await, made.name())
    }

    /// Imports `path`, which must fail as told, and asserts that nothing was left behind.
    async fn refused(&self, path: &str, status: u16, code: &str, reason: &str) -> serde_json::Value {
        let answer = self.app.import_path(&self.key, path).await;
        let error = answer.refused(status, code, reason);
        assert!(self.app.stored_files().is_empty(), "{:?}", self.app.stored_files());
        error
    }
}
