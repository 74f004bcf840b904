//! `soku config`, and settings from everywhere.

use crate::soku::{Soku, transcript};

#[test]
fn case_59_config_check_warns_of_a_public_url_that_no_platform_reaches() {
    transcript!(Soku::new().run("config check"), @r"
    exit 0
    --- stdout
    --- stderr
    warning: SOKU_PUBLIC_URL is not set, so hosted URLs begin with http://127.0.0.1:8080, where no platform can fetch from: set it to an https:// URL that the internet can reach
    the configuration is valid
    ");
    transcript!(Soku::new().variable("SOKU_PUBLIC_URL", "http://media.mysoku.io").run("config check"), @r"
    exit 0
    --- stdout
    --- stderr
    warning: SOKU_PUBLIC_URL is http://media.mysoku.io, without https, where most platforms refuse to fetch from: set it to an https:// URL that the internet can reach
    the configuration is valid
    ");
    transcript!(Soku::new().run("config check --public-url https://media.mysoku.io"), @r"
    exit 0
    --- stdout
    --- stderr
    the configuration is valid
    ");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let soku = Soku::new()
        .file("soku-data/soku.toml", "[fetch]\nmax_byte = 5\ntotal_timeout = 30\n")
        .variable("SOKU_FETCH_ALLOW_NETWORKS", "10.0.0.0/33")
        .variable("SOKU_FETCH_TRYS", "4");

    transcript!(soku.run("config check"), @r"
    exit 1
    --- stdout
    --- stderr
    warning: the variable SOKU_FETCH_TRYS is no setting and is ignored; the nearest is SOKU_FETCH_TRIES
    error: there is no setting `fetch.max_byte` (`./soku-data/soku.toml` line 2); the nearest right one is `fetch.max_bytes`
    error: `fetch.allow_networks` is `10.0.0.0/33` (SOKU_FETCH_ALLOW_NETWORKS), but must be networks such as `10.1.0.0/16` or addresses, separated by commas: `10.0.0.0/33` is neither a network like 10.1.0.0/16 nor an address
    error: `fetch.total_timeout` is `30` (`./soku-data/soku.toml` line 3), but must be a time from 10ms to 7d, with the unit ms, s, m, h or d; the nearest right one is `30s`
    ");
}

#[test]
fn a_wrong_flag_is_wrong_usage() {
    transcript!(Soku::new().run("config check --fetch-max-bytes 5GG"), @r"
    exit 2
    --- stdout
    --- stderr
    error: `fetch.max_bytes` is `5GG` (--fetch-max-bytes), but must be a size from 1 to 5TiB, in whole bytes or with B, KiB, MiB, GiB or TiB; the nearest right one is `5GiB`
    ");
    transcript!(Soku::new().run("config check --fetch-max-byte 5GiB"), @r"
    exit 2
    --- stdout
    --- stderr
    error: unexpected argument '--fetch-max-byte' found

      tip: a similar argument exists: '--fetch-max-bytes'

    Usage: soku config check --fetch-max-bytes <SIZE>

    For more information, try '--help'.
    ");
}

#[test]
fn a_file_that_is_no_settings_file_is_named_with_its_line() {
    let soku = Soku::new().file("bad.toml", "listen = \"127.0.0.1:0\"\n[fetch\n");

    transcript!(soku.run("config check --config bad.toml"), @r"
    exit 1
    --- stdout
    --- stderr
    error: `bad.toml` line 2 is not TOML: unclosed table, expected `]`
    ");
    transcript!(soku.run("config check --config missing.toml"), @r"
    exit 1
    --- stdout
    --- stderr
    error: could not read the settings file `missing.toml`: No such file or directory (os error 2)
    ");
}

#[test]
fn what_is_in_force_is_printed_with_where_it_came_from_and_without_secrets() {
    let soku = Soku::new()
        .file("my.toml", "[database]\nurl = \"postgres://soku:hunter2@db/soku\"\n")
        .variable("SOKU_STORAGE_URL", "s3://media")
        .variable("AWS_ACCESS_KEY_ID", "AKIAHUNTER")
        .variable("AWS_SECRET_ACCESS_KEY", "hunter3")
        .variable("AWS_REGION", "eu-north-1");

    let printed = soku.run("config print --config my.toml --fetch-tries 7").succeeds();

    for line in [
        "listen = \"127.0.0.1:8080\"\n",
        "url = \"postgres://soku:***@db/soku\"  # `my.toml` line 2\n",
        "url = \"s3://media\"  # SOKU_STORAGE_URL\n",
        "region = \"eu-north-1\"  # AWS_REGION\n",
        "tries = 7  # --fetch-tries\n",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(!printed.to_lowercase().contains("hunter"), "{printed}");
}

#[test]
fn a_printed_configuration_is_a_settings_file() {
    let soku = Soku::new();
    let printed = soku.run("config print --http-max-body 1MiB").succeeds();
    let soku = soku.file("printed.toml", &printed);

    let again = soku.run("config print --config printed.toml --json").json();

    assert_eq!(again["http"]["max_body"], "1MiB");
    assert_eq!(again["rate_limit"]["enabled"], true);
    assert_eq!(again["listen"], "127.0.0.1:8080");
}
