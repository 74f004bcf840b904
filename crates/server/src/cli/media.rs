//! `soku media`: what is stored.

use std::collections::HashMap;

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::{List, one_line, print, print_json, say};
use super::rooms::Doubt;
use super::{CommandError, Rooms, parse};
use crate::db::MediaCursor;
use crate::id::{AccountId, MediaId};
use crate::media::Media;

/// How many rows are read at a time.
const PAGE: u32 = 500;

/// Lists, shows and deletes hosted files
#[derive(Subcommand)]
pub(super) enum MediaCommand {
    /// Lists what is stored, newest first
    List {
        /// Only what this account imported
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Shows everything known of one file
    Show {
        /// Its id, or its hosted URL
        #[arg(value_parser = parse::media_id)]
        id: MediaId,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Deletes a file, its entry and the keys that made it: its URL is gone at once and for good
    Delete {
        /// Its id, or its hosted URL
        #[arg(value_parser = parse::media_id)]
        id: MediaId,
        /// Print what it was as a JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn perform(command: MediaCommand, rooms: &Rooms) -> Result<(), CommandError> {
    match command {
        MediaCommand::List { account, json } => list(account, json, rooms).await,
        MediaCommand::Show { id, json } => show(&id, json, rooms).await,
        MediaCommand::Delete { id, json } => delete(&id, json, rooms).await,
    }
}

async fn list(account: Option<String>, json: bool, rooms: &Rooms) -> Result<(), CommandError> {
    let account = match account {
        Some(name) => Some(rooms.account(&name).await?.id),
        None => None,
    };
    let names = names(rooms).await?;
    // The columns show no URL.
    let base = if json { rooms.public_base(Doubt::Kept) } else { String::new() };
    let mut list = List::new(&["ID", "ACCOUNT", "TYPE", "BYTES", "CREATED", "NAME"], json);
    let mut after = None;
    loop {
        let page = rooms.db().await?.list_media(account.as_ref(), after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return list.end() };
        after = Some(MediaCursor::after(last));
        list.rows(page.iter().map(|media| (cells(media, &names), object(media, &names, &base))).collect())?;
    }
}

async fn show(id: &MediaId, json: bool, rooms: &Rooms) -> Result<(), CommandError> {
    let media = rooms.db().await?.find_media(id).await?;
    let media = media.ok_or_else(|| CommandError::UnknownMedia { id: id.clone() })?;
    let (names, base) = (names(rooms).await?, rooms.public_base(Doubt::Kept));
    if json {
        return print_json(&object(&media, &names, &base));
    }
    let lines = [
        ("id", media.id.to_string()),
        ("url", hosted_url(&media, &base)),
        ("account", account_name(&media, &names)),
        ("name", media.filename.clone()),
        ("type", media.content_type.clone()),
        ("delivered", media.disposition.as_str().to_owned()),
        ("bytes", media.size_bytes.to_string()),
        ("sha256", media.sha256.clone()),
        ("source", media.source_url.clone()),
        ("created", media.created.rfc3339()),
    ];
    print(&lines.map(|(name, text)| format!("{name:<10} {}\n", one_line(&text))).concat())
}

async fn delete(id: &MediaId, json: bool, rooms: &Rooms) -> Result<(), CommandError> {
    let deleted = rooms.library().await?.delete(id).await?;
    let media = deleted.ok_or_else(|| CommandError::UnknownMedia { id: id.clone() })?;
    say(&format!("deleted the media entry {id}"));
    if json { print_json(&object(&media, &names(rooms).await?, &rooms.public_base(Doubt::Kept))) } else { Ok(()) }
}

/// The names of all accounts.
async fn names(rooms: &Rooms) -> Result<HashMap<AccountId, String>, CommandError> {
    let accounts = rooms.db().await?.list_accounts().await?;
    Ok(accounts.into_iter().map(|account| (account.id, account.name)).collect())
}

fn account_name(media: &Media, names: &HashMap<AccountId, String>) -> String {
    names.get(&media.account_id).cloned().unwrap_or_default()
}

fn hosted_url(media: &Media, base: &str) -> String {
    format!("{base}/media/{}/{}", media.id, soku_media::encode_segment(&media.filename))
}

fn cells(media: &Media, names: &HashMap<AccountId, String>) -> Vec<String> {
    vec![
        media.id.to_string(),
        account_name(media, names),
        media.content_type.clone(),
        media.size_bytes.to_string(),
        media.created.rfc3339(),
        media.filename.clone(),
    ]
}

fn object(media: &Media, names: &HashMap<AccountId, String>, base: &str) -> Value {
    json!({
        "id": media.id.as_str(),
        "url": hosted_url(media, base),
        "account": account_name(media, names),
        "filename": media.filename,
        "contentType": media.content_type,
        "disposition": media.disposition.as_str(),
        "sizeBytes": media.size_bytes,
        "sha256": media.sha256,
        "sourceUrl": media.source_url,
        "created": media.created.rfc3339(),
    })
}
