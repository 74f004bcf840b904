//! Pages instead of files.

use soku_testkit::{Answer as Source, samples};

use super::Case;

/// Bionus/imgbrd-grabber#1079, fsantini/KoboCloud#160, riverar/ExtensionsForOneDrive#3
#[tokio::test]
async fn case_56_57_58_a_page_is_refused_with_the_sentence_that_helps() {
    let warning =
        "<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body></body></html>";
    for (path, header, body) in [
        ("/x.jpg", "image/jpeg", samples::HTML.bytes.to_vec()),
        ("/uc?id=1", "text/html", warning.into()),
        ("/redir?resid=1", "text/html; charset=utf-8", samples::HTML.bytes.to_vec()),
    ] {
        let case = Case::new().await;
        case.app.origin.serve(path, Source::ok(header, body));

        let error = case.refused(path, 400, "validation_error", "not_media").await;

        assert_eq!(error["details"]["detectedType"], "text/html");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains("web page") && message.contains("direct link"), "{message}");
    }
}

#[tokio::test]
async fn what_is_not_media_is_named_and_leaves_nothing() {
    for sample in samples::NOT_MEDIA {
        for header in ["image/png", "video/mp4", "application/octet-stream"] {
            let case = Case::new().await;
            case.app.origin.serve("/x", Source::ok(header, sample.bytes));

            let error = case.refused("/x", 400, "validation_error", "not_media").await;

            assert_eq!(error["details"]["detectedType"], sample.mime, "{sample:?} as {header}");
        }
    }
}
