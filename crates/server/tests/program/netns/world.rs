//! The two namespaces, and the program in one of them.

use std::any::type_name;
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use soku_testkit::{Answer, DnsServer, Origin, samples};

use crate::program::{Place, Program, eventually};

/// Public addresses of the world, on which sources may listen.
pub(crate) const WEB: &str = "93.184.215.14";
pub(crate) const WEB_2: &str = "93.184.215.15";
pub(crate) const WEB_6: &str = "2a00:1450:4001:82f::200e";
/// Where the name server of the world is.
const NAME_SERVER: &str = "93.184.215.53";
/// Public addresses that nobody has: the world forwards nothing, so what is sent there is lost.
pub(crate) const LOST: &str = "93.184.215.99";
pub(crate) const LOST_6: &str = "2a00:1450:4001:82f::dead";
/// Addresses that only a network's own people should reach; the world has them all.
pub(crate) const PRIVATE: [&str; 7] =
    ["10.20.30.40", "172.16.5.6", "192.168.7.8", "100.64.9.9", "169.254.169.254", "168.63.129.16", "fd00:20::7"];
/// The program's own address and the other end of its wire.
pub(crate) const OWN: &str = "185.199.108.2";
pub(crate) const OWN_6: &str = "2a01:4f8:1:2::2";
pub(crate) const NEIGHBOUR_6: &str = "2a01:4f8:1:2::1";

const INSIDE: &str = "SOKU_TEST_NETNS";

/// Runs a test in a world of its own.
pub(crate) fn world<F: AsyncFnOnce(World)>(test: F) {
    apart::<F>(async || test(World::new().await).await);
}

/// Runs a test in a network namespace of its own, with a loopback interface and nothing else.
pub(crate) fn on_loopback_alone<F: AsyncFnOnce()>(test: F) {
    apart::<F>(async || {
        ip("link set lo up");
        test().await;
    });
}

/// Starts the test program once more, in a new network namespace, for the one test in which `F` stands.
fn apart<F>(test: impl AsyncFnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return tokio::runtime::Runtime::new().expect("a runtime").block_on(test());
    }
    // `program::netns::ports::the_test::{{closure}}`
    let name = type_name::<F>().split("::").skip(1).take_while(|part| !part.starts_with('{')).collect::<Vec<_>>();
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let output = command
        .args(["--net", "--fork", "--kill-child", "--"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", &name.join("::"), "--nocapture", "--include-ignored"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("`unshare` of util-linux");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "in its own network:\n{said}\n{complained}");
}

/// The rest of the world, in this process's namespace; the program's own is held open by a process that sleeps.
pub(crate) struct World {
    host: Child,
    pub(crate) dns: DnsServer,
}

impl World {
    async fn new() -> World {
        let host = Command::new("unshare").args(["--net", "--", "sleep", "600"]).spawn().expect("`unshare`");
        let id = host.id().to_string();
        ip("link set lo up");
        // The new namespace is there as soon as it differs from ours.
        let ours = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
        eventually(|| std::fs::read_link(format!("/proc/{id}/ns/net")).ok().filter(|theirs| *theirs != ours));
        ip(&format!("link add world type veth peer name wire netns {id}"));
        ip("link set world up");
        ip("addr add 185.199.108.1/24 dev world");
        ip(&format!("addr add {NEIGHBOUR_6}/64 dev world nodad"));
        for address in [WEB, WEB_2, NAME_SERVER, WEB_6].iter().chain(&PRIVATE) {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            ip(&format!("addr add {address}/{} dev lo{nodad}", if address.contains(':') { 128 } else { 32 }));
        }
        let inside = |arguments: &str| run(&format!("nsenter -t {id} -n -- ip {arguments}"));
        inside("link set lo up");
        inside("link set wire up");
        inside(&format!("addr add {OWN}/24 dev wire"));
        inside(&format!("addr add {OWN_6}/64 dev wire nodad"));
        inside("route add default via 185.199.108.1");
        inside(&format!("route add default via {NEIGHBOUR_6}"));
        let dns = DnsServer::start_at(SocketAddr::new(NAME_SERVER.parse().expect("an address"), 53)).await;
        World { host, dns }
    }

    /// The process that holds the program's namespace open.
    pub(crate) fn host(&self) -> u32 {
        self.host.id()
    }

    /// Settings of a program in this world.
    pub(crate) fn place(&self) -> Place {
        Place::new()
            .with("SOKU_LISTEN", "185.199.108.2:8080")
            .with("SOKU_FETCH_DNS_SERVERS", NAME_SERVER)
            .with("SOKU_RATE_LIMIT_ENABLED", "false")
    }

    /// The program, as whoever follows the README starts it, at its public address.
    pub(crate) fn start(&self, place: &Place) -> Program {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.host.id().to_string(), "-n", "--", "sh", "-c"]);
        // Its default list of allowed networks is empty, and that is what is tested here.
        command.arg(
            r#"[ "$SOKU_FETCH_ALLOW_NETWORKS" != 127.0.0.1/32 ] || unset SOKU_FETCH_ALLOW_NETWORKS; exec "$0" "$@""#,
        );
        command.arg(env!("CARGO_BIN_EXE_soku"));
        place.start_as(command)
    }

    /// A source at a public or private address of the world that serves a picture everywhere.
    pub(crate) async fn source(&self, address: &str, port: u16) -> Origin {
        let origin = Origin::start_at((address.parse::<IpAddr>().expect("an address"), port)).await;
        origin.answer_all_with(|_, _| Answer::ok("image/png", samples::PNG.bytes));
        origin
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.host.kill();
        let _ = self.host.wait();
    }
}

/// The reason of an answer that is an error.
pub(crate) fn reason(body: &Value) -> &str {
    body["error"]["details"]["reason"].as_str().unwrap_or("none")
}

fn ip(arguments: &str) {
    run(&format!("ip {arguments}"));
}

fn run(line: &str) {
    let mut words = line.split(' ');
    let output = Command::new(words.next().expect("a command")).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("`{line}` cannot run: {error}"));
    assert!(output.status.success(), "`{line}`: {}", String::from_utf8_lossy(&output.stderr));
}
