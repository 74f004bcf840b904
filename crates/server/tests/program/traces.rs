//! What a collector of traces is told, and what its troubles do to the server: nothing.

mod collector;

use std::time::{Duration, Instant};

use http::StatusCode;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use soku_testkit::{Answer, Origin, samples};

use crate::program::{Place, Program, client, eventually};
use collector::{Collector, Mood, attribute, tree};

const SHOWN: [&str; 6] =
    ["http.response.status_code", "error.type", "soku.try.number", "soku.try.from_byte", "server.address", "url.path"];

fn place(collector: &Collector) -> Place {
    Place::new().with("SOKU_TRACES_ENDPOINT", &collector.url)
}

/// The spans of requests that the collector knows, once the program has ended: all that it ever sends.
fn requests(collector: &Collector, name: &str) -> Vec<Span> {
    let mut requests: Vec<Span> = collector.spans().into_values().filter(|span| span.name == name).collect();
    requests.sort_by_key(|span| span.start_time_unix_nano);
    requests
}

fn warnings(program: &Program, words: &str) -> usize {
    program.log().lines().filter(|line| line.contains("\"WARN\"") && line.contains(words)).count()
}

/// A request whose head says these things beside.
async fn ask(program: &Program, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let request = client().get(format!("{}{path}", program.base));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_and_a_get_are_traced_with_their_steps_and_no_secret() {
    let (collector, origin) = (Collector::start(Mood::Takes).await, Origin::start().await);
    let place = place(&collector)
        .with("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20tellthecollector")
        .with("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        // Of what else the libraries would read nothing counts.
        .with("OTEL_TRACES_SAMPLER", "always_off")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    origin.serve("/hop?sig=tellnobody1", Answer::redirect(302, "/tellnobody2/a.png?sig=tellnobody3"));
    origin.serve("/tellnobody2/a.png?sig=tellnobody3", Answer::ok("image/png", samples::PNG.bytes));
    let program = place.start();

    let (_, stored) = program.import(&origin.url("/hop?sig=tellnobody1")).await;
    let url = stored["url"].as_str().expect("a url").to_owned();
    let path = url.strip_prefix(&program.base).expect("our own URL").to_owned();
    let got = ask(&program, &format!("{path}?tellnobody4"), &[("cookie", "tellnobody5")]).await;
    let id = got.headers()["x-request-id"].to_str().expect("text").to_owned();
    assert_eq!(got.bytes().await.expect("all of it").len(), samples::PNG.bytes.len());
    let (failed, _) = program.import(&origin.url("/missing.png?tellnobody6")).await;
    assert_eq!(failed, 500);
    let stored_under: Value = program.logged(|line| {
        line["message"].as_str().is_some_and(|text| text.starts_with("Stored")).then(|| line["span"].clone())
    });
    let key = program.key.clone();
    assert_eq!(program.terminate(), Some(0));

    let spans = collector.spans();
    let drawn = |span: &Span| tree(&spans, span, &SHOWN).replace(&path, "/media/ID/a.png");
    let posts = requests(&collector, "POST /v1/media");
    let gets = requests(&collector, "GET /media/{id}/{filename}");
    insta::assert_snapshot!(drawn(&posts[0]), @"
    POST /v1/media SPAN_KIND_SERVER http.response.status_code=201 url.path=/v1/media
      caller
      reading
      admission
      turn
      fetch
        try soku.try.number=1 soku.try.from_byte=0
          hop SPAN_KIND_CLIENT http.response.status_code=302 server.address=127.0.0.1
            connect
          hop SPAN_KIND_CLIENT http.response.status_code=200 server.address=127.0.0.1
            connect
          body
      type
      keep
        sync
        link
      record
    ");
    insta::assert_snapshot!(drawn(&gets[0]), @"
    GET /media/{id}/{filename} SPAN_KIND_SERVER http.response.status_code=200 url.path=/media/ID/a.png
      find
      open
      send
    ");
    insta::assert_snapshot!(drawn(&posts[1]), @"
    POST /v1/media SPAN_KIND_SERVER http.response.status_code=500 error.type=source_status url.path=/v1/media failed
      caller
      reading
      admission
      turn
      fetch error.type=source_status failed
        try soku.try.number=1 soku.try.from_byte=0 failed
          hop SPAN_KIND_CLIENT http.response.status_code=404 server.address=127.0.0.1 failed
            connect
    ");
    assert_eq!((posts.len(), gets.len()), (2, 1));
    assert_eq!(attribute(&gets[0].attributes, "request.id"), Some(id));
    assert_eq!(attribute(&gets[0].attributes, "http.route").as_deref(), Some("/media/{id}/{filename}"));
    assert_eq!(attribute(&posts[0].attributes, "http.request.method").as_deref(), Some("POST"));
    assert_eq!(stored_under["request.id"], json!(attribute(&posts[0].attributes, "request.id")), "{stored_under}");

    for told in collector.told() {
        assert_eq!(told.path, "/v1/traces");
        assert_eq!(told.headers["content-type"], "application/x-protobuf");
        assert_eq!(told.headers["authorization"], "Bearer tellthecollector");
        let text = String::from_utf8_lossy(&told.bytes);
        assert!(text.contains("service.name") && text.contains("deployment.environment.name"), "{text}");
        assert!(!text.contains("tellnobody") && !text.contains(&key) && !text.contains("127.0.0.1:"), "{text}");
    }
    let log = std::fs::read_to_string(place.folder().join("log-1")).expect("a log");
    assert!(!log.contains("tellthecollector") && !log.contains("\"hop\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_breaks_off_has_a_span_for_every_try() {
    let (collector, origin) = (Collector::start(Mood::Takes).await, Origin::start().await);
    let whole = |start| Answer::part("image/png", samples::PNG.bytes, start).header("ETag", "\"one\"");
    origin.serve_in_turn("/a.png", [Answer::status(503), whole(None).cut_after(50), whole(Some(50))]);
    let place = place(&collector);
    let program = place.start();

    assert_eq!(program.import(&origin.url("/a.png")).await.0, 201);
    assert_eq!(program.terminate(), Some(0));

    let spans = collector.spans();
    let fetch = spans.values().find(|span| span.name == "fetch").expect("a fetch");
    insta::assert_snapshot!(tree(&spans, fetch, &SHOWN), @"
    fetch
      try soku.try.number=1 soku.try.from_byte=0 failed
        hop SPAN_KIND_CLIENT http.response.status_code=503 server.address=127.0.0.1 failed
          connect
      try soku.try.number=2 soku.try.from_byte=0 failed
        hop SPAN_KIND_CLIENT http.response.status_code=200 server.address=127.0.0.1
          connect
        body
      try soku.try.number=3 soku.try.from_byte=50
        hop SPAN_KIND_CLIENT http.response.status_code=206 server.address=127.0.0.1
          connect
        body
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traceparent_counts_from_a_trusted_proxy_alone() {
    const TRACED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const UNTRACED: &str = "00-1bf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    // To a socket of both families a proxy on IPv4 comes as `::ffff:127.0.0.1`.
    for (is_trusted, listen) in [(false, "127.0.0.1:0"), (true, "127.0.0.1:0"), (true, "[::]:0")] {
        let collector = Collector::start(Mood::Takes).await;
        let place = place(&collector).with("SOKU_LISTEN", listen);
        let place = if is_trusted { place.with("SOKU_TRUSTED_PROXIES", "127.0.0.1/32") } else { place };
        let mut program = place.start();
        let port = program.base.rsplit(':').next().expect("a port");
        program.base = format!("http://127.0.0.1:{port}");

        for path in ["/healthz", "/readyz"] {
            let traceparent = if path == "/healthz" { TRACED } else { UNTRACED };
            ask(&program, path, &[("traceparent", traceparent), ("tracestate", "a=b")]).await;
        }
        ask(&program, "/robots.txt", &[("traceparent", TRACED), ("traceparent", TRACED)]).await;
        ask(&program, "/openapi.json", &[("traceparent", "00-nonsense")]).await;
        assert_eq!(program.terminate(), Some(0));

        let parent = |name: &str| {
            let found = requests(&collector, name);
            found.first().map(|span| (hex::encode(&span.trace_id), hex::encode(&span.parent_span_id)))
        };
        let theirs = ("0af7651916cd43dd8448eb211c80319c".to_owned(), "b7ad6b7169203331".to_owned());
        assert_eq!(parent("GET /healthz").is_some_and(|parent| parent == theirs), is_trusted, "{listen}");
        assert_eq!(parent("GET /readyz").is_none(), is_trusted);
        for own in ["GET /robots.txt", "GET /openapi.json"] {
            let (trace, parent) = parent(own).expect(own);
            assert!(!trace.contains("7651916cd43dd8448eb211c80319c") && parent.is_empty(), "{own}: {trace} {parent}");
        }
        assert!(collector.spans().values().all(|span| span.trace_state.is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_hangs_delays_nothing() {
    let origin = Origin::start().await;
    origin.serve("/a.png", Answer::ok("image/png", samples::PNG.bytes));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let hanging = Collector::start(Mood::Hangs).await;
    for endpoint in [format!("http://{nobody}"), hanging.url.clone()] {
        let place = Place::new().with("SOKU_TRACES_ENDPOINT", &endpoint);
        let program = place.start();

        let begun = Instant::now();
        assert_eq!(program.import(&origin.url("/a.png")).await.0, 201);
        if endpoint == hanging.url {
            eventually(|| (!hanging.told().is_empty()).then_some(()));
        } else {
            program.logged(|line| line["message"].as_str()?.contains("does not take them").then_some(()));
        }
        assert_eq!(program.import(&origin.url("/a.png")).await.0, 201);
        // The patience with the collector is 10 s, a minute's wait is none.
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

        let begun = Instant::now();
        assert_eq!(program.terminate(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        let log = std::fs::read_to_string(place.folder().join("log-1")).expect("a log");
        assert!(log.contains("did not take the last "), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_beyond_the_queue_are_lost_with_one_warning() {
    let collector = Collector::start(Mood::Says(StatusCode::SERVICE_UNAVAILABLE)).await;
    let place = place(&collector);
    let program = place.start();
    program.get(&format!("{}/healthz", program.base)).await;
    program.logged(|line| line["message"].as_str()?.contains("it answered 503").then_some(()));

    // Each is one span: more than wait, with those under way.
    let client = client();
    for _ in 0..3_000 {
        let answer = client.get(format!("{}/healthz", program.base)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }
    program.logged(|line| line["message"].as_str()?.starts_with("Spans are lost").then_some(()));
    collector.feel(Mood::Takes);
    let taken = program.logged(|line| {
        let message = line["message"].as_str()?;
        message.starts_with("The collector of traces takes them again").then(|| message.to_owned())
    });

    assert!(!taken.contains("; 0 spans"), "{taken}");
    assert_eq!((warnings(&program, "does not take them"), warnings(&program, "Spans are lost")), (1, 1));
    assert_eq!(program.terminate(), Some(0));
    assert!((2_048..3_000).contains(&collector.spans().len()), "{}", collector.spans().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_collector_refuses_is_not_sent_again_nor_elsewhere() {
    for (mood, words) in [
        (Mood::Says(StatusCode::UNAUTHORIZED), "it answered 401"),
        (Mood::Redirects, "it answered 307"),
        (Mood::Rejects(1), "Spans are lost"),
    ] {
        let collector = Collector::start(mood).await;
        let place = place(&collector);
        let program = place.start();

        program.get(&format!("{}/healthz", program.base)).await;
        program.logged(|line| line["message"].as_str()?.contains(words).then_some(()));
        program.get(&format!("{}/readyz", program.base)).await;
        assert_eq!(program.terminate(), Some(0));

        let told = collector.told();
        assert_eq!(told.iter().map(|told| told.path.as_str()).collect::<Vec<_>>(), ["/v1/traces"; 2], "{mood:?}");
        assert_ne!(told[0].bytes, told[1].bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ratio_of_nothing_traces_nothing() {
    let collector = Collector::start(Mood::Takes).await;
    let place = place(&collector).with("SOKU_TRACES_RATIO", "0");
    let program = place.start();

    program.get(&format!("{}/healthz", program.base)).await;
    assert_eq!(program.terminate(), Some(0));

    assert!(collector.told().is_empty());
}
