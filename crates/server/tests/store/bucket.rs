//! What stands in a real bucket, seen by another client. Skipped where `SOKU_TEST_S3_ENDPOINT` names no server.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use http::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use soku_server::store::{ObjectKey, ObjectMeta, S3Settings};

use crate::bed::{Bed, bounded, bytes, s3_settings};

const MIB: usize = 1024 * 1024;

/// Another client of the same server.
fn client(settings: &S3Settings) -> AmazonS3 {
    let value = |wanted: &str| &settings.environment.iter().find(|(name, _)| name == wanted).unwrap().1;
    AmazonS3Builder::new()
        .with_endpoint(settings.endpoint.as_deref().unwrap())
        .with_allow_http(true)
        .with_bucket_name(&settings.bucket)
        .with_access_key_id(value("AWS_ACCESS_KEY_ID"))
        .with_secret_access_key(value("AWS_SECRET_ACCESS_KEY"))
        .build()
        .unwrap()
}

fn on_server() -> Option<(Bed, AmazonS3, Path)> {
    let Some(settings) = s3_settings() else {
        eprintln!("skipped: SOKU_TEST_S3_ENDPOINT names no server");
        return None;
    };
    let bed = Bed::on_bucket(&settings);
    Some((bed, client(&settings), settings.prefix))
}

#[tokio::test]
async fn objects_are_stored_with_their_disposition() {
    let Some((bed, client, prefix)) = on_server() else { return };
    let download = bed.download(b"<svg/>");
    let key = download.key("drawing.svg");
    let meta = ObjectMeta {
        content_type: "image/svg+xml".to_owned(),
        content_disposition: "attachment; filename=\"drawing.svg\"".to_owned(),
    };

    bounded(bed.store.keep(&download, &key, &meta)).await.unwrap().recorded();

    let path = format!("{prefix}/media/{}/drawing.svg", download.id);
    let url = client.signed_url(Method::GET, &Path::parse(path).unwrap(), Duration::from_secs(60)).await.unwrap();
    let answer = bounded(reqwest::ClientBuilder::new().build().unwrap().get(url).send()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "image/svg+xml");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"drawing.svg\"");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
}

#[tokio::test]
async fn the_key_is_the_path_of_the_hosted_url() {
    let Some((bed, client, prefix)) = on_server() else { return };
    for name in ["Ünïcode 写真.jpg", "90%+of ~'(x)'.png", "%41.png", "a&b=c;d.mp3", "emoji 👩‍👩‍👧.webp"]
    {
        let download = bed.download(name.as_bytes());
        let key = download.key(name);

        bounded(bed.store.keep(&download, &key, &crate::bed::meta())).await.unwrap().recorded();

        let folder = Path::parse(format!("{prefix}/media/{}", download.id)).unwrap();
        let found: Vec<_> = bounded(client.list(Some(&folder)).try_collect()).await.unwrap();
        let keys: Vec<&str> = found.iter().map(|object: &object_store::ObjectMeta| object.location.as_ref()).collect();
        assert_eq!(keys, [format!("{folder}/{name}")]);
        assert_eq!(bounded(bed.read(&key, name.len() as u64)).await.unwrap(), name);
        assert!(bounded(bed.store.delete_all_of(&download.id)).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_goes_in_parts_and_leaves_no_upload_behind() {
    let Some((bed, client, prefix)) = on_server() else { return };
    let content = bytes(21 * MIB + 12_345);
    let download = bed.download(&content);
    let key = download.key("film.mp4");

    bounded(bed.store.keep(&download, &key, &crate::bed::meta())).await.unwrap().recorded();

    let path = Path::parse(format!("{prefix}/media/{}/film.mp4", download.id)).unwrap();
    let found = bounded(client.head(&path)).await.unwrap();
    assert_eq!(found.size, content.len() as u64);
    assert!(found.e_tag.unwrap().contains("-3"), "three parts");
    assert!(bounded(bed.read(&key, content.len() as u64)).await.unwrap() == content);
    assert_eq!(bed.traces(), [download.id.to_string()].into());
}

#[tokio::test]
async fn a_store_without_a_prefix_keeps_at_the_root_of_the_bucket() {
    let Some(mut settings) = s3_settings() else { return eprintln!("skipped: SOKU_TEST_S3_ENDPOINT names no server") };
    settings.prefix = Path::default();
    let bed = Bed::on_bucket(&settings);

    let key = bounded(bed.keep(b"bytes")).await;

    let path = Path::parse(format!("media/{}/clip.mp4", key.id())).unwrap();
    assert_eq!(bounded(client(&settings).head(&path)).await.unwrap().size, 5);
    assert!(bounded(bed.store.delete_all_of(key.id())).await.unwrap());
    bounded(bed.store.ping()).await.unwrap();
}

#[tokio::test]
async fn a_name_that_makes_no_key_is_refused_before_anything_is_sent() {
    let Some((bed, _, _)) = on_server() else { return };
    let download = bed.download(b"bytes");
    let key = ObjectKey::new(download.id.clone(), "../a.png");

    assert!(bounded(bed.store.keep(&download, &key, &crate::bed::meta())).await.is_err());
}

#[tokio::test]
async fn wrong_credentials_and_a_missing_bucket_fail_the_ping() {
    let Some(settings) = s3_settings() else { return eprintln!("skipped: SOKU_TEST_S3_ENDPOINT names no server") };
    let mut stranger = settings.clone();
    stranger.environment.retain(|(name, _)| name != "AWS_SECRET_ACCESS_KEY");
    stranger.environment.push(("AWS_SECRET_ACCESS_KEY".to_owned(), "not-the-secret".to_owned()));
    let mut nowhere = settings;
    nowhere.bucket = "no-such-bucket".to_owned();

    for settings in [stranger, nowhere] {
        let bed = Bed::on_bucket(&settings);

        let error = bounded(bed.store.ping()).await.unwrap_err();

        let chain = soku_server::telemetry::Causes(&error).to_string();
        assert!(!chain.contains("not-the-secret") && !chain.contains("soku-test-secret"), "{chain}");
    }
}
