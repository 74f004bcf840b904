//! `soku key`: the keys that callers show.

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::{List, print, print_json, say};
use super::{CommandError, Rooms, parse};
use crate::account::Account;
use crate::clock::Timestamp;
use crate::db::{Db, DbError, KeyRow};
use crate::id::{ApiKey, KeyId};

/// Creates, lists and revokes API keys
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Creates a key and prints it, this once: only its digest is stored
    Create {
        /// Whose key it is
        #[arg(long, value_name = "NAME")]
        account: String,
        /// What lists call it, such as where it is used
        #[arg(long, value_name = "LABEL", value_parser = parse::name)]
        name: Option<String>,
        /// Print the key with its id as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Lists the keys of an account, revoked ones too
    List {
        /// Whose keys
        #[arg(long, value_name = "NAME")]
        account: String,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Revokes a key, at once and for good
    Revoke {
        /// The id of the key, from `soku key list`; not the key itself
        id: String,
        /// Print the key's entry as a JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn perform(command: KeyCommand, rooms: &Rooms) -> Result<(), CommandError> {
    match command {
        KeyCommand::Create { account, name, json } => {
            let account = rooms.account(&account).await?;
            let (row, key) = create(rooms.db().await?, &account, name.unwrap_or_default(), rooms.clock.now()).await?;
            say(&format!("created the key {} of the account `{}`; it is shown this once", row.id, account.name));
            if json {
                let mut object = object(&row);
                object["key"] = key.reveal().into();
                return print_json(&object);
            }
            print(&format!("{}\n", key.reveal()))
        }
        KeyCommand::List { account, json } => {
            let account = rooms.account(&account).await?;
            let keys = rooms.db().await?.list_keys(&account.id).await?;
            let mut list = List::new(&["ID", "LABEL", "PREVIEW", "CREATED", "REVOKED"], json);
            list.rows(keys.iter().map(|key| (cells(key), object(key))).collect())?;
            list.end()
        }
        KeyCommand::Revoke { id, json } => {
            // Not by the parser of arguments, which repeats what it refuses: perhaps the key itself.
            let id = parse::key_id(&id).ok_or(CommandError::NotAKeyId)?;
            let now = rooms.clock.now();
            let revoked = rooms.db().await?.revoke_key(&id, now).await?;
            let key = revoked.ok_or(CommandError::UnknownKey { id })?;
            // The clock may have been set back since.
            match key.revoked.filter(|earlier| *earlier != now) {
                Some(earlier) => say(&format!("the key {} was revoked already, on {}", key.id, earlier.rfc3339())),
                None => say(&format!("revoked the key {}", key.id)),
            }
            if json { print_json(&object(&key)) } else { Ok(()) }
        }
    }
}

/// Makes a key for an account.
pub(super) async fn create(
    db: &Db,
    account: &Account,
    label: String,
    now: Timestamp,
) -> Result<(KeyRow, ApiKey), DbError> {
    let key = ApiKey::random();
    let row = KeyRow {
        id: KeyId::random(),
        account_id: account.id.clone(),
        label,
        preview: key.preview(),
        created: now,
        revoked: None,
    };
    db.insert_key(&row, &key.digest()).await?;
    Ok((row, key))
}

fn cells(key: &KeyRow) -> Vec<String> {
    vec![
        key.id.to_string(),
        key.label.clone(),
        key.preview.clone(),
        key.created.rfc3339(),
        key.revoked.map(Timestamp::rfc3339).unwrap_or_default(),
    ]
}

fn object(key: &KeyRow) -> Value {
    json!({
        "id": key.id.as_str(),
        "label": key.label,
        "preview": key.preview,
        "created": key.created.rfc3339(),
        "revoked": key.revoked.map(Timestamp::rfc3339),
    })
}
