//! Recently used things in memory, bounded by a budget.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::buffer;
use crate::id::MediaId;

/// A map that forgets what was not used for longest.
///
/// It keeps two generations: what is used moves to the young one, and when that fills half of the budget the old one is
/// forgotten as a whole. All costs are constant, and no list has to be kept in order.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    young_weight: usize,
    half: usize,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// A cache whose entries never weigh more than `budget` together.
    pub(crate) fn new(budget: usize) -> Cache<K, V> {
        Cache { young: HashMap::new(), old: HashMap::new(), young_weight: 0, half: budget / 2 }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = self.old.remove_entry(key)?;
        self.insert(key, value.clone(), weight);
        Some(value)
    }

    /// Remembers a value, unless it alone is heavier than half of the budget.
    pub(crate) fn insert(&mut self, key: K, value: V, weight: usize) {
        self.remove(&key);
        if weight > self.half {
            return;
        }
        if self.young_weight + weight > self.half {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
        self.young_weight += weight;
        self.young.insert(key, (value, weight));
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some((_, weight)) = self.young.remove(key) {
            self.young_weight -= weight;
        }
        self.old.remove(key);
    }
}

/// Whole small objects in memory, so that a hot one costs no system call.
#[derive(Debug)]
pub(super) struct SmallObjects(Mutex<Cache<MediaId, Bytes>>);

/// What an entry costs beside its bytes, roughly.
const ENTRY_BYTES: usize = 256;

impl SmallObjects {
    pub(super) fn new(budget: usize) -> SmallObjects {
        SmallObjects(Mutex::new(Cache::new(budget)))
    }

    /// The length of an object small enough to be remembered.
    pub(super) fn len_of(size_bytes: u64) -> Option<usize> {
        usize::try_from(size_bytes).ok().filter(|len| *len <= buffer::LARGEST)
    }

    pub(super) fn find(&self, id: &MediaId) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id)
    }

    pub(super) fn remember(&self, id: &MediaId, bytes: &Bytes) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(id.clone(), bytes.clone(), bytes.len() + ENTRY_BYTES);
    }

    pub(super) fn forget(&self, id: &MediaId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<K: Eq + Hash, V> Cache<K, V> {
        fn weight(&self) -> usize {
            self.young.values().chain(self.old.values()).map(|(_, weight)| weight).sum()
        }
    }

    #[test]
    fn a_cache_never_outgrows_its_budget() {
        let mut cache = Cache::new(100);

        for key in 0..10_000_u32 {
            cache.insert(key % 700, key, (key % 60) as usize);
            cache.get(&(key % 13));

            assert!(cache.weight() <= 100, "after {key}");
        }
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(20);
        cache.insert("hot", 1, 1);
        cache.insert("cold", 2, 1);

        for filler in
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"]
        {
            assert_eq!(cache.get(&"hot"), Some(1), "before {filler}");
            cache.insert(filler, 0, 1);
        }

        assert_eq!(cache.get(&"cold"), None);
        assert_eq!(cache.get(&"t"), Some(0));
    }

    #[test]
    fn what_is_removed_is_gone_and_weighs_nothing() {
        let mut cache = Cache::new(10);
        cache.insert("a", 1, 5);
        cache.insert("b", 2, 5);

        cache.remove(&"a");
        cache.remove(&"b");

        assert_eq!((cache.get(&"a"), cache.get(&"b"), cache.weight()), (None, None, 0));
    }

    #[test]
    fn what_is_heavier_than_half_of_the_budget_is_not_remembered() {
        let mut cache = Cache::new(10);
        cache.insert("a", 1, 2);

        cache.insert("a", 2, 6);

        assert_eq!(cache.get(&"a"), None);
    }
}
