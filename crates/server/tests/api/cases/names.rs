//! The name at the end of the hosted URL.

use soku_testkit::samples::Sample;
use soku_testkit::{Answer as Source, samples};

use super::{Case, assert_same};

/// Serves `sample` at `path` with these header lines and gives the hosted name.
async fn name_of(path: &str, target: &str, headers: &[(&str, &[u8])], sample: Sample) -> String {
    let case = Case::new().await;
    let mut answer = Source::status(200).body(sample.bytes);
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    case.app.origin.serve(target, answer);
    let (hosted, name) = case.taken(path).await;
    assert_same(&hosted, sample);
    name
}

/// gitroomhq/postiz-app#1147
#[tokio::test]
async fn case_32_the_hosted_url_ends_in_a_fitting_extension() {
    assert_eq!(name_of("/d/3f9a", "/d/3f9a", &[("Content-Type", b"image/webp")], samples::WEBP).await, "3f9a.webp");
}

/// directus/directus#2110
#[tokio::test]
async fn case_33_the_query_is_not_part_of_the_name() {
    let path = "/photos/siena.jpg?k=6&e=wwl";
    assert_eq!(name_of(path, path, &[("Content-Type", b"image/jpeg")], samples::JPEG).await, "siena.jpg");
}

/// mozilla-mobile/android-components#11054
#[tokio::test]
async fn case_34_the_extended_file_name_wins_in_any_order() {
    let header: &[u8] = b"attachment;filename*=utf-8''Java8%2064%E4%BD%8D%2Epng;filename=\"Java8 64%E4%BD%8D.png\";";
    let name = name_of("/x", "/x", &[("content-disposition", header)], samples::PNG).await;
    assert_eq!(name, "Java8%2064%E4%BD%8D.png");
}

/// sjarvela/mollify#2
#[tokio::test]
async fn case_35_a_raw_utf8_file_name_is_read_as_utf8_else_latin1() {
    let utf8 = "attachment; filename=\"Документ.png\"".as_bytes();
    let name = name_of("/x", "/x", &[("Content-Disposition", utf8)], samples::PNG).await;
    assert_eq!(name, "%D0%94%D0%BE%D0%BA%D1%83%D0%BC%D0%B5%D0%BD%D1%82.png");

    let name =
        name_of("/x", "/x", &[("Content-Disposition", b"attachment; filename=\"caf\xe9.png\"")], samples::PNG).await;
    assert_eq!(name, "caf%C3%A9.png");
}

/// n8n-io/n8n#8583
#[tokio::test]
async fn case_36_name_from_the_path_and_type_from_the_bytes() {
    let path = "/commons/3/3b/N8n-logo.png";
    assert_eq!(name_of(path, path, &[], samples::PNG).await, "N8n-logo.png");
}

/// droppyjs/droppy#72
#[tokio::test]
async fn case_37_names_are_nfc_and_every_spelling_is_found() {
    let case = Case::new().await;
    case.app.origin.serve("/A%CC%88pfel.png", Source::ok("image/png", samples::PNG.bytes));

    let (hosted, name) = case.taken("/A%CC%88pfel.png").await;

    assert_same(&hosted, samples::PNG);
    assert_eq!(name, "%C3%84pfel.png");
    let made = case.app.import_path(&case.key, "/A%CC%88pfel.png").await.url();
    let id = made.rsplit('/').nth(1).expect("an id");
    for spelling in ["%c3%84pfel.png", "A%CC%88pfel.png", "%C3%84%70fel.png"] {
        assert_same(&case.app.get(&format!("/media/{id}/{spelling}")).await, samples::PNG);
    }
    let raw = format!("GET /media/{id}/Äpfel.png HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = case.app.raw(raw.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", answer[..100.min(answer.len())].escape_ascii());
}

/// spatie/laravel-medialibrary#120
#[tokio::test]
async fn case_38_everything_beyond_unreserved_is_encoded() {
    assert_eq!(name_of("/a%23b.png", "/a%23b.png", &[], samples::PNG).await, "a%23b.png");
}

/// gitroomhq/postiz-app#1584
#[tokio::test]
async fn case_39_the_hosted_url_has_no_delimiters() {
    let path = "/uc?export=view&id=1X";
    assert_eq!(name_of(path, path, &[], samples::PNG).await, "uc.png");
}

/// langgenius/dify#12608
#[tokio::test]
async fn case_40_extension_from_the_bytes_and_name_from_the_disposition() {
    let headers: [(&str, &[u8]); 2] = [
        ("Content-Type", b"application/octet-stream; charset=UTF-8"),
        ("Content-Disposition", b"attachment; filename=\"intro.mp4\""),
    ];
    assert_eq!(name_of("/x?y", "/x?y", &headers, samples::MP4).await, "intro.mp4");
}

/// python-telegram-bot/python-telegram-bot#2300
#[tokio::test]
async fn case_65_a_script_that_serves_a_video_gets_its_extension() {
    let path = "/getvideo?myid=1";
    assert_eq!(name_of(path, path, &[("Content-Type", b"video/mp4")], samples::MP4).await, "getvideo.mp4");
}
