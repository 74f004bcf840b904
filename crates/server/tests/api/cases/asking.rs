//! How the source is asked: the URL as it was written, the headers, the redirects.

use soku_testkit::{Answer as Source, Origin, samples};

use super::{Case, assert_same};

fn png() -> Source {
    Source::ok("image/png", samples::PNG.bytes)
}

/// discourse/discourse#8818
#[tokio::test]
async fn case_01_a_signed_query_goes_out_byte_for_byte() {
    let case = Case::new().await;
    let target = "/k.png?X-Amz-Security-Token=IQo%2Bab%2Fcd%3D%3D&X-Amz-Signature=9f&x=a+b";
    case.app
        .origin
        .answer_all_with(move |request, _| if request.target == target { png() } else { Source::status(403) });

    let (hosted, name) = case.taken(target).await;

    assert_same(&hosted, samples::PNG);
    assert_eq!(name, "k.png");
    assert_eq!(case.app.origin.targets(), [target]);
}

/// directus/directus#14848
#[tokio::test]
async fn case_02_raw_letters_in_the_path_are_encoded_as_utf8() {
    let case = Case::new().await;
    case.app.origin.answer_all_with(|_, _| png());

    let (hosted, name) = case.taken("/2017/02/Saúde.png").await;

    assert_same(&hosted, samples::PNG);
    assert_eq!(case.app.origin.targets(), ["/2017/02/Sa%C3%BAde.png"]);
    assert_eq!(name, "Sa%C3%BAde.png");
}

/// crawler-commons/crawler-commons#263
#[tokio::test]
async fn case_03_a_per_cent_sign_that_starts_no_escape_is_legal() {
    let case = Case::new().await;
    case.app.origin.answer_all_with(|_, _| png());

    let (hosted, name) = case.taken("/music/90%+of.png").await;

    assert_same(&hosted, samples::PNG);
    assert_eq!(case.app.origin.targets(), ["/music/90%+of.png"]);
    assert_eq!(name, "90%25%2Bof.png");
}

/// dotnet/corefx#32378
#[tokio::test]
async fn case_04_a_fragment_is_neither_sent_nor_part_of_the_name() {
    let case = Case::new().await;
    case.app.origin.serve("/clip.mp4", Source::ok("video/mp4", samples::MP4.bytes));

    let (hosted, name) = case.taken("/clip.mp4#t=10,20").await;

    assert_same(&hosted, samples::MP4);
    assert_eq!(case.app.origin.targets(), ["/clip.mp4"]);
    assert_eq!(name, "clip.mp4");
}

/// MediaArea/MediaInfoLib#221
#[tokio::test]
async fn case_05_no_header_of_ours_spoils_a_signed_request() {
    let case = Case::new().await;
    case.app.origin.answer_all_with(|request, _| {
        let forbidden = ["authorization", "referer", "origin", "cookie"];
        if forbidden.iter().any(|name| request.header(name).is_some()) { Source::status(400) } else { png() }
    });

    assert_same(&case.taken("/a.png").await.0, samples::PNG);
}

/// wp-property/wp-property#150
#[tokio::test]
async fn case_06_a_password_in_the_url_is_refused_and_not_repeated() {
    let case = Case::new().await;
    let port = case.app.origin.port();
    let with_password = format!("http://user:p%40ss@127.0.0.1:{port}/private.png");
    case.app.origin.serve("/hop", Source::redirect(302, &with_password));

    let direct = case.app.import(&case.key, &with_password).await;
    let redirected = case.app.import_path(&case.key, "/hop").await;

    for answer in [direct, redirected] {
        let error = answer.refused(400, "validation_error", "credentials_in_url");
        assert!(!error.to_string().contains("p%40ss") && !error.to_string().contains("p@ss"));
        assert!(error["message"].as_str().expect("a message").contains("signed URL"));
    }
    assert_eq!(case.app.origin.targets(), ["/hop"]);
}

/// sqdshguy/wreq-js#218
#[tokio::test]
async fn case_07_raw_utf8_in_a_location_is_encoded_and_followed() {
    let case = Case::new().await;
    case.app.origin.serve("/start", Source::redirect(302, "/café.png"));
    case.app.origin.serve("/caf%C3%A9.png", png());

    assert_same(&case.taken("/start").await.0, samples::PNG);
}

/// ning/async-http-client#13
#[tokio::test]
async fn case_08_a_relative_location_is_resolved_against_the_url_that_redirected() {
    let case = Case::new().await;
    let origin = &case.app.origin;
    let other_host = format!("//127.0.0.1:{}/c.png#part", origin.port());
    let hops = [
        ("/a/b", "moved/here.png", "/a/moved/here.png"),
        ("/x/y/z", "../here.png", "/x/here.png"),
        ("/p/q", "/root.png", "/root.png"),
        ("/r/s", "?k=v", "/r/s?k=v"),
        ("/t", other_host.as_str(), "/c.png"),
    ];
    for (from, location, to) in hops {
        origin.serve(from, Source::redirect(301, location));
        origin.serve(to, png());

        assert_same(&case.taken(from).await.0, samples::PNG);
        assert_eq!(origin.targets().last().map(String::as_str), Some(to));
    }
}

