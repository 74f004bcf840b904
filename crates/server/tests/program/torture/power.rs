//! Power loss, as far as a machine can show it: a recorded run, cut at many places, started again on what was durable.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use super::disk::{Disk, Survivors};
use super::load::{Fate, Work};
use super::random::Random;
use super::syscalls::{CALLS, Call, Recording};
use super::{rounds, verdict};
use crate::program::Place;

/// Runs the server, and deletes by the command line the ids that come in through a pipe.
const SCRIPT: &str = "\"$0\" \"$@\" & server=$!; exec 4<\"$SOKU_TEST_PIPE\"; \
    while read -r id <&4; do \"$0\" media delete \"$id\"; done; wait $server";

/// What became of one import, and at which places of the recording.
struct Promise {
    answered: usize,
    deleting: usize,
    deleted: usize,
    path: String,
}

impl Promise {
    fn all(recording: &Recording) -> Vec<Promise> {
        let marks = recording.beginnings(|call| call.path(0).ends_with(".gone"));
        let words = recording.beginnings(|call| call.says("deleted the media entry "));
        let of_answer = |answered: usize| {
            let path = path_in(&recording.call_at(answered).texts.concat());
            let id = path.split('/').nth(2).expect("an id").to_owned();
            let first = |places: &[usize], is_it: &dyn Fn(&Call) -> bool| {
                places.iter().copied().find(|place| is_it(recording.call_at(*place))).unwrap_or(usize::MAX)
            };
            let deleting = first(&marks, &|call| call.path(0).contains(&id));
            let deleted = first(&words, &|call| call.says(&id));
            Promise { answered, deleting, deleted, path }
        };
        recording.beginnings(|call| call.says("HTTP/1.1 201")).into_iter().map(of_answer).collect()
    }
}

/// A run that was recorded to its end.
struct Run {
    work: Arc<Work>,
    data: PathBuf,
    key: String,
    recording: Recording,
    promises: Vec<Promise>,
}

impl Run {
    /// Starts on nothing, imports alone and many at once, deletes, and stops in order.
    async fn record(imports: usize) -> Run {
        let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
        let work = Work::start().await;
        let (trace, pipe) = (place.folder().join("trace"), place.folder().join("pipe"));
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "-xx", "-s", "10000000", "--seccomp-bpf", "-e", &format!("trace={CALLS}"), "-o"]);
        strace.arg(&trace).args(["sh", "-c", SCRIPT]).arg(env!("CARGO_BIN_EXE_soku"));
        let pipe_name = pipe.to_str().expect("a path in UTF-8");
        let place = place.with("SOKU_TEST_PIPE", pipe_name);
        let program = place.start_as(strace);
        let mut pipe = File::options().write(true).open(&pipe).expect("somebody reads");

        let mut paths = Vec::new();
        for nth in 0..imports {
            // The last of them together, so that they share commits and syncs.
            let targets: Vec<String> =
                (0..if nth + 1 == imports { 6 } else { 1 }).map(|_| work.new_target(nth * 900)).collect();
            let asking = targets.iter().map(|target| work.import(&program.base, &program.key, target));
            for said in futures_util::future::join_all(asking).await {
                paths.push(said.and_then(|said| said.path()).expect("201"));
            }
            if nth % 4 == 2 {
                let path = paths.remove(nth / 3);
                let (id, url) = (path.split('/').nth(2).expect("an id"), format!("{}{path}", program.base));
                writeln!(pipe, "{id}").expect("it is read");
                while work.get(&url).await.expect("an answer").0 != 404 {}
            }
        }
        drop(pipe);
        let (data, key) = (place.data(), program.key.clone());
        // strace ends when everything under it has, the server in order; then the trace is whole.
        program.terminate();
        let recording = Recording::read(&fs::read_to_string(&trace).expect("a trace"));
        assert!(recording.calls.len() > 100, "the trace was read");
        let promises = Promise::all(&recording);
        Run { work, data, key, recording, promises }
    }

    /// The book as it stood at a place of the recording: what was promised by then.
    fn book(&self, place: usize) -> BTreeMap<String, Fate> {
        let fates = self.promises.iter().map(|promise| {
            let Promise { answered, deleting, deleted, path } = promise;
            let fate = match (*answered < place, *deleting < place, *deleted < place) {
                (_, _, true) => Fate::Deleted { path: path.clone() },
                (_, true, false) => Fate::Deleting,
                (true, false, false) => Fate::Stored { path: path.clone() },
                (false, false, false) => Fate::Asked,
            };
            (format!("/{}", path.rsplit('/').next().expect("a name")), fate)
        });
        fates.collect()
    }

    /// Cuts the power at a place, starts the program on what is left, and judges it.
    async fn cut(
        &self,
        place: usize,
        mut survivors: Survivors<'_>,
        forgets: impl Fn(&Call) -> bool,
    ) -> Result<(), String> {
        let home = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
        Disk::at(&self.data, &self.recording, place, forgets).after_the_cut(&home.data(), &mut survivors);
        let shown = self.recording.beginnings(|call| call.says("sk_live_"))[0];
        if place > shown {
            fs::write(home.folder().join("stdout"), format!("{}\n", self.key)).expect("written");
        }
        for (target, fate) in self.book(place) {
            self.work.fate(&target, fate);
        }
        let program = home.start();
        if place > shown {
            verdict::judge(&home, &program, &self.work, &[]).await?;
        }
        verdict::tidy(&home, &self.work)?;
        verdict::sound(&home.data()).await?;
        if program.terminate() == Some(0) { Ok(()) } else { Err("it does not stop in order".to_owned()) }
    }

    /// As [`Run::cut`], once with nothing that was not synced and once with any part of it.
    async fn cut_twice(&self, place: usize, random: &mut Random) {
        let call = self.recording.call_at(place.saturating_sub(1)).clone();
        let what = format!("cut at {place}, behind `{}` of {} {}", call.name, call.descriptor, call.path(0));
        self.cut(place, Survivors::Nothing, |_| false).await.unwrap_or_else(|words| panic!("{what}: {words}"));
        let chosen = random.clone();
        let cut = self.cut(place, Survivors::Some(random), |_| false).await;
        cut.unwrap_or_else(|words| panic!("{what}, with {chosen:?}: {words}"));
    }
}

