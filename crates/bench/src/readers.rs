//! Clients that read a large file slowly: what each costs, and whether the others notice.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::crowd::Crowd;
use crate::http::{Client, dial, hosted_url, one_of_a_crowd, path_of};
use crate::program::Program;
use crate::report::Row;
use crate::source::{JPEG, MP4, Source};

const READERS: usize = 1_000;
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

    let what = format!("{READERS} readers of a 1 GB file at 4 kB/s");
    let crowd = Crowd { server: &server, probe: small, clients: READERS, what, missing: 0, most_kb: 300.0 };
    let gather = async |round| {
        let readers = start(&server, large).await?;
        tokio::time::sleep(if round == 0 { FIRST_ROUND } else { OTHER_ROUNDS }).await;
        // Whom the server has cut off reads on for long from the buffers in between: only its own open files tell.
        Ok(readers)
    };
    crowd.measure(gather).await
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
