//! Stories of rate windows.

use crate::bed::{NOW, on_both};

fn window(subject: &str, stamps: &[i64]) -> (String, Vec<i64>) {
    (subject.to_owned(), stamps.iter().map(|stamp| NOW.0 + stamp).collect())
}

on_both! {
    async fn windows_come_back_as_they_were_last_saved(bed: &Bed) {
        assert_eq!(bed.db.load_windows().await.unwrap(), []);

        bed.db.save_windows(vec![window("a", &[1, 2]), window("b", &[3]), window("é'%", &[4])]).await.unwrap();
        bed.db.save_windows(vec![window("a", &[2, 5, 9])]).await.unwrap();
        bed.db.save_windows(Vec::new()).await.unwrap();

        let loaded = bed.db.load_windows().await.unwrap();
        assert_eq!(loaded, [window("a", &[2, 5, 9]), window("b", &[3]), window("é'%", &[4])]);
    }

    async fn of_a_window_saved_twice_at_once_the_last_counts(bed: &Bed) {
        bed.db.save_windows(vec![window("a", &[1]), window("a", &[2])]).await.unwrap();

        assert_eq!(bed.db.load_windows().await.unwrap(), [window("a", &[2])]);
    }

    async fn thousands_of_windows_are_saved(bed: &Bed) {
        let windows: Vec<_> = (0..3001).map(|number| window(&format!("{number:04}"), &[number])).collect();

        bed.db.save_windows(windows.clone()).await.unwrap();

        assert_eq!(bed.db.load_windows().await.unwrap(), windows);
    }

    async fn old_windows_are_dropped(bed: &Bed) {
        bed.db.save_windows(vec![window("a", &[1, 10]), window("b", &[9, 2]), window("empty", &[])]).await.unwrap();

        assert_eq!(bed.db.drop_windows(NOW.plus_ms(10)).await.unwrap(), 2);

        assert_eq!(bed.db.load_windows().await.unwrap(), [window("a", &[1, 10])]);
    }
}
