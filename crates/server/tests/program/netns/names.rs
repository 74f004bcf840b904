//! Rules D1 to D9 on the real program, with a name server that lies.

use std::time::Duration;

use soku_testkit::{Answer, DnsReply, Transport, samples};

use crate::netns::world::{LOST, PRIVATE, WEB, WEB_2, reason, world};

#[test]
fn a_name_that_turns_private_reaches_nothing_private() {
    world(async |world| {
        let (public, inner) = (world.source(WEB, 80).await, world.source(PRIVATE[0], 80).await);
        let rebinding = || [DnsReply::addresses(&[WEB]), DnsReply::addresses(&[PRIVATE[0]])];
        for name in ["plain.example.org", "hop.example.org", "retry.example.org", "resume.example.org"] {
            world.dns.reply_in_turn(name, rebinding());
        }
        let mut film = samples::MP4.bytes.to_vec();
        film.resize(400_000, 0);
        public.serve("/hop", Answer::redirect(302, "http://hop.example.org/b.png"));
        public.serve("/retry.png", Answer::status(503));
        public.serve("/resume.mp4", Answer::ok("video/mp4", film).header("ETag", "\"v1\"").cut_after(100_000));
        let place = world.place();
        let program = world.start(&place);

        // One question an import: the first answer is used, and whoever asks again is told the private one.
        assert_eq!(program.import("http://plain.example.org/a.png").await.0, 201);
        let (status, body) = program.import("http://plain.example.org/c.png").await;
        assert_eq!((status, reason(&body)), (400, "address_not_public"));
        // Between two hops, between two tries, between a try and its resume.
        for url in
            ["http://hop.example.org/hop", "http://retry.example.org/retry.png", "http://resume.example.org/resume.mp4"]
        {
            let (status, body) = program.import(url).await;
            assert_eq!((status, reason(&body)), (400, "address_not_public"), "{url}: {body}");
        }
        assert_eq!(inner.connections(), 0);
        assert!(place.stored_files().len() == 1, "only the first is stored: {:?}", place.stored_files());
    });
}

#[test]
fn of_a_mixed_answer_only_the_public_addresses_are_dialled() {
    world(async |world| {
        let public = world.source(WEB, 80).await;
        let mut inner = Vec::new();
        for address in PRIVATE {
            inner.push(world.source(address, 80).await);
        }
        let mut mixed = PRIVATE.to_vec();
        mixed.insert(3, WEB);
        world.dns.answer("mixed.example.org", &mixed);
        world.dns.answer("private.example.org", &PRIVATE);
        let place = world.place();
        let program = world.start(&place);

        assert_eq!(program.import("http://mixed.example.org/a.png").await.0, 201);
        let (status, body) = program.import("http://private.example.org/a.png").await;
        assert_eq!((status, reason(&body)), (400, "address_not_public"));
        assert_eq!((public.connections(), inner.iter().map(soku_testkit::Origin::connections).sum::<usize>()), (1, 0));
    });
}

#[test]
fn aliases_are_followed_and_judged_by_where_they_end() {
    world(async |world| {
        let (public, inner) = (world.source(WEB_2, 80).await, world.source(PRIVATE[0], 80).await);
        world.dns.reply("cdn.example.org", DnsReply::BareAlias("edge.example.org".to_owned()));
        world.dns.reply("edge.example.org", DnsReply::BareAlias("node.example.org".to_owned()));
        world.dns.answer("node.example.org", &[WEB_2]);
        world.dns.reply("trap.example.org", DnsReply::BareAlias("backend.example.org".to_owned()));
        world.dns.answer("backend.example.org", &[PRIVATE[0]]);
        world.dns.reply("loop.example.org", DnsReply::BareAlias("loop2.example.org".to_owned()));
        world.dns.reply("loop2.example.org", DnsReply::BareAlias("loop.example.org".to_owned()));
        let place = world.place();
        let program = world.start(&place);

        assert_eq!(program.import("http://cdn.example.org/a.png").await.0, 201);
        let (status, body) = program.import("http://trap.example.org/a.png").await;
        assert_eq!((status, reason(&body)), (400, "address_not_public"));
        let (status, body) = program.import("http://loop.example.org/a.png").await;
        assert_eq!((status, reason(&body)), (500, "dns_failed"));
        assert_eq!((public.connections(), inner.connections()), (1, 0));
    });
}

#[test]
fn a_name_server_that_fails_is_the_sources_fault_and_never_a_way_through() {
    world(async |world| {
        let public = world.source(WEB, 80).await;
        world.dns.reply("none.example.org", DnsReply::NoSuchName);
        world.dns.reply("broken.example.org", DnsReply::Failure);
        world.dns.reply("silent.example.org", DnsReply::Silence);
        world.dns.reply("long.example.org", DnsReply::Truncated(vec![WEB.parse().expect("an address")]));
        world.dns.reply(
            "late.example.org",
            DnsReply::Late(Duration::from_millis(300), Box::new(DnsReply::addresses(&[WEB]))),
        );
        let place = world.place();
        let program = world.start(&place);

        for name in ["none", "broken", "silent"] {
            let (status, body) = program.import(&format!("http://{name}.example.org/a.png")).await;
            assert_eq!((status, reason(&body)), (500, "dns_failed"), "{name}: {body}");
            assert!(!body.to_string().contains("93.184.215.53"), "the name server is named: {body}");
        }
        assert_eq!(program.import("http://long.example.org/a.png").await.0, 201);
        assert!(world.dns.queries().iter().any(|query| query.transport == Transport::Tcp));
        assert_eq!(program.import("http://late.example.org/b.png").await.0, 201);
        assert_eq!(public.connections(), 2);
    });
}

#[test]
fn inner_names_are_never_asked_for() {
    world(async |world| {
        let place = world.place();
        let program = world.start(&place);

        for name in [
            "redis",
            "localhost",
            "db.localhost",
            "printer.local",
            "metadata.google.internal",
            "nas.home.arpa",
            "x.onion",
        ] {
            let (status, body) = program.import(&format!("http://{name}/a.png")).await;
            assert_eq!((status, reason(&body)), (400, "address_not_public"), "{name}: {body}");
        }
        assert_eq!(world.dns.queries(), []);
    });
}

#[test]
fn a_source_that_cannot_be_reached_is_told_apart_from_one_that_refuses() {
    world(async |world| {
        world.dns.answer("lost.example.org", &[LOST]);
        world.dns.answer("closed.example.org", &[WEB]);
        let place = world.place().with("SOKU_FETCH_CONNECT_TIMEOUT", "1s").with("SOKU_FETCH_TRIES", "1");
        let program = world.start(&place);

        let (status, body) = program.import("http://lost.example.org/a.png").await;
        assert_eq!((status, reason(&body)), (500, "connect_timeout"), "{body}");
        let (status, body) = program.import("http://closed.example.org/a.png").await;
        assert_eq!((status, reason(&body)), (500, "connect_failed"), "{body}");
    });
}
