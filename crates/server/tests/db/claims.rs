//! Stories of idempotency claims.

use soku_server::db::ClaimAnswer;

use crate::bed::{NOW, key_of, on_both, wish};

on_both! {
    async fn the_first_claim_wins_and_the_second_sees_it_run(bed: &Bed) {
        let account = bed.account("default").await;
        let key = key_of(&account, "k");
        let first = wish(&key, NOW);

        let won = bed.db.claim(&first).await.unwrap();
        let second = bed.db.claim(&wish(&key, NOW)).await.unwrap();

        let ClaimAnswer::Won { fence } = won else { panic!("{won:?}") };
        assert_eq!(
            second,
            ClaimAnswer::Running { payload_hash: first.payload_hash, owner: first.owner, fence, beat: 0 }
        );
    }
}
