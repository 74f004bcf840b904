//! What every store does alike.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use soku_server::id::MediaId;
use soku_server::store::{ObjectKey, StoreError};

use crate::bed::{Bed, bytes, meta, on_both};

const SMALL: usize = 256 * 1024;

on_both! {
    async fn what_is_kept_is_read_back_byte_for_byte(bed: &Bed) {
        for len in [1, 1_000, SMALL - 1, SMALL, SMALL + 1, 3 * 1024 * 1024 + 17] {
            let content = bytes(len);

            let key = bed.keep(&content).await;

            assert!(bed.read(&key, len as u64).await.unwrap() == content, "{len} bytes");
            assert!(bed.read(&key, len as u64).await.unwrap() == content, "{len} bytes, once more");
        }
    }

    async fn any_range_is_exactly_its_bytes(bed: &Bed) {
        for len in [SMALL - 3, 2 * SMALL + 5] {
            let content = bytes(len);
            let key = bed.keep(&content).await;
            let object = bed.store.open(&key, len as u64).await.unwrap();
            assert_eq!(object.size_bytes(), len as u64);
            let edges = [0, 1, 4_095, 4_096, 100_000, SMALL - 4, len - 1, len];

            for start in edges {
                for end in edges.into_iter().filter(|end| *end >= start) {
                    let body = object.body(start as u64..end as u64);
                    assert_eq!(body.size_hint().exact(), Some((end - start) as u64));
                    assert_eq!(body.is_end_stream(), start == end);
                    let read = body.collect().await.unwrap().to_bytes();

                    assert!(read == content[start..end], "{start}..{end} of {len}");
                }
            }
        }
    }

    async fn a_range_beyond_the_end_is_cut(bed: &Bed) {
        let content = bytes(SMALL + 10);
        let key = bed.keep(&content).await;
        let object = bed.store.open(&key, content.len() as u64).await.unwrap();

        let tail = object.body(SMALL as u64..u64::MAX).collect().await.unwrap().to_bytes();
        let nothing = object.body(u64::MAX - 1..u64::MAX).collect().await.unwrap().to_bytes();

        assert_eq!(&tail[..], &content[SMALL..]);
        assert!(nothing.is_empty());
    }

    async fn a_body_read_ahead_is_the_same_body(bed: &Bed) {
        for len in [10, 2 * SMALL] {
            let content = bytes(len);
            let key = bed.keep(&content).await;
            let object = bed.store.open(&key, len as u64).await.unwrap();

            let body = object.body(3..len as u64).primed().await.unwrap().primed().await.unwrap();

            assert_eq!(body.size_hint().exact(), Some(len as u64 - 3));
            assert!(body.collect().await.unwrap().to_bytes() == content[3..]);
        }
    }

    async fn many_keeps_at_once_all_arrive(bed: &Bed) {
        let contents: Vec<Vec<u8>> = (0..32).map(|nth| bytes(1_000 + nth * 3_000)).collect();

        let keys = join_all(contents.iter().map(|content| bed.keep(content))).await;

        for (key, content) in keys.iter().zip(&contents) {
            assert!(bed.read(key, content.len() as u64).await.unwrap() == *content);
        }
    }

    async fn what_is_deleted_is_missing_and_may_be_deleted_again(bed: &Bed) {
        for len in [100, SMALL + 1] {
            let key = bed.keep(&bytes(len)).await;
            bed.read(&key, len as u64).await.unwrap();

            bed.store.delete(&key).await.unwrap();
            bed.store.delete(&key).await.unwrap();

            assert!(matches!(bed.read(&key, len as u64).await, Err(StoreError::Missing { .. })), "{len} bytes");
        }
    }

    async fn what_was_never_kept_is_missing(bed: &Bed) {
        let key = ObjectKey::new(MediaId::random(), "never.png");

        for size in [10, SMALL as u64 * 2] {
            let error = match bed.store.open(&key, size).await {
                Ok(object) => object.body(0..size).primed().await.map(drop).unwrap_err(),
                Err(error) => error,
            };

            assert!(matches!(error, StoreError::Missing { .. }), "{error:?}");
        }
    }

    async fn an_object_is_deleted_by_its_id_alone(bed: &Bed) {
        let key = bed.keep(&bytes(100)).await;
        let other = bed.keep(&bytes(200)).await;

        assert!(bed.store.delete_all_of(key.id()).await.unwrap());
        assert!(!bed.store.delete_all_of(key.id()).await.unwrap());

        assert!(matches!(bed.read(&key, 100).await, Err(StoreError::Missing { .. })));
        assert!(bed.read(&other, 200).await.is_ok());
    }

    async fn an_object_whose_length_is_not_that_of_its_row_is_an_error_and_never_cut_silently(bed: &Bed) {
        for (len, said) in [(100, 90), (100, 110), (SMALL + 100, SMALL + 110)] {
            let key = bed.keep(&bytes(len)).await;

            let outcome = bed.read(&key, said as u64).await;

            assert!(outcome.is_err(), "{len} bytes, the row says {said}");
        }
    }

    async fn what_is_kept_and_not_recorded_is_marked_for_the_sweep(bed: &Bed) {
        let (recorded, dropped) = (bed.download(b"one"), bed.download(b"two"));
        let (kept, lost) = (recorded.key("a.png"), dropped.key("b.png"));

        bed.store.keep(&recorded, &kept, &meta()).await.unwrap().recorded();
        drop(bed.store.keep(&dropped, &lost, &meta()).await.unwrap());

        let mark = format!("{}.gone", dropped.id);
        assert_eq!(bed.traces(), BTreeSet::from([recorded.id.to_string(), dropped.id.to_string(), mark]));
    }

    async fn a_keep_that_nobody_waits_for_is_marked_for_the_sweep(bed: &Bed) {
        let download = bed.download(&bytes(1_000));
        let key = download.key("a.png");

        let meta = meta();
        let mut keep = Box::pin(bed.store.keep(&download, &key, &meta));
        let polled = futures_util::poll!(&mut keep);
        drop(keep);

        assert!(polled.is_pending());
        assert!(bed.traces().contains(&format!("{}.gone", download.id)));
    }

    async fn a_store_in_order_answers_its_ping(bed: &Bed) {
        bed.store.ping().await.unwrap();
    }
}
