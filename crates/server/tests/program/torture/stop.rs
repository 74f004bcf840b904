//! SIGTERM under load: what was accepted is kept, the end comes in time, and a second signal ends at once.

use std::time::{Duration, Instant};

use soku_testkit::{Answer, Origin, samples};

use super::load::{Fate, Load, Work};
use super::random::Random;
use super::{rounds, verdict};
use crate::program::{Place, Program};

/// A source that sends the beginning of a film and then nothing more.
async fn endless_film() -> Origin {
    let origin = Origin::start().await;
    let mut film = samples::MP4.bytes.to_vec();
    film.resize(2_000_000, 0);
    origin.serve("/film.mp4", Answer::ok("video/mp4", film).cut_after(1_000_000).then_stall());
    origin
}

/// Asks for the film; gives the status and the reason, where an answer comes.
fn wait_for_film(program: &Program, origin: &Origin) -> tokio::task::JoinHandle<Option<(u16, String)>> {
    let (base, key, url) = (program.base.clone(), program.key.clone(), origin.url("/film.mp4"));
    tokio::spawn(async move {
        let request = crate::program::client().post(format!("{base}/v1/media")).header("soku-api-key", key);
        let request = request.header("Content-Type", "application/json").body(format!("{{\"url\": \"{url}\"}}"));
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        Some((status, body["error"]["details"]["reason"].as_str().unwrap_or_default().to_owned()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_loses_nothing_and_ends_within_its_grace() {
    let mut random = Random::seeded();
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false").with("SOKU_HTTP_STOP_GRACE", "1s");
    let (work, origin) = (Work::start().await, endless_film().await);
    for nth in 0..rounds("SOKU_TORTURE_STOPS", 2) {
        let program = place.start();
        let film = wait_for_film(&program, &origin);
        origin.until(|seen| seen.requests > nth).await;
        let load = Load::start(&work, &place, &program, &mut random);
        tokio::time::sleep(random.up_to(Duration::from_millis(600))).await;

        let asked = Instant::now();
        program.ask_to_end();
        let code = tokio::task::spawn_blocking(|| program.ended()).await.expect("no panic");
        let took = asked.elapsed();
        load.end().await;

        assert_eq!(code, Some(0), "stop {nth}");
        assert!(took < Duration::from_secs(8), "stop {nth} took {took:?}");
        assert_eq!(film.await.expect("no panic"), Some((500, "interrupted".to_owned())), "stop {nth}");
        // What ran was answered, one way or the other; the start has nothing to clear.
        assert!(place.stored_files().iter().all(|file| file.starts_with(place.data().join("media"))));
        let program = place.start();
        verdict::tidy(&place, &work).unwrap_or_else(|words| panic!("stop {nth}: {words}"));
        verdict::judge(&place, &program, &work, &[]).await.unwrap_or_else(|words| panic!("stop {nth}: {words}"));
        let stored = work.fates().values().filter(|fate| matches!(fate, Fate::Stored { .. })).count();
        eprintln!("stop {nth}: {took:?}, {stored} stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_and_the_next_start_clears_up() {
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false").with("SOKU_HTTP_STOP_GRACE", "1h");
    let (work, origin) = (Work::start().await, endless_film().await);
    let program = place.start();
    let film = wait_for_film(&program, &origin);
    origin.until(|seen| seen.requests > 0).await;
    let load = Load::start(&work, &place, &program, &mut Random::seeded());
    tokio::time::sleep(Duration::from_millis(300)).await;

    program.ask_to_end();
    program.logged(|line| line["message"].as_str()?.contains("a second signal ends at once").then_some(()));
    let asked = Instant::now();
    program.ask_to_end();
    let code = tokio::task::spawn_blocking(|| program.ended()).await.expect("no panic");
    let took = asked.elapsed();
    load.end().await;

    assert_eq!((code, film.await.expect("no panic")), (Some(1), None));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let program = place.start();
    verdict::judge(&place, &program, &work, &[]).await.unwrap_or_else(|words| panic!("{words}"));
}
