//! `soku import`, `soku media`, `soku sweep`.

use rustix::process::Signal;

use crate::soku::{Soku, transcript};
use crate::source::{Source, fetching_locally};

/// The id in a hosted URL.
fn id_of(url: &str) -> String {
    url.rsplit('/').nth(1).unwrap().to_owned()
}

#[test]
fn an_import_needs_no_server_and_prints_what_the_api_would_answer() {
    let source = Source::start();
    let soku = fetching_locally();

    transcript!(soku.run_words(&["import", &source.url("/photo.jpg?signature=hunter2"), &source.url("/graphic.png")]), @r#"
    exit 0
    --- stdout
    {"url":"http://127.0.0.1:[PORT]/media/[MEDIA]/photo.jpg"}
    {"url":"http://127.0.0.1:[PORT]/media/[MEDIA]/graphic.png"}
    --- stderr
    began a new library in `[DIR]/soku-data`
    warning: no server runs in `./soku-data`: the hosted URL works once one listens on http://127.0.0.1:8080
    "#);
    // The two ran side by side, so that either may be the newest: one more, which surely is.
    soku.run_words(&["import", &source.url("/again.png")]).succeeds();
    transcript!(soku.run("account list"), @r"
    exit 0
    --- stdout
    NAME     SUBSCRIPTION  PERIOD END  ROLE    CREATED
    default  active        never       member  [MOMENT]
    --- stderr
    ");
    let list = soku.run("media list").succeeds();
    let names: Vec<&str> = list.lines().map(|line| line.split_whitespace().next_back().unwrap()).collect();
    assert_eq!(names.len(), 4, "{list}");
    assert_eq!(names[..2], ["NAME", "again.png"], "{list}");
}

#[test]
fn a_list_shows_what_is_stored_in_columns() {
    let source = Source::start();
    let soku = fetching_locally();
    soku.run("account create default").succeeds();
    transcript!(soku.run("media list"), @r"
    exit 0
    --- stdout
    ID  ACCOUNT  TYPE  BYTES  CREATED  NAME
    --- stderr
    ");
    soku.run_words(&["import", &source.url("/graphic.png")]).succeeds();

    transcript!(soku.run("media list"), @r"
    exit 0
    --- stdout
    ID                                ACCOUNT  TYPE       BYTES  CREATED                   NAME
    [MEDIA]  default  image/png  1216   [MOMENT]  graphic.png
    --- stderr
    ");
    transcript!(soku.run("media list --account default --json"), @r#"
    exit 0
    --- stdout
    [
      {"account":"default","contentType":"image/png","created":"[MOMENT]","disposition":"inline","filename":"graphic.png","id":"[MEDIA]","sha256":"[DIGEST]","sizeBytes":1216,"sourceUrl":"http://127.0.0.1:[PORT]/graphic.png","url":"http://127.0.0.1:[PORT]/media/[MEDIA]/graphic.png"}
    ]
    --- stderr
    "#);
}

#[test]
fn every_url_is_tried_and_what_fails_is_said_as_the_api_says_it() {
    let source = Source::start();
    let soku = fetching_locally();
    let said = soku.run_words(&[
        "import",
        "ftp://a.example/x",
        &source.url("/page"),
        &source.url("/graphic.png"),
        "http://me:hunter2@a.example/",
    ]);

    assert!(!said.stderr.contains("hunter2"), "{said}");
    transcript!(said, @r#"
    exit 1
    --- stdout
    {"url":"http://127.0.0.1:[PORT]/media/[MEDIA]/graphic.png"}
    --- stderr
    began a new library in `[DIR]/soku-data`
    warning: no server runs in `./soku-data`: the hosted URL works once one listens on http://127.0.0.1:8080
    {"error":{"type":"invalid_request_error","code":"validation_error","message":"The 'url' field must be a valid HTTP or HTTPS URL.","timestamp":"[MOMENT]","requestId":"req_[ID]","details":{"field":"url","reason":"invalid_url"}}}
    mend: Send the direct link to the file, with `http://` or `https://`.
    {"error":{"type":"invalid_request_error","code":"validation_error","message":"The URL does not lead to an image, video or audio file. The content was detected as 'text/html'. It leads to a web page; use the direct link to the file.","timestamp":"[MOMENT]","requestId":"req_[ID]","details":{"field":"url","reason":"not_media","detectedType":"text/html"}}}
    mend: Use the direct link to the file: a share page, a login page and an error page are web pages.
    {"error":{"type":"invalid_request_error","code":"validation_error","message":"The URL contains a user name or password. Use a publicly accessible link, such as a signed URL, instead.","timestamp":"[MOMENT]","requestId":"req_[ID]","details":{"field":"url","reason":"credentials_in_url"}}}
    mend: Use a link that needs no password, such as a signed one.
    error: 3 of 4 URLs could not be taken in
    "#);
}

#[test]
fn what_was_imported_is_not_loaded_again() {
    let source = Source::start();
    let soku = fetching_locally();
    let import = ["import", &source.url("/graphic.png")];

    let first = soku.run_words(&import).succeeds();
    let again = soku.run_words(&import).succeeds();

    assert_eq!(first, again);
    assert_eq!(source.asked(), ["/graphic.png"]);
    assert_eq!(soku.run("media list --json").json().as_array().unwrap().len(), 1);
}

#[test]
fn an_import_for_an_account_that_is_not_there_imports_nothing() {
    let soku = Soku::with_account();

    transcript!(soku.run("import http://127.0.0.1:9/x.png --account acne"), @r"
    exit 1
    --- stdout
    --- stderr
    error: there is no account `acne`; the nearest is `acme`
    ");
    transcript!(soku.run("import http://127.0.0.1:9/x.png"), @r"
    exit 1
    --- stdout
    --- stderr
    error: there is no account `default` whose files they would become: name one by --account; `soku account list` shows them
    ");
    transcript!(soku.run("import"), @r"
    exit 2
    --- stdout
    --- stderr
    error: the following required arguments were not provided:
      <URL>...

    Usage: soku import <URL>...

    For more information, try '--help'.
    ");
}

#[test]
fn a_file_is_shown_by_its_id_and_by_its_url() {
    let source = Source::start();
    let soku = fetching_locally();
    let url = soku.run_words(&["import", &source.url("/photo.jpg?signature=hunter2")]).json()["url"]
        .as_str()
        .unwrap()
        .to_owned();

    let by_url = soku.run_words(&["media", "show", &url]);
    let by_id = soku.run_words(&["media", "show", &id_of(&url)]);

    assert_eq!(by_url.stdout, by_id.stdout);
    transcript!(by_url, @r"
    exit 0
    --- stdout
    id         [MEDIA]
    url        http://127.0.0.1:[PORT]/media/[MEDIA]/photo.jpg
    account    default
    name       photo.jpg
    type       image/jpeg
    delivered  inline
    bytes      2028
    sha256     [DIGEST]
    source     http://127.0.0.1:[PORT]/photo.jpg
    created    [MOMENT]
    --- stderr
    ");
    let json = soku.run_words(&["media", "show", &url, "--json"]).json();
    assert_eq!((&json["url"], &json["contentType"]), (&url.into(), &"image/jpeg".into()));
}

#[test]
fn a_deleted_file_is_gone_with_its_bytes() {
    let source = Source::start();
    let soku = fetching_locally();
    let url = soku.run_words(&["import", &source.url("/graphic.png")]).json()["url"].as_str().unwrap().to_owned();
    let object = soku.path().join("soku-data/media").join(&id_of(&url)[..2]).join(id_of(&url));
    assert!(object.exists());

    transcript!(soku.run_words(&["media", "delete", &url]), @r"
    exit 0
    --- stdout
    --- stderr
    deleted the media entry [MEDIA]
    ");
    transcript!(soku.run_words(&["media", "delete", &url]), @r"
    exit 1
    --- stdout
    --- stderr
    error: there is no media entry [MEDIA]: `soku media list` shows those that there are
    ");
    transcript!(soku.run("media show nonsense"), @r"
    exit 2
    --- stdout
    --- stderr
    error: invalid value 'nonsense' for '<ID>': the id of a media entry is 32 hex digits: `soku media list` shows it

    For more information, try '--help'.
    ");

    assert!(!object.exists());
    assert_eq!(soku.run("media list --json").json(), serde_json::json!([]));
    // The key that made it is forgotten too: the same URL is fetched anew.
    assert_ne!(soku.run_words(&["import", &source.url("/graphic.png")]).json()["url"], url);
}

#[test]
fn a_sweep_clears_what_a_killed_process_left() {
    let source = Source::start();
    let soku = fetching_locally();
    soku.run("account create default").succeeds();
    let import = soku.start(&format!("import {}", source.url("/slow.mp4")));
    source.until_asked(1);
    transcript!(soku.run("sweep"), @r"
    exit 0
    --- stdout
    --- stderr
    there was nothing to sweep
    ");

    import.signal(Signal::KILL);
    drop(import);

    let swept = soku.run("sweep --json").json();
    assert_eq!((&swept["processes"], &swept["claims"], &swept["left"]), (&1.into(), &1.into(), &0.into()), "{swept}");
    let spool: Vec<_> = std::fs::read_dir(soku.path().join("soku-data/spool")).unwrap().collect();
    assert!(spool.is_empty(), "{spool:?}");
}
