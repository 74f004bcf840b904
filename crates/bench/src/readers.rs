//! Clients that read a large file slowly: what each costs, and whether the others notice.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::http::{Client, dial, hosted_url, one_of_a_crowd, path_of};
use crate::probe;
use crate::program::{Program, await_closed};
use crate::report::{Mark, Row};
use crate::source::{JPEG, MP4, Source};

const READERS: usize = 1_000;
const ROUNDS: usize = 5;
const GETS: usize = 1_000;
const SMALL: usize = 4_000;
const LARGE: usize = 1_000_000_000;
/// A reader's pace, and the smallest window it can offer.
const PIECE: usize = 4_000;
const PAUSE: Duration = Duration::from_secs(1);
const RECEIVE_BUFFER: u32 = 8_192;
/// Longer than the server waits for a client that takes nothing at all.
const FIRST_ROUND: Duration = Duration::from_secs(40);
const OTHER_ROUNDS: Duration = Duration::from_secs(2);

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let (small, large) =
        (Source::start(JPEG, SMALL, "image/jpeg").await?, Source::start_repeating(MP4, LARGE, "video/mp4").await?);
    let server = Program::start(program)?;
    let mut client = Client::connect(&server.address).await?;
    let small = hosted_url(&client.import(&server.key, &small.url(0, "jpg")).await?)?;
    let large = hosted_url(&client.import(&server.key, &large.url(0, "mp4")).await?)?;
    let (small, large) = (path_of(&small)?, path_of(&large)?);

    let (mut subject, mut against, mut kilobytes) = (Vec::new(), Vec::new(), 0.0);
    for round in 0..=ROUNDS {
        let (before, files) = (server.memory_with_sockets_mb()?, server.open_files()?);
        let alone = probe::gets(&server, std::iter::repeat_n(small, GETS)).await?;
        let mut readers = start(&server, large).await?;
        tokio::time::sleep(if round == 0 { FIRST_ROUND } else { OTHER_ROUNDS }).await;
        let beside = probe::gets(&server, std::iter::repeat_n(small, GETS)).await?;
        // Later ones find the memory of the first.
        if round == 0 {
            let after = server.memory_with_sockets_mb()?;
            let [own, kernel] = [after.0 - before.0, after.1 - before.1].map(|mb| mb * 1e3 / READERS as f64);
            kilobytes = own + kernel;
            eprintln!("readers: {own:.1} kB and {kernel:.1} kB of the kernel's for each of {READERS}");
        }
        // Whom the server has cut off reads on for long from the buffers in between.
        let held = server.open_files()?.saturating_sub(files);
        ensure!(held >= READERS, "only {held} files are open for {READERS} readers: some were cut off");
        readers.shutdown().await;
        await_closed(&server, files).await?;
        eprintln!("readers, round {round}: GET {:.1} µs, alone {:.1} µs", beside * 1e3, alone * 1e3);
        if round > 0 {
            subject.push(beside * 1e3);
            against.push(alone * 1e3);
        }
    }
    let what = format!("{READERS} readers of a 1 GB file at 4 kB/s");
    Ok(vec![
        Row {
            work: format!("memory (VmRSS and the kernel's buffers) of one of {what}"),
            baseline: "–".to_owned(),
            subject: vec![kilobytes],
            against: Vec::new(),
            unit: "kB",
            mark: Mark::Absolute(300.0),
        },
        Row {
            work: format!("`GET` of 4 kB beside {what}: median time"),
            baseline: "the same alone".to_owned(),
            subject,
            against,
            unit: "µs",
            mark: Mark::AtMost(1.2),
        },
    ])
}

async fn start(server: &Program, path: &str) -> Result<JoinSet<()>> {
    let mut readers = JoinSet::new();
    for nth in 0..READERS {
        let socket = one_of_a_crowd(nth)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let mut stream = dial(socket, &server.address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        readers.spawn(async move {
            let mut piece = [0; PIECE];
            while stream.read_exact(&mut piece).await.is_ok() {
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    Ok(readers)
}
