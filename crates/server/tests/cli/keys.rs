//! `soku key`.

use crate::soku::{Soku, transcript};

#[test]
fn a_key_is_printed_alone_and_once() {
    let soku = Soku::with_account();

    let said = soku.run("key create --account acme --name laptop");
    assert_eq!(said.stdout.len(), "sk_live_".len() + 32 + 1);
    let key = said.stdout.trim_end().to_owned();
    transcript!(said, @r"
    exit 0
    --- stdout
    sk_live_[KEY]
    --- stderr
    created the key key_[ID] of the account `acme`; it is shown this once
    ");

    let list = soku.run("key list --account acme");
    assert!(!list.stdout.contains(&key) && list.stdout.contains(&key[..11]), "{list}");
    transcript!(list, @r"
    exit 0
    --- stdout
    ID                    LABEL   PREVIEW          CREATED                   REVOKED
    key_[ID]  laptop  sk_live_[PREVIEW]  [MOMENT]  -
    --- stderr
    ");
    let database = std::fs::read(soku.path().join("soku-data/soku.db")).unwrap();
    assert!(!database.windows(key.len()).any(|window| window == key.as_bytes()), "the key itself is stored");
}

#[test]
fn a_key_with_its_id_is_had_as_json() {
    let soku = Soku::with_account();

    let created = soku.run("key create --account acme --json").json();
    let list = soku.run("key list --account acme --json").json();

    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["id"], created["id"]);
    assert!(list[0].get("key").is_none() && created["key"].as_str().unwrap().starts_with("sk_live_"));
}

#[test]
fn a_revoked_key_stays_in_the_list() {
    let soku = Soku::with_account();
    let id = soku.run("key create --account acme --json").json()["id"].as_str().unwrap().to_owned();

    transcript!(soku.run(&format!("key revoke {id}")), @r"
    exit 0
    --- stdout
    --- stderr
    revoked the key key_[ID]
    ");
    let first = soku.run("key list --account acme --json").json();
    let again = soku.run(&format!("key revoke {id} --json"));

    let moment = first[0]["revoked"].as_str().unwrap();
    assert!(again.stderr.contains(&format!(" was revoked already, on {moment}")), "{again}");
    assert_eq!(again.json()["revoked"], first[0]["revoked"]);
}

#[test]
fn revoking_what_is_no_key_fails_and_a_key_itself_is_not_repeated() {
    let soku = Soku::with_account();

    transcript!(soku.run("key revoke key_0123456789abcdef"), @r"
    exit 1
    --- stdout
    --- stderr
    error: there is no key key_[ID]: `soku key list` shows those of an account
    ");
    let key = soku.run("key create --account acme").succeeds();
    let said = soku.run(&format!("key revoke {key}"));
    assert_eq!(said.code, 2);
    assert!(!said.stderr.contains(key.trim_end()), "{said}");
    transcript!(soku.run("key revoke nonsense"), @r"
    exit 2
    --- stdout
    --- stderr
    error: a key is revoked by its id, `key_` and 16 hex digits, not by the key itself: `soku key list` shows it
    ");
}
