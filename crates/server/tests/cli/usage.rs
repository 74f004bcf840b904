//! What the program says of itself, and how it refuses what it was not meant to be told.

use crate::soku::{Soku, transcript};

#[test]
fn without_a_command_it_shows_what_there_is() {
    transcript!(Soku::new().run(""), @r"
    exit 2
    --- stdout
    --- stderr
    Takes media in by URL, keeps it, and serves it under a URL of its own

    Usage: soku [OPTIONS] <COMMAND>

    Commands:
      serve    Runs the server
      import   Takes in files from their URLs without a server, and prints what the API would answer, a line each
      account  Creates, lists and changes accounts
      key      Creates, lists and revokes API keys
      media    Lists, shows and deletes hosted files
      config   Checks and shows the settings
      sweep    Removes what crashed processes left behind, now and not at the next start
      help     Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Settings:
          --config <FILE>         The settings file [default: `soku.toml` in the data directory, if there]
          --data-dir <DIRECTORY>  The directory of the database, the files and the downloads in progress [default: ./soku-data] [variable: SOKU_DATA_DIR]

    Examples:
      soku serve                                run the server on http://127.0.0.1:8080; the first start shows a key
      soku import https://example.com/a.mp4     take a file in without a server
      soku config print                         what is in force, and from where
      soku account create acme                  an account with an active subscription
      soku key create --account acme            a key for it, on stdout, this once
      soku media list --account acme --json     what it has stored

    All of it works while the server runs. Every setting can be a flag, a variable (SOKU_LISTEN) or a line of a settings
    file; a flag wins over a variable, a variable over the file.
    ");
}

#[test]
fn a_misspelt_command_is_wrong_usage_and_the_right_one_is_named() {
    transcript!(Soku::new().run("acount list"), @r"
    exit 2
    --- stdout
    --- stderr
    error: unrecognized subcommand 'acount'

      tip: a similar subcommand exists: 'account'

    Usage: soku [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    transcript!(Soku::new().run("account lst"), @r"
    exit 2
    --- stdout
    --- stderr
    error: unrecognized subcommand 'lst'

      tip: a similar subcommand exists: 'list'

    Usage: soku account [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    transcript!(Soku::new().run("account list --jsn"), @r"
    exit 2
    --- stdout
    --- stderr
    error: unexpected argument '--jsn' found

      tip: a similar argument exists: '--json'

    Usage: soku account list --json

    For more information, try '--help'.
    ");
}

#[test]
fn the_version_goes_to_stdout() {
    let said = Soku::new().run("--version");

    assert_eq!(said.succeeds(), format!("soku {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_help_of_a_command_teaches_it() {
    transcript!(Soku::new().run("account create --help"), @r"
    exit 0
    --- stdout
    Creates an account, by default with an active subscription that never ends

    Usage: soku account create [OPTIONS] <NAME>

    Arguments:
      <NAME>
              The name that the other commands call it by

    Options:
          --subscription <STATE>
              Uploads are allowed while it is `trialing` or `active`
              
              [possible values: trialing, active, canceled, past_due, unpaid]

          --period-end <RFC3339>
              When the paid period ends: RFC 3339, such as 2027-01-31T00:00:00Z, or `never`

          --admin[=<true|false>]
              Gives the account the admin role, with its higher rate limits; `--admin=false` takes it away
              
              [possible values: true, false]

          --json
              Print the account as a JSON object

      -h, --help
              Print help (see a summary with '-h')

    Settings:
          --config <FILE>
              The settings file [default: `soku.toml` in the data directory, if there]

          --data-dir <DIRECTORY>
              The directory of the database, the files and the downloads in progress. It is created if
              missing.
              [default: ./soku-data] [variable: SOKU_DATA_DIR]

    `soku serve --help` tells of all settings; every command takes them as flags.
    --- stderr
    ");
    transcript!(Soku::new().run("serve -h"), @r#"
    exit 0
    --- stdout
    Runs the server

    Usage: soku serve [OPTIONS]

    Options:
          --print-key  Print the first key on stdout, also where that is no terminal
      -h, --help       Print help (see more with '--help')

    Settings:
          --listen <ADDRESS:PORT>  The address and port to listen on [default: 127.0.0.1:8080] [variable: SOKU_LISTEN]
          --public-url <URL>       The base of hosted URLs, as the rest of the world reaches this server, such as "https://media.example.com" [variable: SOKU_PUBLIC_URL]
          --config <FILE>          The settings file [default: `soku.toml` in the data directory, if there]
          --data-dir <DIRECTORY>   The directory of the database, the files and the downloads in progress [default: ./soku-data] [variable: SOKU_DATA_DIR]

    On a data directory without an account the first start makes the account `default` with one API key, and shows the key
    this once: on stdout, or, where stdout is no terminal, in the file `first-key` of the data directory.

    SIGTERM and SIGINT stop it: running downloads are finished for at most --http-stop-grace. A second signal ends it at once.
    --- stderr
    "#);
    transcript!(Soku::new().run("import --help"), @r"
    exit 0
    --- stdout
    Takes in files from their URLs without a server, and prints what the API would answer, a line each

    All URLs are tried; the errors are the API's, a line each on stderr.
    What the same account took in within the last hour is not loaded again.

    Usage: soku import [OPTIONS] <URL>...

    Arguments:
      <URL>...
              The publicly accessible URLs of image, video or audio files

    Options:
          --account <NAME>
              Whose files they become
              
              [default: default]

      -h, --help
              Print help (see a summary with '-h')

    Settings:
          --config <FILE>
              The settings file [default: `soku.toml` in the data directory, if there]

          --data-dir <DIRECTORY>
              The directory of the database, the files and the downloads in progress. It is created if
              missing.
              [default: ./soku-data] [variable: SOKU_DATA_DIR]

    `soku serve --help` tells of all settings; every command takes them as flags.
    --- stderr
    ");
    transcript!(Soku::new().run("account list --data-dir --json"), @r"
    exit 2
    --- stdout
    --- stderr
    error: a value is required for '--data-dir <DIRECTORY>' but none was supplied

    For more information, try '--help'.
    ");
    transcript!(Soku::new().run("key create -h"), @r"
    exit 0
    --- stdout
    Creates a key and prints it, this once: only its digest is stored

    Usage: soku key create [OPTIONS] --account <NAME>

    Options:
          --account <NAME>  Whose key it is
          --name <LABEL>    What lists call it, such as where it is used
          --json            Print the key with its id as a JSON object
      -h, --help            Print help (see more with '--help')

    Settings:
          --config <FILE>         The settings file [default: `soku.toml` in the data directory, if there]
          --data-dir <DIRECTORY>  The directory of the database, the files and the downloads in progress [default: ./soku-data] [variable: SOKU_DATA_DIR]

    `soku serve --help` tells of all settings; every command takes them as flags.
    --- stderr
    ");
}

#[test]
fn the_help_about_settings_tells_of_every_one_with_its_default_and_variable() {
    let help = Soku::new().run("config print --help").succeeds();

    for expected in [
        "--fetch-max-bytes <SIZE>",
        "[default: 5GiB] [variable: SOKU_FETCH_MAX_BYTES]",
        "Settings [rate_limit]:",
        "The largest file that is taken in, on the wire and after decoding.",
    ] {
        assert!(help.contains(expected), "{expected}: {help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 110), "{help}");
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let soku = Soku::new();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_soku"))
        .args(["config", "print"])
        .current_dir(soku.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());

    assert!(child.wait().unwrap().success());
}

#[test]
fn a_place_that_holds_no_library_stays_untouched() {
    let soku = Soku::new();

    transcript!(soku.run("account list --data-dir slip"), @r"
    exit 1
    --- stdout
    --- stderr
    error: there is no library in `slip`: `soku serve`, `soku import` and `soku account create` begin one, --data-dir names another
    ");
    assert!(!soku.path().join("slip").exists());
}

#[test]
fn a_directory_of_somebody_elses_is_refused() {
    let soku = Soku::new().file("photos/holiday.jpg", "x");
    let said = soku.run("account create acme --data-dir photos");

    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("belongs to something else (it holds `holiday.jpg`)"), "{said}");
}
