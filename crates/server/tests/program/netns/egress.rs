//! Rule O3 on the real program: the firewall rules of `deploy/egress.nft`, as they are copied.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::netns::world::{PRIVATE, WEB, reason, world};

const RULES: &str = include_str!("../../../../../deploy/egress.nft");

#[test]
fn the_firewall_refuses_what_the_program_was_told_to_allow() {
    world(async |world| {
        let public = world.source(WEB, 80).await;
        let mut inner = Vec::new();
        for address in PRIVATE {
            inner.push(world.source(address, 80).await);
        }
        // As wrong as a configuration can be.
        let allowed = PRIVATE.join(",");
        let place = world.place().with("SOKU_FETCH_ALLOW_NETWORKS", &allowed).with("SOKU_FETCH_TRIES", "1");
        let program = world.start(&place);
        assert_eq!(program.import(&format!("http://{}/before.png", PRIVATE[0])).await.0, 201);

        let mut nft = Command::new("nsenter")
            .args(["-t", &world.host().to_string(), "-n", "--", "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("`nft` of nftables");
        let user = rustix::process::geteuid().as_raw();
        let rules = RULES.replace("define SOKU_USER = soku", &format!("define SOKU_USER = {user}"));
        nft.stdin.take().expect("a pipe").write_all(rules.as_bytes()).expect("it reads");
        assert!(nft.wait().expect("it ends").success(), "the rules load");

        for address in PRIVATE {
            let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            let (status, body) = program.import(&format!("http://{host}/a.png")).await;
            assert_eq!((status, reason(&body)), (500, "connect_failed"), "{address}: {body}");
        }
        assert_eq!(inner.iter().map(soku_testkit::Origin::connections).sum::<usize>(), 1, "the one before the rules");
        // The public Internet is there as before, and so are those who connect to the program.
        assert_eq!(program.import(&format!("http://{WEB}/a.png")).await.0, 201);
        assert_eq!(public.connections(), 1);
    });
}
