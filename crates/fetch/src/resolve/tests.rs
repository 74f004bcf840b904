use std::fs;
use std::path::Path;

use futures_util::StreamExt;
use soku_testkit::DnsServer;

use super::*;

fn settings(hosts: &Path, dns: &DnsServer) -> ResolverSettings {
    ResolverSettings {
        servers: vec![dns.address()],
        timeout: Duration::from_secs(5),
        files: SystemFiles { hosts: hosts.to_owned(), ..SystemFiles::default() },
    }
}

async fn addresses(resolver: &Resolver, name: &str) -> Vec<String> {
    let mut answers = resolver.lookup(name).unwrap();
    let mut found = Vec::new();
    while let Some(answer) = answers.next().await {
        found.extend(answer.addresses.unwrap_or_default().iter().map(IpAddr::to_string));
    }
    found
}

#[tokio::test]
async fn a_changed_hosts_file_is_read_again_after_a_minute() {
    let dns = DnsServer::start().await;
    let directory = tempfile::tempdir().unwrap();
    let hosts = directory.path().join("hosts");
    fs::write(&hosts, "10.0.0.1 files.example.com\n").unwrap();
    let resolver = Resolver::new(settings(&hosts, &dns)).unwrap();
    assert_eq!(addresses(&resolver, "files.example.com").await, ["10.0.0.1"]);

    fs::write(&hosts, "10.0.0.2 files.example.com # moved\n").unwrap();
    assert_eq!(addresses(&resolver, "files.example.com").await, ["10.0.0.1"]);
    resolver.system.age(system::REREAD_AFTER);

    assert_eq!(addresses(&resolver, "files.example.com").await, ["10.0.0.2"]);
}

#[tokio::test]
async fn a_missing_hosts_file_is_an_empty_one() {
    let dns = DnsServer::start().await;
    dns.answer("files.example.com", &["10.0.0.7"]);
    let resolver = Resolver::new(settings(Path::new("/nonexistent/hosts"), &dns)).unwrap();

    assert_eq!(addresses(&resolver, "files.example.com").await, ["10.0.0.7"]);
}

#[tokio::test]
async fn an_answer_that_says_an_address_twice_says_it_once() {
    let dns = DnsServer::start().await;
    dns.answer("files.example.com", &["10.0.0.7", "10.0.0.8", "10.0.0.7"]);
    let resolver = Resolver::new(settings(Path::new("/nonexistent/hosts"), &dns)).unwrap();

    assert_eq!(addresses(&resolver, "files.example.com").await, ["10.0.0.7", "10.0.0.8"]);
}

#[test]
fn the_systems_name_servers_are_those_of_resolv_conf() {
    let directory = tempfile::tempdir().unwrap();
    let conf = directory.path().join("resolv.conf");
    let servers = || system::system_servers(&conf).iter().map(|server| server.ip.to_string()).collect::<Vec<_>>();

    assert_eq!(servers(), ["127.0.0.1"], "none listed: the one on this machine");
    fs::write(&conf, "search svc.cluster.local\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions ndots:5\n")
        .unwrap();
    assert_eq!(servers(), ["192.0.2.53", "2001:db8::53"]);
    fs::write(&conf, "search svc.cluster.local\n").unwrap();
    assert_eq!(servers(), ["127.0.0.1"]);
}
