//! `soku account`: who may upload, and until when.

use clap::{ArgAction, Args, Subcommand};
use serde_json::{Value, json};

use super::output::{List, print_json, say};
use super::{CommandError, Rooms, parse};
use crate::account::{Account, Role, Subscription, SubscriptionState};
use crate::clock::Timestamp;
use crate::db::{AccountChanges, DbError};
use crate::id::AccountId;

/// Creates, lists and changes accounts
#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// Creates an account, by default with an active subscription that never ends
    Create {
        /// The name that the other commands call it by
        #[arg(value_parser = parse::name)]
        name: String,
        #[command(flatten)]
        said: Said,
        /// Print the account as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Lists all accounts
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Changes the subscription or the role of an account
    #[command(arg_required_else_help = true)]
    Set {
        /// Which account
        name: String,
        #[command(flatten)]
        said: Said,
        /// Print the account as a JSON object
        #[arg(long)]
        json: bool,
    },
}

/// What can be said of an account.
#[derive(Args)]
pub(super) struct Said {
    /// Uploads are allowed while it is `trialing` or `active`
    #[arg(long, value_name = "STATE", value_parser = parse::subscription())]
    subscription: Option<SubscriptionState>,
    /// When the paid period ends: RFC 3339, such as 2027-01-31T00:00:00Z, or `never`
    #[arg(long, value_name = "RFC3339", value_parser = parse::period_end)]
    period_end: Option<PeriodEnd>,
    /// Gives the account the admin role, with its higher rate limits; `--admin=false` takes it away
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = ArgAction::Set)]
    admin: Option<bool>,
}

/// When a period ends, if it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PeriodEnd(pub(super) Option<Timestamp>);

fn role(admin: bool) -> Role {
    if admin { Role::Admin } else { Role::Member }
}

pub(super) async fn perform(command: AccountCommand, rooms: &Rooms) -> Result<(), CommandError> {
    match command {
        AccountCommand::Create { name, said, json } => {
            let account = Account {
                id: AccountId::random(),
                name,
                subscription: Subscription {
                    state: said.subscription.unwrap_or(SubscriptionState::Active),
                    period_end: said.period_end.and_then(|PeriodEnd(end)| end),
                },
                role: role(said.admin.unwrap_or(false)),
                created: rooms.clock.now(),
            };
            match rooms.db().await?.insert_account(&account).await {
                Ok(()) => {}
                Err(DbError::AlreadyExists { .. }) => return Err(CommandError::AccountExists { name: account.name }),
                Err(error) => return Err(error.into()),
            }
            say(&format!("created the account `{}`", account.name));
            if json { print_json(&object(&account)) } else { Ok(()) }
        }
        AccountCommand::List { json } => {
            let mut list = List::new(&["NAME", "SUBSCRIPTION", "PERIOD END", "ROLE", "CREATED"], json);
            let accounts = rooms.db().await?.list_accounts().await?;
            list.rows(accounts.iter().map(|account| (cells(account), object(account))).collect())?;
            list.end()
        }
        AccountCommand::Set { name, said, json } => {
            let changes = AccountChanges {
                state: said.subscription,
                period_end: said.period_end.map(|PeriodEnd(end)| end),
                role: said.admin.map(role),
            };
            if changes == AccountChanges::default() {
                return Err(CommandError::NothingToChange);
            }
            let changed = rooms.db().await?.update_account(&name, changes).await?;
            let Some(account) = changed else { return Err(rooms.unknown_account(&name).await?) };
            say(&format!("changed the account `{}`", account.name));
            if json { print_json(&object(&account)) } else { Ok(()) }
        }
    }
}

fn cells(account: &Account) -> Vec<String> {
    vec![
        account.name.clone(),
        account.subscription.state.as_str().to_owned(),
        account.subscription.period_end.map_or_else(|| "never".to_owned(), Timestamp::rfc3339),
        account.role.as_str().to_owned(),
        account.created.rfc3339(),
    ]
}

fn object(account: &Account) -> Value {
    json!({
        "id": account.id.as_str(),
        "name": account.name,
        "subscription": account.subscription.state.as_str(),
        "periodEnd": account.subscription.period_end.map(Timestamp::rfc3339),
        "role": account.role.as_str(),
        "created": account.created.rfc3339(),
    })
}
