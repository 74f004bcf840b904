//! `soku import`: the pipeline of `POST /v1/media` without a server.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use soku_api::{MediaCreated, Reason};
use soku_fetch::{Progress, SourceUrl, UrlRefused};

use super::CommandError;
use super::output::{print, say};
use super::rooms::{DEFAULT_ACCOUNT, Doubt, Rooms, first_account};
use crate::account::Account;
use crate::app::{self, App};
use crate::http::error::Refusal;
use crate::http::media::refusal;
use crate::id::RequestId;
use crate::ingest::Import;

/// How many run at a time.
const AT_ONCE: usize = 4;

/// How often the bars are drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

/// Takes in files from their URLs without a server, and prints what the API would answer, a line each
///
/// All URLs are tried; the errors are the API's, a line each on stderr.
/// What the same account took in within the last hour is not loaded again.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ImportCommand {
    /// The publicly accessible URLs of image, video or audio files
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,
    /// Whose files they become
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
    account: String,
}

pub(super) async fn perform(command: ImportCommand, rooms: &Rooms) -> Result<(), CommandError> {
    let account = account(&command.account, rooms).await?;
    rooms.warn_of_root();
    let app = app::build(&rooms.config, rooms.clock.clone(), rooms.public_base(Doubt::Told)).await?;
    let bars = io::stderr().is_terminal().then(MultiProgress::new);
    let mut failed = 0;
    let mut written = Ok(());
    {
        let mut outcomes = futures_util::stream::iter(&command.urls)
            .map(|url| import(&app, &account, url, bars.as_ref()))
            .buffered(AT_ONCE);
        while let Some(outcome) = outcomes.next().await {
            written = match outcome {
                Ok(created) => tell(bars.as_ref(), || print(&format!("{}\n", json(&created)))),
                Err(refusal) => {
                    failed += 1;
                    let envelope = refusal.envelope(&RequestId::random(), app.api.clock.now());
                    tell(bars.as_ref(), || say(&json(&envelope)));
                    // Whoever sits here can do what the API's answer must not tell strangers about.
                    if let Some(reason) = refusal.reason() {
                        tell(bars.as_ref(), || say(&format!("mend: {}", reason.mend())));
                    }
                    Ok(())
                }
            };
            if written.is_err() {
                break;
            }
        }
    }
    app.close().await;
    written?;
    if failed == 0 { Ok(()) } else { Err(CommandError::NotImported { failed, of: command.urls.len() }) }
}

/// The account that the files are for; the first one is made where there is none at all.
async fn account(name: &str, rooms: &Rooms) -> Result<Account, CommandError> {
    if name == DEFAULT_ACCOUNT
        && let Some(account) = first_account(rooms.db().await?, rooms.clock.now()).await?
    {
        return Ok(account);
    }
    match rooms.account(name).await {
        Err(CommandError::UnknownAccount { .. }) if name == DEFAULT_ACCOUNT => Err(CommandError::NoDefaultAccount),
        outcome => outcome,
    }
}

async fn import(
    app: &App,
    account: &Account,
    url: &str,
    bars: Option<&MultiProgress>,
) -> Result<MediaCreated, Refusal> {
    let source = SourceUrl::parse(url).map_err(|refused| {
        Refusal::because(match refused {
            UrlRefused::Invalid => Reason::InvalidUrl,
            UrlRefused::Credentials => Reason::CredentialsInUrl,
        })
    })?;
    let progress = Arc::new(Progress::new());
    let bar = bars.map(|bars| bars.add(new_bar(&source)));
    let job = Import { account: account.id.clone(), url: source, key: None, progress: Some(Arc::clone(&progress)) };
    let job = app.api.ingest.import(job);
    tokio::pin!(job);
    let outcome = loop {
        tokio::select! {
            outcome = &mut job => break outcome,
            () = tokio::time::sleep(REDRAW), if bar.is_some() => bar.iter().for_each(|bar| redraw(bar, &progress)),
        }
    };
    if let (Some(bars), Some(bar)) = (bars, bar) {
        bar.finish_and_clear();
        bars.remove(&bar);
    }
    let imported = outcome.map_err(refusal)?;
    Ok(MediaCreated { url: app.api.hosted_url(&imported.media) })
}

fn new_bar(source: &SourceUrl) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {bytes:>10} {bar:24} {bytes_per_sec:>12} {wide_msg}");
    let style = style.expect("the template is right: the tests draw it");
    // Without the query, which may hold a signature.
    ProgressBar::no_length().with_style(style).with_message(source.redacted().to_string())
}

fn redraw(bar: &ProgressBar, progress: &Progress) {
    match progress.expected() {
        Some(expected) => bar.set_length(expected),
        None => bar.unset_length(),
    }
    bar.set_position(progress.received());
    bar.tick();
}

/// Writes a line where no bar is being drawn.
fn tell<T>(bars: Option<&MultiProgress>, write: impl FnOnce() -> T) -> T {
    match bars {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what the API answers is plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_where_a_file_comes_from_without_the_secret_of_its_url() {
        let bar = new_bar(&SourceUrl::parse("https://a.example/film.mp4?signature=secret").unwrap());

        assert_eq!(bar.message(), "https://a.example/film.mp4");
    }
}
