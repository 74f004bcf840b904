//! `soku account`.

use crate::soku::{Soku, transcript};

#[test]
fn an_account_has_an_active_subscription_without_an_end_unless_told() {
    let soku = Soku::new();

    transcript!(soku.run("account create acme"), @r"
    exit 0
    --- stdout
    --- stderr
    began a new library in `[DIR]/soku-data`
    created the account `acme`
    ");
    transcript!(soku.run("account create late --subscription past_due --period-end 2026-02-28T12:00:00+02:00 --admin"), @r"
    exit 0
    --- stdout
    --- stderr
    created the account `late`
    ");
    transcript!(soku.run("account list"), @r"
    exit 0
    --- stdout
    NAME  SUBSCRIPTION  PERIOD END                ROLE    CREATED
    acme  active        never                     member  [MOMENT]
    late  past_due      [MOMENT]  admin   [MOMENT]
    --- stderr
    ");
    transcript!(soku.run("account list --json"), @r#"
    exit 0
    --- stdout
    [
      {"created":"[MOMENT]","id":"acc_[ID]","name":"acme","periodEnd":null,"role":"member","subscription":"active"},
      {"created":"[MOMENT]","id":"acc_[ID]","name":"late","periodEnd":"[MOMENT]","role":"admin","subscription":"past_due"}
    ]
    --- stderr
    "#);
}

#[test]
fn a_library_that_is_begun_is_named_once() {
    let soku = Soku::with_account();

    assert_eq!(soku.run("account create beta").stderr, "created the account `beta`\n");
    transcript!(soku.run("account create acme --data-dir other"), @r"
    exit 0
    --- stdout
    --- stderr
    began a new library in `[DIR]/other`
    created the account `acme`
    ");
}

#[test]
fn an_account_is_changed_where_told_and_nowhere_else() {
    let soku = Soku::with_account();

    let changed =
        soku.run("account set acme --subscription trialing --period-end 2030-01-01T00:00:00Z --admin --json").json();
    assert_eq!((&changed["subscription"], &changed["role"]), (&"trialing".into(), &"admin".into()));
    let changed = soku.run("account set acme --admin=false --json").json();
    assert_eq!((&changed["subscription"], &changed["role"]), (&"trialing".into(), &"member".into()));
    assert_eq!(changed["periodEnd"], "2030-01-01T00:00:00.000Z");
    let changed = soku.run("account set acme --period-end never --json").json();
    assert_eq!(changed["periodEnd"], serde_json::Value::Null);
}

#[test]
fn bad_words_about_an_account_are_wrong_usage() {
    let soku = Soku::with_account();

    transcript!(soku.run("account create other --period-end tomorrow"), @r"
    exit 2
    --- stdout
    --- stderr
    error: invalid value 'tomorrow' for '--period-end <RFC3339>': it is no RFC 3339 date and time with its offset, such as 2027-01-31T00:00:00Z, and not `never`

    For more information, try '--help'.
    ");
    transcript!(soku.run("account create other --subscription activ"), @r"
    exit 2
    --- stdout
    --- stderr
    error: invalid value 'activ' for '--subscription <STATE>'
      [possible values: trialing, active, canceled, past_due, unpaid]

      tip: a similar value exists: 'active'

    For more information, try '--help'.
    ");
    transcript!(soku.run("account set acme"), @r"
    exit 2
    --- stdout
    --- stderr
    error: nothing to change was named: give --subscription, --period-end or --admin
    ");
    transcript!(soku.run_words(&["account", "create", ""]), @r"
    exit 2
    --- stdout
    --- stderr
    error: invalid value '' for '<NAME>': it is empty, or has blanks at its ends

    For more information, try '--help'.
    ");
}

#[test]
fn an_account_that_is_there_or_not_is_said_with_what_to_do() {
    let soku = Soku::with_account();

    transcript!(soku.run("account create acme"), @r"
    exit 1
    --- stdout
    --- stderr
    error: the account `acme` exists already: `soku account set acme` changes it
    ");
    transcript!(soku.run("account set acmee --admin"), @r"
    exit 1
    --- stdout
    --- stderr
    error: there is no account `acmee`; the nearest is `acme`
    ");
    transcript!(soku.run("key list --account somebody-else"), @r"
    exit 1
    --- stdout
    --- stderr
    error: there is no account `somebody-else`: `soku account list` shows them
    ");
}
