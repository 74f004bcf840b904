//! The examples of the user's document as scripts, unchanged but for host, key and source.

use std::process::Command;

use serde_json::Value;
use soku_testkit::{Answer, Origin, samples};

use crate::program::{Place, Program};

/// Runs a script of the document with the three things replaced; gives what it printed.
fn run(script: &str, program: &Program, origin: &Origin) -> Value {
    let script = script
        .replace("https://api.mysoku.io", &program.base)
        .replace("sk_live_your_api_key_here", &program.key)
        .replace("https://example.com", origin.url("").trim_end_matches('/'));
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().expect("bash starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stdout)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_uploaded_as_the_document_says() {
    let (place, origin) = (Place::new(), Origin::start().await);
    origin.serve("/videos/product-demo.mp4", Answer::ok("video/mp4", samples::MP4.bytes));
    let program = place.start();

    let answer = run(include_str!("seed/upload-a-video.sh"), &program, &origin);

    let url = answer["url"].as_str().expect("a url");
    assert!(url.starts_with(&format!("{}/media/", program.base)) && url.ends_with("/product-demo.mp4"), "{url}");
    assert_eq!(program.get(url).await, (200, samples::MP4.bytes.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_uploaded_as_the_document_says() {
    let (place, origin) = (Place::new(), Origin::start().await);
    origin.serve("/images/banner.png", Answer::ok("image/png", samples::PNG.bytes));
    let program = place.start();

    let answer = run(include_str!("seed/upload-an-image.sh"), &program, &origin);

    let url = answer["url"].as_str().expect("a url");
    assert!(url.ends_with("/banner.png"), "{url}");
    assert_eq!(program.get(url).await, (200, samples::PNG.bytes.to_vec()));
}

/// The second step is an API that this server does not have yet: it must say so in the envelope, after the first step
/// gave a URL.
#[tokio::test(flavor = "multi_thread")]
async fn the_upload_and_publish_script_runs_up_to_the_step_that_is_not_here_yet() {
    let (place, origin) = (Place::new(), Origin::start().await);
    origin.serve("/videos/demo.mp4", Answer::ok("video/mp4", samples::MP4.bytes));
    let program = place.start();

    let answer = run(include_str!("seed/upload-and-then-publish.sh"), &program, &origin);

    assert_eq!(answer["error"]["code"], "not_found");
    assert_eq!(answer["error"]["message"], "This server has no Posts API yet.");
    assert_eq!(origin.targets(), ["/videos/demo.mp4"]);
    assert_eq!(place.stored_files().len(), 1);
}
