//! Rules P1 and P2 on the real program.

use soku_testkit::{Origin, TlsOrigin};

use crate::netns::world::{PRIVATE, WEB, reason, world};

#[test]
fn only_the_four_ports_of_the_web_are_dialled() {
    world(async |world| {
        let place = world.place();
        let closed = [22, 25, 2375, 5432, 6379, 9200, 10250];
        world.dns.answer("cdn.example.org", &[WEB]);
        let mut forbidden = Vec::new();
        for port in closed {
            forbidden.push(world.source(WEB, port).await);
        }
        let open = [world.source(WEB, 80).await, world.source(WEB, 8080).await];
        let tls = TlsOrigin::builder().at(([93, 184, 215, 14], 8443)).named(&["cdn.example.org"]).start().await;
        tls.answer_all_with(|_, _| soku_testkit::Answer::ok("image/png", soku_testkit::samples::PNG.bytes));
        let roots = place.folder().join("roots.pem");
        std::fs::write(&roots, tls.ca_pem()).expect("written");
        let place = place.with("SSL_CERT_FILE", roots.to_str().expect("UTF-8"));
        let program = world.start(&place);

        for port in closed {
            for host in [WEB, "cdn.example.org"] {
                let (status, body) = program.import(&format!("http://{host}:{port}/a.png")).await;
                assert_eq!((status, reason(&body)), (400, "port_blocked"), "{host}:{port}: {body}");
            }
        }
        assert_eq!(forbidden.iter().map(Origin::connections).sum::<usize>(), 0, "a closed port was dialled");
        assert!(world.dns.queries().is_empty(), "the port is decided before the name is asked");
        for url in
            ["http://cdn.example.org/a.png", "http://93.184.215.14:8080/b.png", "https://cdn.example.org:8443/c.png"]
        {
            let (status, body) = program.import(url).await;
            assert_eq!(status, 201, "{url}: {body}");
        }
        assert_eq!(open.iter().map(Origin::connections).sum::<usize>(), 2);
    });
}

#[test]
fn an_allowed_network_opens_its_own_ports_and_no_others() {
    world(async |world| {
        let inner = world.source(PRIVATE[0], 9000).await;
        let outer = world.source(WEB, 9000).await;
        let metadata = world.source("169.254.169.254", 80).await;
        world.dns.answer("both.example.org", &[WEB, PRIVATE[0]]);
        let place = world.place().with("SOKU_FETCH_ALLOW_NETWORKS", "10.20.30.0/24,169.254.0.0/16");
        let program = world.start(&place);

        let (status, body) = program.import("http://10.20.30.40:9000/a.png").await;
        assert_eq!(status, 201, "{body}");
        let (status, body) = program.import(&format!("http://{WEB}:9000/a.png")).await;
        assert_eq!((status, reason(&body)), (400, "port_blocked"));
        let (status, body) = program.import("http://169.254.169.254/latest/meta-data/").await;
        assert_eq!((status, reason(&body)), (400, "address_not_public"));
        // The public answer of the same name stays bound to the ports of the web.
        let (status, body) = program.import("http://both.example.org:9000/b.png").await;
        assert_eq!(status, 201, "{body}");
        assert_eq!((inner.connections(), outer.connections(), metadata.connections()), (2, 0, 0));
    });
}
