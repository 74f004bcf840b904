//! What the environment may change, and what it may not: each test runs a child process with variables of its own.

use std::io::Write as _;
use std::process::{Command, Stdio};

use soku_testkit::TlsOrigin;

use super::*;

/// Dials the URL on standard input with the default settings; the other tests here run it in a process of its own.
#[tokio::test]
#[ignore = "run by the tests beside it, with an environment of their choice"]
async fn child_dials_what_it_is_told() {
    let mut url = String::new();
    io::stdin().read_line(&mut url).unwrap();
    let outcome = match Dialer::new(Policy::loopback(), DialSettings::default()) {
        Err(error) => format!("{error:?}"),
        Ok(dialer) => match dialer.dial(&SourceUrl::parse(&url).unwrap(), "somebody").await {
            Ok(connection) => format!("connected to {}", connection.tcp().peer_addr().unwrap()),
            Err(error) => format!("{error:?}"),
        },
    };
    // Not `print!`: the harness would catch it.
    writeln!(io::stdout(), "outcome: {outcome}").unwrap();
}

/// What the child said when it dialled `url` with these variables set.
async fn outcome(url: String, variables: Vec<(&'static str, String)>) -> String {
    let child = tokio::task::spawn_blocking(move || {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "dial::tests::environment::child_dials_what_it_is_told", "--ignored", "--nocapture"])
            .env_remove("SSL_CERT_DIR")
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(url.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = timeout(PATIENCE, child).await.expect("the child ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some((_, said)) = text.split_once("outcome: ") else {
        panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr))
    };
    said.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn proxy_variables_change_nothing() {
    let origin = Origin::start().await;
    let secure = TlsOrigin::start().await;
    let proxy = Origin::start().await;
    let proxy_url = format!("http://{}", proxy.address());
    let names = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let variables: Vec<_> = names.map(|name| (name, proxy_url.clone())).to_vec();

    let plain = outcome(origin.url("/"), variables.clone()).await;
    let encrypted = outcome(format!("https://127.0.0.1:{}/", secure.port()), variables).await;

    assert_eq!(plain, format!("connected to {}", origin.address()));
    assert!(encrypted.contains("UnknownIssuer"), "it met the source itself: {encrypted}");
    assert_eq!((origin.connections(), secure.connections()), (1, 1));
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn the_certificates_to_trust_come_from_ssl_cert_file() {
    let origin = TlsOrigin::start().await;
    let url = format!("https://127.0.0.1:{}/", origin.port());
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("roots.pem"), origin.ca_pem()).unwrap();

    let trusting = outcome(url.clone(), vec![("SSL_CERT_FILE", path("roots.pem"))]).await;
    let misspelt = outcome(url, vec![("SSL_CERT_FILE", path("rots.pem"))]).await;

    assert_eq!(trusting, format!("connected to {}", origin.address()));
    assert!(misspelt.contains("Unreadable"), "a misspelt file does not mean other certificates: {misspelt}");
}
