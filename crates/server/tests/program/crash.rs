//! Killed at the worst moment: what was answered is there, what was not leaves nothing, and no key is stuck.

use std::process::Command;
use std::sync::Arc;

use soku_testkit::{Answer, Origin, samples};

use crate::program::{Place, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_outlives_a_kill() {
    let (place, origin) = (Place::new(), Origin::start().await);
    origin.answer_all_with(|_, _| Answer::ok("image/png", samples::PNG.bytes));
    let program = place.start();
    let mut paths = Vec::new();
    for nth in 0..10 {
        let (status, body) = program.import(&origin.url(&format!("/{nth}.png"))).await;
        assert_eq!(status, 201);
        paths.push(body["url"].as_str().expect("a url").replace(&program.base, ""));
    }
    program.kill();

    let program = place.start();

    for path in paths {
        assert_eq!(program.get(&format!("{}{path}", program.base)).await, (200, samples::PNG.bytes.to_vec()));
    }
    assert_eq!(place.stored_files().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_leaves_nothing_and_frees_the_key() {
    let (place, origin) = (Place::new(), Arc::new(Origin::start().await));
    let mut film = samples::MP4.bytes.to_vec();
    film.resize(4_000_000, 0);
    let whole = Answer::ok("video/mp4", film.clone());
    origin.serve_in_turn("/film.mp4", [whole.clone().cut_after(2_000_000).then_stall(), whole]);
    let program = place.start();
    let url = origin.url("/film.mp4");
    let asking = {
        let (base, key, url) = (program.base.clone(), program.key.clone(), url.clone());
        tokio::spawn(async move {
            let request = crate::program::client().post(format!("{base}/v1/media")).header("soku-api-key", key);
            let body = format!("{{\"url\": \"{url}\"}}");
            request.header("Content-Type", "application/json").body(body).send().await.is_err()
        })
    };
    eventually(|| {
        place.stored_files().iter().any(|file| file.metadata().is_ok_and(|m| m.len() > 1_000_000)).then_some(())
    });
    program.kill();
    assert!(asking.await.expect("no panic"), "nothing was answered");
    assert_eq!(place.stored_files().len(), 1, "the partial file is still there");

    let program = place.start();

    assert!(place.stored_files().is_empty(), "the start cleared {:?}", place.stored_files());
    let (status, body) = program.import(&url).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(program.get(body["url"].as_str().expect("a url")).await, (200, film));
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_clears_by_hand_what_a_kill_left() {
    let (place, origin) = (Place::new(), Origin::start().await);
    origin.answer_all_with(|_, _| Answer::ok("image/png", samples::PNG.bytes));
    let program = place.start();
    assert_eq!(program.import(&origin.url("/a.png")).await.0, 201);
    program.kill();
    let room =
        std::fs::read_dir(place.data().join("spool")).expect("a folder").flatten().next().expect("a room").path();
    // As a kill between the object and its row leaves it: the object, and its name in the dead process's room.
    let id = "00112233445566778899aabbccddeeff";
    std::fs::write(room.join(id), "half a file").expect("written");
    let shard = place.data().join("media/00");
    std::fs::create_dir_all(&shard).expect("made");
    std::fs::write(shard.join(id), "half a file").expect("written");

    let sweep = Command::new(env!("CARGO_BIN_EXE_soku"))
        .arg("sweep")
        .env("SOKU_DATA_DIR", place.data())
        .output()
        .expect("the program starts");

    assert!(sweep.status.success(), "{}", String::from_utf8_lossy(&sweep.stderr));
    let left = place.stored_files();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(!left[0].ends_with(id));
}