/// The path of the hosted URL in an answer.
fn path_in(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let body = text.split("\r\n\r\n").nth(1).expect("a body");
    let body: Value = serde_json::from_str(body.trim()).expect("JSON");
    let url = body["url"].as_str().expect("a url");
    url[url.find("/media/").expect("a hosted URL")..].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_everything_answered_is_there_and_nothing_half_is() {
    let mut random = Random::seeded();
    let cuts = rounds("SOKU_TORTURE_CUTS", 5);
    let run = Run::record(if cuts > 50 { 120 } else { 8 }).await;
    // After everything that makes something durable, and when a client is told; then anywhere.
    let mut places = run.recording.ends(Call::is_sync);
    places.extend(run.recording.beginnings(|call| call.says("HTTP/1.1 201")).iter().map(|place| place + 1));
    eprintln!("{} calls, {} places of interest", run.recording.calls.len(), places.len());
    for nth in 0..cuts {
        let place = match nth % 3 {
            0 => random.below(run.recording.moments.len()),
            _ => places.swap_remove(random.below(places.len())),
        };
        run.cut_twice(place, &mut random).await;
        eprintln!("cut {nth} at {place} of {}", run.recording.moments.len());
        if places.is_empty() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_on_power_cuts_sees_every_sync_that_is_left_out() {
    let run = Run::record(3).await;
    let last_answer = *run.recording.beginnings(|call| call.says("HTTP/1.1 201")).last().expect("answers");
    let is_spool =
        |call: &Call| call.descriptor.contains("/spool/") && call.descriptor.len() > run.data.as_os_str().len() + 40;
    let is_room = |call: &Call| call.descriptor.contains("/spool/") && !is_spool(call);
    let is_shard = |call: &Call| call.descriptor.contains("/media/");
    let is_database = |call: &Call| call.descriptor.ends_with("/soku.db-wal");
    let behind_a_link = *run.recording.ends(|call| call.is_sync() && is_shard(call)).first().expect("links") + 1;

    run.cut(last_answer + 1, Survivors::Nothing, |_| false).await.expect("nothing is left out");
    let words = [
        run.cut(last_answer + 1, Survivors::Nothing, is_spool).await,
        run.cut(behind_a_link, Survivors::Nothing, is_room).await,
        run.cut(last_answer + 1, Survivors::Nothing, is_shard).await,
        run.cut(last_answer + 1, Survivors::Nothing, is_database).await,
    ];

    for (nth, words) in words.into_iter().enumerate() {
        let words = words.expect_err(&format!("without the {nth}th sync it cannot be well"));
        eprintln!("without sync {nth}: {words}");
    }
}
