//! Stories of accounts and their keys.

use soku_server::account::{Account, Role, SubscriptionState};
use soku_server::clock::Timestamp;
use soku_server::db::{AccountChanges, Caller, DbError, KeyRow};
use soku_server::id::{AccountId, ApiKey, KeyDigest, KeyId};

use crate::bed::{NOW, on_both};

fn key_row(account: &Account, secret: &ApiKey, created: Timestamp) -> KeyRow {
    KeyRow {
        id: KeyId::random(),
        account_id: account.id.clone(),
        label: "laptop".to_owned(),
        preview: secret.preview(),
        created,
        revoked: None,
    }
}

/// A key of an account that does not exist: no database takes it.
pub(crate) fn row_of_nobody() -> KeyRow {
    KeyRow {
        id: KeyId::random(),
        account_id: AccountId::random(),
        label: "laptop".to_owned(),
        preview: "sk_live_abc…xyz".to_owned(),
        created: NOW,
        revoked: None,
    }
}

/// The digest of a key that is always the same.
pub(crate) fn digest() -> KeyDigest {
    KeyDigest::of(b"sk_live_of_a_story")
}

on_both! {
    async fn an_account_is_found_as_it_was_added(bed: &Bed) {
        assert!(!bed.db.any_account().await.unwrap());

        let account = bed.account("default").await;

        assert!(bed.db.any_account().await.unwrap());
        assert_eq!(bed.db.find_account("default").await.unwrap(), Some(account));
        assert_eq!(bed.db.find_account("nobody").await.unwrap(), None);
    }

    async fn an_account_name_is_taken_once(bed: &Bed) {
        let account = bed.account("default").await;

        let again = bed.db.insert_account(&account).await;

        assert!(matches!(again, Err(DbError::AlreadyExists { what: "account" })), "{again:?}");
    }

    async fn accounts_are_listed_by_name(bed: &Bed) {
        let second = bed.account("b").await;
        let first = bed.account("a").await;

        assert_eq!(bed.db.list_accounts().await.unwrap(), [first, second]);
    }

    async fn a_change_touches_only_what_it_names(bed: &Bed) {
        let mut account = bed.account("default").await;
        let end = Some(NOW.plus_ms(1000));

        let changes = AccountChanges { state: Some(SubscriptionState::PastDue), ..AccountChanges::default() };
        account.subscription.state = SubscriptionState::PastDue;
        assert_eq!(bed.db.update_account("default", changes).await.unwrap(), Some(account.clone()));

        let changes = AccountChanges { period_end: Some(end), ..AccountChanges::default() };
        account.subscription.period_end = end;
        assert_eq!(bed.db.update_account("default", changes).await.unwrap(), Some(account.clone()));

        let changes = AccountChanges { role: Some(Role::Admin), ..AccountChanges::default() };
        account.role = Role::Admin;
        assert_eq!(bed.db.update_account("default", changes).await.unwrap(), Some(account.clone()));

        let changes = AccountChanges { period_end: Some(None), ..AccountChanges::default() };
        account.subscription.period_end = None;
        assert_eq!(bed.db.update_account("default", changes).await.unwrap(), Some(account.clone()));

        assert_eq!(bed.db.update_account("default", AccountChanges::default()).await.unwrap(), Some(account.clone()));
        assert_eq!(bed.db.find_account("default").await.unwrap(), Some(account));
        assert_eq!(bed.db.update_account("nobody", changes).await.unwrap(), None);
    }

    async fn a_key_leads_to_its_account(bed: &Bed) {
        let account = bed.account("default").await;
        let secret = ApiKey::random();
        let key = key_row(&account, &secret, NOW);

        bed.db.insert_key(&key, &secret.digest()).await.unwrap();

        let caller = bed.db.find_caller(&secret.digest()).await.unwrap();
        assert_eq!(caller, Some(Caller { account, key }));
    }

    async fn a_revoked_key_is_found_with_the_moment_of_its_first_revocation(bed: &Bed) {
        let account = bed.account("default").await;
        let secret = ApiKey::random();
        let key = key_row(&account, &secret, NOW);
        bed.db.insert_key(&key, &secret.digest()).await.unwrap();
        let revoked = KeyRow { revoked: Some(NOW.plus_ms(5)), ..key.clone() };

        let first = bed.db.revoke_key(&key.id, NOW.plus_ms(5)).await.unwrap();
        let second = bed.db.revoke_key(&key.id, NOW.plus_ms(9)).await.unwrap();

        assert_eq!(first, Some(revoked.clone()));
        assert_eq!(second, Some(revoked.clone()));
        assert_eq!(bed.db.find_caller(&secret.digest()).await.unwrap().unwrap().key, revoked);
        assert_eq!(bed.db.revoke_key(&KeyId::random(), NOW).await.unwrap(), None);
    }

    async fn a_key_that_nobody_has_leads_nowhere(bed: &Bed) {
        bed.account("default").await;

        for text in ["", "sk_live_", "' OR 1=1 --", ApiKey::random().reveal()] {
            assert_eq!(bed.db.find_caller(&KeyDigest::of(text.as_bytes())).await.unwrap(), None, "{text}");
        }
    }

    async fn keys_are_listed_for_their_account_alone_and_oldest_first(bed: &Bed) {
        let (account, other) = (bed.account("default").await, bed.account("other").await);
        let mut rows = Vec::new();
        for (owner, created) in [(&account, NOW.plus_ms(1)), (&other, NOW), (&account, NOW)] {
            let secret = ApiKey::random();
            rows.push(key_row(owner, &secret, created));
            bed.db.insert_key(rows.last().unwrap(), &secret.digest()).await.unwrap();
        }

        let listed = bed.db.list_keys(&account.id).await.unwrap();

        assert_eq!(listed, [rows[2].clone(), rows[0].clone()]);
    }

    async fn a_key_needs_its_account(bed: &Bed) {
        bed.account("default").await;

        let inserted = bed.db.insert_key(&row_of_nobody(), &digest()).await;

        assert!(matches!(inserted, Err(DbError::Failed { .. })), "{inserted:?}");
        assert_eq!(bed.db.find_caller(&digest()).await.unwrap(), None);
    }

    async fn the_same_key_is_taken_once(bed: &Bed) {
        let account = bed.account("default").await;
        let secret = ApiKey::random();
        bed.db.insert_key(&key_row(&account, &secret, NOW), &secret.digest()).await.unwrap();

        let again = bed.db.insert_key(&key_row(&account, &secret, NOW), &secret.digest()).await;

        assert!(matches!(again, Err(DbError::AlreadyExists { what: "key" })), "{again:?}");
    }
}
