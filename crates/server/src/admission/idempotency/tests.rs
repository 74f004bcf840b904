use soku_api::Reason;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::account::{Account, Role, Subscription, SubscriptionState};
use crate::db::DbSettings;
use crate::failure::Failure;

const NOON: Timestamp = Timestamp(1_772_280_000_000);

/// A process on a database of its own.
struct Process {
    imports: Imports,
    inbox: UnboundedReceiver<Chore>,
    account: AccountId,
    db: Db,
    _directory: tempfile::TempDir,
}

async fn process() -> Process {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(&DbSettings::sqlite(&directory.path().join("soku.db"))).await.unwrap();
    let account = Account {
        id: AccountId::random(),
        name: "default".to_owned(),
        subscription: Subscription { state: SubscriptionState::Active, period_end: None },
        role: Role::Member,
        created: NOON,
    };
    db.insert_account(&account).await.unwrap();
    let settings = IdempotencySettings { heartbeat: Duration::from_millis(10), ..IdempotencySettings::default() };
    let (imports, chores) = Imports::new(settings, db.clone(), Clock::manual(NOON), OwnerId::random());
    Process { imports, inbox: chores.0, account: account.id, db, _directory: directory }
}

impl Process {
    fn wish(&self, key: &str) -> Wish {
        let claim =
            ClaimKey { account_id: self.account.clone(), endpoint: Endpoint::Media.as_str(), key: key.to_owned() };
        let payload = PayloadHash::of([("url", key.as_bytes())]);
        Wish { claim: Arc::new(claim), source: KeySource::Caller, payload }
    }
}

#[tokio::test]
async fn made_up_idempotency_keys_do_not_grow_memory() {
    let mut process = process().await;
    for number in 0..2_000 {
        match process.imports.ask(process.wish(&number.to_string())).await {
            Ok(Entry::Begin(ticket)) => ticket.fail(Failure::from(Reason::DnsFailed)).await,
            _ => panic!("every key is new"),
        }
    }
    assert_eq!(process.imports.shared.flights.len(), 0);
    assert!(process.inbox.try_recv().is_err());

    process.db.close().await;
    for number in 0..2 * LOST_ANSWERS {
        let refused = process.imports.ask(process.wish(&number.to_string())).await;
        assert!(matches!(refused, Err(EnterRefused::Db(_))));
    }

    assert_eq!(process.imports.shared.flights.len(), 0);
    assert_eq!(process.inbox.len(), LOST_ANSWERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_was_lost_is_given_back() {
    let process = process().await;
    let wish = process.wish("k");
    let request = process.imports.request(&wish);
    assert!(matches!(process.db.claim(&request).await.unwrap(), ClaimAnswer::Won { .. }));
    let counted = Arc::clone(&process.imports.shared.lost_answers).try_acquire_owned().unwrap();
    assert!(process.imports.later(Chore::Disown { wish, counted }).is_none());

    let until = CancellationToken::new();
    let (imports, stop) = (process.imports.clone(), until.clone());
    let upkeep = tokio::spawn(async move { imports.upkeep(process.inbox, &stop).await });
    while process.db.poll(&request.key, 0).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    until.cancel();
    upkeep.await.unwrap();
    assert_eq!(process.imports.shared.lost_answers.available_permits(), LOST_ANSWERS);
}

#[tokio::test]
async fn a_lost_answer_whose_key_is_in_use_again_is_left_alone() {
    let process = process().await;
    let wish = process.wish("k");
    let Ok(Entry::Begin(ticket)) = process.imports.ask(wish.clone()).await else { panic!("the key is new") };

    process.imports.disown(&wish).await.unwrap();

    assert!(process.db.poll(ticket.claim(), 0).await.unwrap().is_some(), "it is held by a ticket");
}
