//! Rule L3 on the real program: soku is no flood.

use soku_testkit::{Answer, samples};

use crate::netns::world::{PRIVATE, WEB, WEB_2, world};
use crate::program::PATIENCE;

#[test]
fn a_source_address_sees_at_most_so_many_connections_at_once() {
    world(async |world| {
        let source = world.source(WEB, 80).await;
        let other = world.source(WEB_2, 80).await;
        let inner = world.source(PRIVATE[0], 80).await;
        for name in ["a.example.org", "b.example.org"] {
            world.dns.answer(name, &[WEB]);
        }
        // Stalls after the head, until the test has counted.
        source.answer_all_with(|_, _| Answer::ok("image/png", samples::PNG.bytes).cut_after(10).then_stall());
        inner.answer_all_with(|_, _| Answer::ok("image/png", samples::PNG.bytes).cut_after(10).then_stall());
        let place = world
            .place()
            .with("SOKU_FETCH_ALLOW_NETWORKS", "10.20.30.40/32")
            .with("SOKU_FETCH_CONNECTIONS_PER_ADDRESS", "6");
        let program = world.start(&place);

        let urls = (0..9)
            .flat_map(|nth| [format!("http://a.example.org/{nth}.png"), format!("http://b.example.org/{nth}.png")]);
        let inner_urls = (0..8).map(|nth| format!("http://10.20.30.40/{nth}.png"));
        let all = futures_util::future::join_all(urls.chain(inner_urls).map(async |url| program.import(&url).await));
        let counting = async {
            // Those of the allowed network all run at once; of the public address five, whatever it is called: the sixth place is kept for other accounts.
            tokio::time::timeout(PATIENCE, inner.until(|seen| seen.open == 8)).await.expect("eight at once");
            tokio::time::timeout(PATIENCE, source.until(|seen| seen.open == 5)).await.expect("five at once");
            // Another address does not wait for them.
            assert_eq!(program.import(&format!("http://{WEB_2}/a.png")).await.0, 201);
            assert_eq!(source.seen().most_open, 5);
        };
        tokio::select! {
            _ = all => panic!("they stall"),
            () = counting => {}
        }
        assert_eq!(other.connections(), 1);
    });
}
