//! `soku config`, and settings from everywhere.

use std::fmt::Write as _;

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
fn sharing_a_site_with_the_page_is_warned_of() {
    transcript!(
        Soku::new()
            .variable("SOKU_PUBLIC_URL", "https://media.example.co.uk")
            .variable("SOKU_PAGE_URL", "https://www.example.co.uk/login")
            .run("config check"),
        @r"
    exit 0
    --- stdout
    --- stderr
    warning: SOKU_PUBLIC_URL (https://media.example.co.uk) and SOKU_PAGE_URL (https://www.example.co.uk/login) share the site example.co.uk, so the files of strangers are served among the cookies of your page: serve media from a domain of their own that sets none
    the configuration is valid
    "
    );

    // What a browser calls one site: the same registrable domain, whatever the port, the scheme and the path.
    let mut verdicts = String::new();
    for (public, page) in [
        ("https://example.com", "https://example.com"),
        ("https://example.com/media", "https://example.com/shop"),
        ("https://example.com:8443", "https://example.com"),
        ("https://example.com", "http://example.com"),
        ("https://MEDIA.Example.com.", "https://example.com"),
        ("https://a.b.example.com", "https://c.example.com"),
        ("https://media.example.net", "https://www.example.com"),
        ("https://media-example.com", "https://example.com"),
        ("https://media.co.uk", "https://example.co.uk"),
        ("https://media.example.co.uk", "https://example.co.uk"),
        ("https://media.github.io", "https://example.github.io"),
        ("https://media.example.github.io", "https://example.github.io"),
        ("https://github.io", "https://github.io"),
        ("https://example.github.io", "https://github.io"),
        ("https://media.müller.网络.cn", "https://www.müller.xn--io0a7i.cn"),
        ("https://müller.网络.cn", "https://meier.网络.cn"),
        ("https://media.nas.lan", "https://www.nas.lan"),
        ("https://media.www.ck", "https://www.ck"),
        ("https://media.example.ck", "https://www.example.ck"),
        ("https://192.0.2.7", "https://192.0.2.7:8443"),
        ("https://192.0.2.7", "https://192.0.3.7"),
        ("https://[2001:db8::7]", "https://[2001:db8:0::7]:8443"),
        ("https://[2001:db8::7]", "https://[2001:db8::8]"),
        ("http://localhost:8080", "http://localhost:3000"),
        ("http://media.localhost:8080", "http://localhost:3000"),
        ("http://127.0.0.1:8080", "http://localhost:3000"),
        ("", "http://127.0.0.1:3000"),
        ("https://media.example.com", ""),
    ] {
        let said = Soku::new()
            .variable("SOKU_PUBLIC_URL", public)
            .variable("SOKU_PAGE_URL", page)
            .run_words(&["config", "check"]);
        let shared = said.stderr.split_once(" share the site ").map(|(_, rest)| rest.split_once(',').unwrap().0);
        writeln!(verdicts, "{public} and {page}: {}", shared.unwrap_or("-")).unwrap();
    }
    insta::assert_snapshot!(verdicts, @r"
    https://example.com and https://example.com: example.com
    https://example.com/media and https://example.com/shop: example.com
    https://example.com:8443 and https://example.com: example.com
    https://example.com and http://example.com: example.com
    https://MEDIA.Example.com. and https://example.com: example.com
    https://a.b.example.com and https://c.example.com: example.com
    https://media.example.net and https://www.example.com: -
    https://media-example.com and https://example.com: -
    https://media.co.uk and https://example.co.uk: -
    https://media.example.co.uk and https://example.co.uk: example.co.uk
    https://media.github.io and https://example.github.io: -
    https://media.example.github.io and https://example.github.io: example.github.io
    https://github.io and https://github.io: github.io
    https://example.github.io and https://github.io: -
    https://media.müller.网络.cn and https://www.müller.xn--io0a7i.cn: xn--mller-kva.xn--io0a7i.cn
    https://müller.网络.cn and https://meier.网络.cn: -
    https://media.nas.lan and https://www.nas.lan: nas.lan
    https://media.www.ck and https://www.ck: www.ck
    https://media.example.ck and https://www.example.ck: -
    https://192.0.2.7 and https://192.0.2.7:8443: 192.0.2.7
    https://192.0.2.7 and https://192.0.3.7: -
    https://[2001:db8::7] and https://[2001:db8:0::7]:8443: [2001:db8::7]
    https://[2001:db8::7] and https://[2001:db8::8]: -
    http://localhost:8080 and http://localhost:3000: localhost
    http://media.localhost:8080 and http://localhost:3000: -
    http://127.0.0.1:8080 and http://localhost:3000: -
     and http://127.0.0.1:3000: 127.0.0.1
    https://media.example.com and : -
    ");

    let soku = Soku::new().variable("SOKU_PUBLIC_URL", "https://media.example.com");
    let mut server = soku.start("serve --listen 127.0.0.1:0 --page-url https://example.com");
    server.says("SOKU_PUBLIC_URL (https://media.example.com) and SOKU_PAGE_URL (https://example.com) share the site");
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
    error: `fetch.max_bytes` is `5GG` (--fetch-max-bytes), but must be a size from 1 to 5TiB, in whole bytes or with B, kB, KiB, MB, MiB, GB, GiB, TB or TiB; the nearest right one is `5GiB`
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
    error: could not read the settings file `missing.toml` (--config): name one that is there; `soku config print` writes one: No such file or directory (os error 2)
    ");
    transcript!(Soku::new().file("other/soku.toml/x", "").run("config check --data-dir other"), @r"
    exit 1
    --- stdout
    --- stderr
    error: could not read the settings file `other/soku.toml` (--data-dir): name one that is there; `soku config print` writes one: Is a directory (os error 21)
    ");
    transcript!(Soku::new().variable("SOKU_DATA_DIR", "/proc/x").run("account create acme"), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot use the data directory `/proc/x` (SOKU_DATA_DIR; SOKU_DATA_DIR or --data-dir names another): could not make the directory `/proc/x`: No such file or directory (os error 2)
    ");
    transcript!(Soku::new().file("odd.toml", "colour = \"red\"\n").run("config check --config odd.toml"), @r"
    exit 1
    --- stdout
    --- stderr
    error: there is no setting `colour` (`odd.toml` line 1): `soku config print` shows them all
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
fn a_bucket_that_nothing_opens_is_warned_of() {
    let soku = || {
        let soku = Soku::new().variable("SOKU_PUBLIC_URL", "https://media.mysoku.io");
        soku.variable("SOKU_STORAGE_URL", "s3://my-media")
    };

    transcript!(soku().run("config check"), @r"
    exit 0
    --- stdout
    --- stderr
    warning: SOKU_STORAGE_URL is s3://my-media, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set (and no file such as ~/.aws/credentials is read): only a machine of Amazon's with a role of its own opens the bucket without them
    the configuration is valid
    ");
    transcript!(soku().variable("AWS_ACCESS_KEY_ID", "AKIA").run("config check"), @r"
    exit 1
    --- stdout
    --- stderr
    error: `storage.url` is `s3://my-media` (SOKU_STORAGE_URL), but AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY: set both, or neither
    ");
    let half = soku().variable("AWS_ROLE_ARN", "arn:aws:iam::1:role/soku");
    assert!(half.run("config check").stderr.starts_with("warning: SOKU_STORAGE_URL"));
    for variables in [
        &[("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "x")][..],
        &[("AWS_ROLE_ARN", "arn:aws:iam::1:role/soku"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")],
        &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x")],
    ] {
        let soku = variables.iter().fold(soku(), |soku, (name, value)| soku.variable(name, value));
        assert_eq!(soku.run("config check").stderr, "the configuration is valid\n", "{variables:?}");
    }
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
