//! The configuration as a whole: precedence, the default document, and every way to get it wrong.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::*;

/// A data directory with this `soku.toml`.
fn data_dir(document: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("soku.toml"), document).unwrap();
    dir
}

fn load(
    dir: &tempfile::TempDir,
    flags: &[(&'static str, &str)],
    variables: &[(&str, &str)],
) -> Result<Loaded, ConfigError> {
    let mut values: HashMap<&'static str, String> =
        flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    values.entry("data_dir").or_insert_with(|| dir.path().to_str().unwrap().to_owned());
    let environment =
        variables.iter().fold(Environment::default(), |environment, (name, value)| environment.with(name, value));
    Config::load(&Flags { file: None, values }, &environment)
}

/// The problems, a line each, with the directory's name taken out.
fn problems(dir: &tempfile::TempDir, flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Vec<String> {
    let error = load(dir, flags, variables).expect_err("the configuration is wrong");
    let dir = dir.path().to_str().unwrap();
    error.problems.iter().map(|problem| problem.to_string().replace(dir, "DIR")).collect()
}

#[test]
fn the_default_document_lists_exactly_the_settings_each_with_its_meaning() {
    let documented: BTreeSet<String> =
        document::entries(DEFAULT_DOCUMENT).unwrap().into_iter().map(|entry| entry.name).collect();
    let declared: BTreeSet<String> = SETTINGS.iter().map(|setting| setting.name.clone()).collect();

    assert_eq!(documented, declared);
    for setting in SETTINGS.iter() {
        assert!(setting.about.len() > 20 && setting.about.ends_with('.'), "{}: {}", setting.name, setting.about);
    }
}

#[test]
fn the_default_document_is_a_right_configuration_wherever_it_is_copied() {
    let dir = data_dir(DEFAULT_DOCUMENT);

    let loaded = load(&dir, &[], &[]).unwrap();

    assert_eq!(loaded.config, Config { data_dir: dir.path().to_owned(), ..Config::default() });
}

#[test]
fn the_defaults_are_the_contracts() {
    let config = Config::default();

    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data_dir, PathBuf::from("./soku-data"));
    assert_eq!(config.fetch.allow_ports, [80, 443, 8080, 8443]);
    assert_eq!(config.fetch.max_bytes, 5 << 30);
    assert_eq!(config.fetch.total_timeout, Duration::from_secs(30 * 60));
    assert_eq!(config.downloads.at_once, 256);
    assert_eq!((config.rate_limit.premium_per_minute, config.rate_limit.premium_burst), (100, 100));
    assert_eq!(config.idempotency.ttl, Duration::from_secs(24 * 60 * 60));
    assert!(config.trusted_proxies.is_empty() && config.public_url.is_none() && config.database.url.is_none());
}

#[test]
fn the_names_of_a_setting_follow_from_its_section_and_key() {
    let names = |name: &str| {
        let setting = SETTINGS.iter().find(|setting| setting.name == name).unwrap();
        (setting.variable.as_str(), setting.flag.as_str())
    };

    assert_eq!(names("listen"), ("SOKU_LISTEN", "listen"));
    assert_eq!(names("fetch.max_bytes"), ("SOKU_FETCH_MAX_BYTES", "fetch-max-bytes"));
    assert_eq!(names("rate_limit.enabled"), ("SOKU_RATE_LIMIT_ENABLED", "rate-limit-enabled"));
    let unique = |names: Vec<&str>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    assert!(unique(SETTINGS.iter().map(|setting| setting.variable.as_str()).collect()));
    assert!(unique(SETTINGS.iter().map(|setting| setting.flag.as_str()).collect()));
    assert!(SETTINGS.iter().all(|setting| setting.variable != "SOKU_PORT"));
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let dir = data_dir("[fetch]\ntries = 4\nmax_redirects = 4\nmax_header_fields = 40\n");
    let variables = [("SOKU_FETCH_TRIES", "5"), ("SOKU_FETCH_MAX_REDIRECTS", "5"), ("SOKU_FETCH_CONTACT", "")];

    let loaded = load(&dir, &[("fetch.tries", "6")], &variables).unwrap();

    let fetch = &loaded.config.fetch;
    assert_eq!((fetch.tries, fetch.max_redirects, fetch.max_header_fields), (6, 5, 40));
    assert_eq!(fetch.max_interim_responses, 5);
    assert_eq!(fetch.contact, None);
}

#[test]
fn everything_wrong_is_reported_at_once_with_name_value_and_the_nearest_right_one() {
    let dir = data_dir(
        "lisen = \"x\"\n[fetch]\nmax_byte = 5\ntries = 0\n[fecth]\nidle_timeout = \"1s\"\n[http]\nmax_body = \"9ZiB\"\n",
    );
    let variables = [("SOKU_FETCH_ALLOW_NETWORKS", "10.1.2.3/8"), ("SOKU_LOG_LEVEL", "verbose")];

    insta::assert_snapshot!(problems(&dir, &[("log.format", "jsn")], &variables).join("\n"), @r"
    there is no setting `lisen` (`DIR/soku.toml` line 1); the nearest right one is `listen`
    there is no setting `fetch.max_byte` (`DIR/soku.toml` line 3); the nearest right one is `fetch.max_bytes`
    there is no setting `fecth.idle_timeout` (`DIR/soku.toml` line 6); the nearest right one is `fetch.idle_timeout`
    `fetch.allow_networks` is `10.1.2.3/8` (SOKU_FETCH_ALLOW_NETWORKS), but must be networks such as `10.1.0.0/16` or addresses, separated by commas: `10.1.2.3/8` has bits set beyond its prefix: the network is `10.0.0.0/8`; the nearest right one is `10.0.0.0/8`
    `fetch.tries` is `0` (`DIR/soku.toml` line 4), but must be a whole number from 1 to 100; the nearest right one is `1`
    `http.max_body` is `9ZiB` (`DIR/soku.toml` line 8), but must be a size from 1KiB to 64MiB, in whole bytes or with B, kB, KiB, MB, MiB, GB, GiB, TB or TiB
    `log.format` is `jsn` (--log-format), but must be one of `auto`, `text`, `json`; the nearest right one is `json`
    `log.level` is `verbose` (SOKU_LOG_LEVEL), but must be one of `error`, `warn`, `info`, `debug`, `trace`
    ");
}

#[test]
fn a_misspelt_network_stops_the_start() {
    let dir = data_dir("");
    for (variable, value, quoted) in [
        ("SOKU_FETCH_ALLOW_NETWORKS", "10.0.0.0/8,intranet", "`intranet`"),
        ("SOKU_FETCH_DENY_NETWORKS", "10.0.0.1/24", "`10.0.0.0/24`"),
        ("SOKU_TRUSTED_PROXIES", "10.0.0.0/64", "`10.0.0.0/64`"),
    ] {
        let problems = problems(&dir, &[], &[(variable, value)]);
        assert!(problems.len() == 1 && problems[0].contains(quoted) && problems[0].contains(variable), "{problems:?}");
    }
}

#[test]
fn allowing_everything_is_refused() {
    let dir = data_dir("");
    for everything in ["0.0.0.0/0", "::/0", "10.0.0.0/8,::/0"] {
        let problems = problems(&dir, &[], &[("SOKU_FETCH_ALLOW_NETWORKS", everything)]);
        assert!(problems[0].contains("which is everything"), "{problems:?}");
    }
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let dir = data_dir("");
    let both = [("idempotency.lease", "4s"), ("idempotency.heartbeat", "3s")];
    insta::assert_snapshot!(problems(&dir, &both, &[]).join("\n"), @"`idempotency.heartbeat` is `3s` (--idempotency-heartbeat), but must be at most half of `idempotency.lease`, which is 4s; the nearest right one is `2s`");

    let bucket = [("SOKU_STORAGE_URL", "s3://media"), ("AWS_ENDPOINT_URL", "http://s3"), ("AWS_ACCESS_KEY_ID", "AKIA")];
    insta::assert_snapshot!(problems(&dir, &[], &bucket).join("\n"), @r"
    `storage.endpoint` is `http://s3` (AWS_ENDPOINT_URL), but http:// sends the files in clear: use https://, or set `storage.allow_http`
    `storage.url` is `s3://media` (SOKU_STORAGE_URL), but AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY: set both, or neither
    ");
}

#[test]
fn an_unknown_variable_is_a_warning_and_those_of_kubernetes_are_none() {
    let dir = data_dir("");
    let variables = [
        ("SOKU_FETCH_MAX_BYTE", "5GiB"),
        ("SOKU_PORT", "tcp://10.0.0.1:8080"),
        ("SOKU_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("SOKU_SERVICE_HOST", "10.0.0.1"),
        ("SOKU_SERVICE_PORT_HTTP", "8080"),
        ("SOKU_DB_PORT_5432_TCP", "tcp://10.0.0.1:5432"),
        ("SOKULIKE", "1"),
    ];

    let warnings = load(&dir, &[], &variables).unwrap().warnings;

    assert_eq!(
        warnings,
        ["the variable SOKU_FETCH_MAX_BYTE is no setting and is ignored; the nearest is SOKU_FETCH_MAX_BYTES"]
    );
}

#[test]
fn the_variables_of_s3_are_honoured_below_everything_said_to_soku() {
    let dir = data_dir("[storage]\nregion = \"eu-north-1\"\n");
    let aws = [
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "hunter3"),
        ("AWS_DEFAULT_REGION", "us-west-2"),
        ("AWS_ENDPOINT_URL", "https://s3.example.com/"),
    ];

    let config = load(&dir, &[], &aws).unwrap().config;

    assert_eq!(config.storage.region.as_deref(), Some("eu-north-1"));
    assert_eq!(config.storage.endpoint.as_deref(), Some("https://s3.example.com"));
    let credentials = config.s3_credentials.as_ref().unwrap();
    assert!(credentials.variables().contains(&("AWS_SECRET_ACCESS_KEY".to_owned(), "hunter2".to_owned())));
    assert!(!format!("{config:?}").contains("hunter"), "{config:?}");
}

#[test]
fn a_file_found_in_the_data_directory_cannot_choose_another() {
    let dir = data_dir("data_dir = \"/elsewhere\"\n");
    insta::assert_snapshot!(problems(&dir, &[], &[]).join("\n"), @"`data_dir` is `/elsewhere` (`DIR/soku.toml` line 1), but this file was found in the data directory `DIR`: name another with --config");

    let chosen = Flags { file: Some(dir.path().join("soku.toml")), values: HashMap::new() };
    let loaded = Config::load(&chosen, &Environment::default()).unwrap();
    assert_eq!(loaded.config.data_dir, PathBuf::from("/elsewhere"));
}

#[test]
fn a_settings_file_that_was_named_must_be_there() {
    let flags = Flags { file: Some("/nowhere/soku.toml".into()), values: HashMap::new() };
    let error = Config::load(&flags, &Environment::default()).unwrap_err();

    assert_eq!(
        error.problems[0].to_string(),
        "could not read the settings file `/nowhere/soku.toml` (--config): name one that is there; `soku config print` writes one"
    );
}

#[test]
fn what_is_printed_is_a_settings_file_that_says_the_same_without_its_secrets() {
    let dir = data_dir("[database]\nurl = \"postgres://soku:hunter2@db/soku\"\n[fetch]\nallow_ports = [80, 81]\n");
    let loaded = load(&dir, &[("http.max_body", "1MiB")], &[("SOKU_LOG_FORMAT", "json")]).unwrap();

    let printed = loaded.layers.to_toml();

    assert!(!printed.contains("hunter2") && !loaded.layers.to_json().to_string().contains("hunter2"), "{printed}");
    assert!(printed.contains("url = \"postgres://soku:***@db/soku\"  # `"), "{printed}");
    assert!(printed.contains("format = \"json\"  # SOKU_LOG_FORMAT"), "{printed}");
    let again = data_dir(&printed);
    let flags = Flags { file: Some(again.path().join("soku.toml")), values: HashMap::new() };
    let mut reloaded = Config::load(&flags, &Environment::default()).unwrap().config;
    reloaded.database.url = loaded.config.database.url.clone();
    assert_eq!(reloaded, loaded.config);
    assert_eq!(loaded.layers.to_json()["rate_limit"]["admin_burst"], 500);
    assert_eq!(loaded.layers.to_json()["fetch"]["allow_ports"], "80,81");
}

#[test]
fn a_public_url_not_set_is_the_address_really_listened_on() {
    let mut config = Config::default();
    assert_eq!(config.public_base("127.0.0.1:40123".parse().unwrap()), "http://127.0.0.1:40123");

    let dir = data_dir("public_url = \"https://media.example.com/soku/\"");
    config = load(&dir, &[], &[]).unwrap().config;
    assert_eq!(config.public_base("127.0.0.1:1".parse().unwrap()), "https://media.example.com/soku");
}