/// gaowanliang/OneDriveShareLinkPushAria2#24
#[tokio::test]
async fn case_09_cookies_live_within_one_chain() {
    let case = Case::new().await;
    let origin = &case.app.origin;
    let hop = Source::redirect(302, "/stream").header("Set-Cookie", "FedAuth=1; path=/");
    origin.serve("/share", hop.clone());
    origin.serve("/share?again", hop);
    origin.answer_with("/stream", |request, _| match request.header("cookie") {
        Some("FedAuth=1") => png(),
        _ => Source::redirect(302, "/login"),
    });
    origin.serve("/login", Source::ok("text/html", samples::HTML.bytes));

    assert_same(&case.taken("/share").await.0, samples::PNG);
    case.app.import_path(&case.key, "/stream").await.refused(400, "validation_error", "not_media");
    assert!(
        origin.requests().iter().filter(|request| request.target == "/share").all(|r| r.header("cookie").is_none())
    );
}

/// langflow-ai/openrag#702
#[tokio::test]
async fn case_10_a_redirect_to_another_host_keeps_the_asked_name() {
    let case = Case::with(&[("SOKU_FETCH_ALLOW_NETWORKS", "127.0.0.0/24")]).await;
    let storage = Origin::start_on([127, 0, 0, 3]).await;
    storage.serve("/bucket/0af3", png());
    storage.serve("/bucket/named", png().header("Content-Disposition", "attachment; filename=\"given.png\""));
    for code in [301, 302, 303, 307, 308] {
        let path = format!("/nice-{code}.png");
        case.app.origin.serve(&path, Source::redirect(code, storage.url("/bucket/0af3")));
        let (hosted, name) = case.taken(&path).await;
        assert_same(&hosted, samples::PNG);
        assert_eq!(name, format!("nice-{code}.png"));
    }
    case.app.origin.serve("/nice.png", Source::redirect(302, storage.url("/bucket/named")));
    assert_eq!(case.taken("/nice.png").await.1, "given.png");
    assert!(storage.requests().iter().all(|request| request.method == "GET"));
}

/// openzim/sotoki#252
#[tokio::test]
async fn case_25_the_user_agent_names_product_version_and_contact() {
    let case = Case::with(&[("SOKU_PUBLIC_URL", "https://media.example.org")]).await;
    case.app.origin.answer_all_with(|request, _| {
        let agent = request.header("user-agent").unwrap_or_default();
        let wanted = concat!("soku/", env!("CARGO_PKG_VERSION"), " (+https://media.example.org)");
        if agent == wanted { png() } else { Source::status(403) }
    });
    let made = case.app.import_path(&case.key, "/a.png").await;
    assert_eq!(made.status, 201);

    let named = Case::with(&[("SOKU_FETCH_CONTACT", "mailto:ops@example.org")]).await;
    named.app.origin.answer_all_with(|request, _| match request.header("user-agent") {
        Some(agent) if agent.ends_with(" (+mailto:ops@example.org)") => png(),
        _ => Source::status(403),
    });
    assert_eq!(named.app.import_path(&named.key, "/a.png").await.status, 201);
}

/// xibosignage/xibo#2736
#[tokio::test]
async fn case_26_one_get_does_everything() {
    let case = Case::new().await;
    case.app.origin.answer_all_with(|request, _| if request.method == "GET" { png() } else { Source::status(405) });

    assert_same(&case.taken("/a.png").await.0, samples::PNG);
    assert_eq!(case.app.origin.requests().len(), 1);
}

/// kensanata/mastodon-archive#109
#[tokio::test]
async fn case_27_a_busy_source_is_asked_again_when_it_says() {
    let case = Case::new().await;
    let origin = &case.app.origin;
    origin.serve_in_turn("/soon.png", [Source::status(429).header("Retry-After", "1"), png()]);
    origin.serve("/late.png", Source::status(429).header("Retry-After", "3600"));
    for final_status in [400, 401, 403, 404, 410] {
        origin.serve(&format!("/{final_status}"), Source::status(final_status));
    }

    assert_same(&case.taken("/soon.png").await.0, samples::PNG);
    let late = case.app.import_path(&case.key, "/late.png").await;
    let error = late.refused(500, "internal_error", "source_status");
    assert_eq!((&error["details"]["sourceStatus"], &error["details"]["retryAfter"]), (&429.into(), &3600.into()));
    assert_eq!(origin.targets().iter().filter(|target| *target == "/late.png").count(), 1);
    for final_status in [400, 401, 403, 404, 410] {
        let answer = case.app.import_path(&case.key, &format!("/{final_status}")).await;
        let error = answer.refused(500, "internal_error", "source_status");
        assert_eq!(error["details"]["sourceStatus"], final_status);
        assert_eq!(origin.targets().iter().filter(|t| **t == format!("/{final_status}")).count(), 1);
    }
}

/// winddriver/Delphi-Cross-Socket#201
#[tokio::test]
async fn case_28_a_source_that_closes_without_a_word_costs_nothing() {
    let case = Case::new().await;
    case.app.origin.answer_all_with(|_, _| png());

    for nth in 0..12 {
        assert_same(&case.taken(&format!("/{nth}.png")).await.0, samples::PNG);
    }
    assert_eq!(case.app.origin.connections(), 12);
}

/// JDimproved/JDim#746
#[tokio::test]
async fn case_29_nothing_invites_a_conversion() {
    let case = Case::new().await;
    case.app.origin.answer_all_with(|request, _| {
        if request.header("accept").is_some_and(|accept| accept.contains("webp")) {
            Source::ok("image/webp", samples::WEBP.bytes)
        } else {
            Source::ok("image/jpeg", samples::JPEG.bytes)
        }
    });

    let (hosted, name) = case.taken("/photo").await;

    assert_same(&hosted, samples::JPEG);
    assert_eq!(name, "photo.jpg");
}
