//! Answers that are still good, no larger than what is used of them: an answer may have thousands of records, and whoever
//! owns a zone decides how many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Family;

/// Answers that are kept, at most.
const SIZE: usize = 1_024;

/// However long an answer says it is good for; a moved source is found again after this.
const LONGEST_TTL: Duration = Duration::from_secs(300);

/// A name that was just made should not be missing for as long as its zone says.
const LONGEST_NEGATIVE_TTL: Duration = Duration::from_secs(5);

/// The addresses of names in one family; none where the name is known to have none. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Cache(Arc<Mutex<HashMap<Question, Kept>>>);

type Question = (String, Family);

struct Kept {
    addresses: Vec<IpAddr>,
    until: Instant,
}

impl Cache {
    /// What is known by now.
    pub(super) fn get(&self, host: &str, family: Family, now: Instant) -> Option<Vec<IpAddr>> {
        let kept = self.lock();
        let kept = kept.get(&(host.to_owned(), family)).filter(|kept| now < kept.until)?;
        Some(kept.addresses.clone())
    }

    /// Keeps an answer for as long as it says, if there is room for it.
    pub(super) fn put(&self, host: &str, family: Family, addresses: &[IpAddr], ttl: Duration, now: Instant) {
        let longest = if addresses.is_empty() { LONGEST_NEGATIVE_TTL } else { LONGEST_TTL };
        let until = now + ttl.min(longest);
        if until == now {
            return;
        }
        let mut kept = self.lock();
        if kept.len() >= SIZE {
            kept.retain(|_, kept| now < kept.until);
        }
        if kept.len() >= SIZE {
            // Whoever fills it with names that are asked for once must not keep out those that are asked for often.
            kept.clear();
        }
        kept.insert((host.to_owned(), family), Kept { addresses: addresses.to_vec(), until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_answer_is_good_for_as_long_as_it_says_and_never_long() {
        let (cache, now) = (Cache::default(), Instant::now());
        let some = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        cache.put("none", Family::V4, &some, Duration::ZERO, now);
        cache.put("minute", Family::V4, &some, MINUTE, now);
        cache.put("year", Family::V4, &some, 1_000_000 * MINUTE, now);
        cache.put("missing", Family::V4, &[], MINUTE, now);
        let known = |host, seconds| cache.get(host, Family::V4, now + Duration::from_secs(seconds));

        assert_eq!(known("none", 0), None);
        assert_eq!((known("minute", 59), known("minute", 60)), (Some(some.to_vec()), None));
        assert_eq!((known("year", 299), known("year", 300)), (Some(some.to_vec()), None));
        assert_eq!((known("missing", 4), known("missing", 5)), (Some(Vec::new()), None));
        assert_eq!(cache.get("minute", Family::V6, now), None);
    }

    #[test]
    fn names_without_end_do_not_grow_it() {
        let (cache, now) = (Cache::default(), Instant::now());
        for n in 0..3 * SIZE {
            cache.put(&n.to_string(), Family::V6, &[], MINUTE, now);
        }

        assert!(cache.lock().len() <= SIZE);
        assert_eq!(cache.get(&(3 * SIZE - 1).to_string(), Family::V6, now), Some(Vec::new()));
    }
}
