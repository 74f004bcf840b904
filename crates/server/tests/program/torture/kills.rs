//! `kill -9` at random moments under load: of the server while it starts and while it works, and of the command line.

use std::process::Command;
use std::time::Duration;

use super::load::{Fate, Load, Work};
use super::random::Random;
use super::{rounds, verdict};
use crate::program::Place;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_moment_a_kill_comes_at_nothing_answered_is_lost_and_nothing_half_stays() {
    let mut random = Random::seeded();
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
    let work = Work::start().await;
    let mut judged: Vec<String> = Vec::new();
    let kills = rounds("SOKU_TORTURE_KILLS", 4);
    for nth in 0..kills {
        if nth % 3 == 1 {
            let mut starting = place.spawn(Command::new(env!("CARGO_BIN_EXE_soku")));
            tokio::time::sleep(random.up_to(Duration::from_millis(300))).await;
            starting.kill().expect("it can be killed");
            starting.wait().expect("it ends");
        }
        let program = place.start();
        let load = Load::start(&work, &place, &program, &mut random);
        tokio::time::sleep(random.up_to(Duration::from_millis(600))).await;
        program.kill();
        load.end().await;

        let program = place.start();
        let new: Vec<String> = work.fates().into_keys().filter(|target| !judged.contains(target)).collect();
        if !new.is_empty() {
            let fates = work.fates();
            let stored = new.iter().filter(|target| matches!(fates[*target], Fate::Stored { .. })).count();
            eprintln!("kill {nth}: {} asked, {stored} answered", new.len());
            verdict::judge(&place, &program, &work, &new).await.unwrap_or_else(|words| panic!("kill {nth}: {words}"));
        }
        judged.extend(new);
        assert_eq!(program.terminate(), Some(0));
    }

    let program = place.start();
    verdict::judge(&place, &program, &work, &[]).await.unwrap_or_else(|words| panic!("at the end: {words}"));
}
