//! Rules N1 to N7, D1 and R1 on the real program: nothing private is reached, whatever the URL says.

use soku_testkit::{Answer, Origin};

use crate::netns::world::{LOST_6, NEIGHBOUR_6, OWN, OWN_6, PRIVATE, WEB, WEB_6, World, reason, world};

fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// Listeners on everything that must not be reached, on ports of the web.
async fn forbidden(world: &World) -> Vec<Origin> {
    let mut sources = Vec::new();
    for address in PRIVATE.iter().chain(&[NEIGHBOUR_6]) {
        for port in [80, 8080] {
            sources.push(world.source(address, port).await);
        }
    }
    sources
}

#[test]
fn nothing_private_is_dialled_by_literal_by_name_or_by_redirect() {
    world(async |world| {
        let sources = forbidden(&world).await;
        let public = world.source(WEB, 80).await;
        let place = world.place();
        let program = world.start(&place);
        // The program itself is listening there too.
        let own = [OWN, OWN_6, "127.0.0.1", "::1", "0.0.0.0"];

        for (nth, address) in PRIVATE.iter().chain(&[NEIGHBOUR_6]).chain(&own).enumerate() {
            let literal = bracketed(address);
            let name = format!("inner{nth}.example.org");
            world.dns.answer(&name, &[address]);
            public.serve(&format!("/literal{nth}"), Answer::redirect(302, format!("http://{literal}:8080/x.png")));
            public.serve(&format!("/name{nth}"), Answer::redirect(307, format!("http://{name}:8080/x.png")));
            for url in [
                format!("http://{literal}/x.png"),
                format!("http://{literal}:8080/healthz"),
                format!("http://{name}/x.png"),
                format!("http://{WEB}/literal{nth}"),
                format!("http://{WEB}/name{nth}"),
            ] {
                let (status, body) = program.import(&url).await;
                assert_eq!((status, reason(&body)), (400, "address_not_public"), "{url} ({address}): {body}");
            }
        }
        assert_eq!(sources.iter().map(Origin::connections).sum::<usize>(), 0, "somebody was dialled");
        assert!(program.import(&format!("http://{WEB}/a.png")).await.0 == 201);
    });
}

#[test]
fn an_ipv4_address_inside_an_ipv6_one_is_judged_by_what_it_is() {
    world(async |world| {
        let sources = forbidden(&world).await;
        let public = world.source(WEB, 80).await;
        let place = world.place();
        let program = world.start(&place);

        for wrapped in ["::ffff:10.20.30.40", "64:ff9b::10.20.30.40", "::10.20.30.40", "2002:a14:1e28::1"] {
            world.dns.answer("wrapped.example.org", &[wrapped]);
            for url in [format!("http://[{wrapped}]/a.png"), "http://wrapped.example.org/a.png".to_owned()] {
                let (status, body) = program.import(&url).await;
                assert_eq!((status, reason(&body)), (400, "address_not_public"), "{url} ({wrapped})");
            }
        }
        assert_eq!(program.import(&format!("http://[::ffff:{WEB}]/a.png")).await.0, 201);
        assert_eq!(public.connections(), 1);
        assert_eq!(sources.iter().map(Origin::connections).sum::<usize>(), 0);
    });
}

#[test]
fn both_families_are_dialled_and_a_dead_one_does_not_matter() {
    world(async |world| {
        let (four, six) = (world.source(WEB, 80).await, world.source(WEB_6, 80).await);
        world.dns.answer("six.example.org", &[WEB_6]);
        world.dns.answer("dead-six.example.org", &[LOST_6, WEB]);
        let place = world.place();
        let program = world.start(&place);

        assert_eq!(program.import("http://six.example.org/a.png").await.0, 201);
        assert_eq!((four.connections(), six.connections()), (0, 1));
        let (status, body) = program.import("http://dead-six.example.org/a.png").await;
        assert_eq!(status, 201, "{body}");
        assert_eq!(four.connections(), 1);
    });
}

#[test]
fn proxy_variables_and_a_forwarded_host_change_nothing() {
    world(async |world| {
        let (public, proxy) = (world.source(WEB, 80).await, world.source(WEB, 8080).await);
        let mut place = world.place();
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            place = place.with(name, "http://93.184.215.14:8080");
        }
        let program = world.start(&place);

        assert_eq!(program.import(&format!("http://{WEB}/a.png")).await.0, 201);
        assert_eq!((public.connections(), proxy.connections()), (1, 0));
    });
}
