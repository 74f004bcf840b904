//! The verdict on one request, and the numbers that its answer tells the caller.

use std::fmt::Write as _;

use super::window::{Bound, Standing};
use crate::account::Tier;

/// Whether a request may pass, and what every limit that applies to it leaves.
#[derive(Clone, Debug)]
pub struct Judged {
    tier: Tier,
    /// Unix time of the verdict.
    wall_ms: i64,
    /// The quota in a minute of the limit that is closest to its end, and what it leaves.
    limit: u32,
    standing: Standing,
    refused: bool,
    policies: Vec<Policy>,
}

/// One bound by the name that the IETF fields give it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) name: &'static str,
    pub(super) bound: Bound,
    pub(super) standing: Standing,
}

impl Judged {
    pub(super) fn new(
        tier: Tier,
        wall_ms: i64,
        (limit, standing): (u32, Standing),
        refused: bool,
        policies: Vec<Policy>,
    ) -> Judged {
        Judged { tier, wall_ms, limit, standing, refused, policies }
    }

    /// Whether the request passes. One that does is charged already; one that does not has cost nothing anywhere.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        !self.refused
    }

    /// `X-RateLimit-Tier`.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// `X-RateLimit-Limit`: how many really pass in a minute.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// `X-RateLimit-Remaining`: how many more would pass now.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.standing.remaining
    }

    /// `X-RateLimit-Reset`: the Unix second in which one more than [`Judged::remaining`] would pass.
    #[must_use]
    pub fn reset_unix_s(&self) -> i64 {
        whole_seconds(self.wall_ms.saturating_add(self.standing.more_after_ms))
    }

    /// `Retry-After` of a refused request: whole seconds, after which one really passes if no other is sent.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<i64> {
        self.refused.then(|| whole_seconds(self.standing.more_after_ms))
    }

    /// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): a structured list of every bound that applies.
    #[must_use]
    pub fn policy_field(&self) -> String {
        list(self.policies.iter(), |field, policy| {
            let Policy { name, bound, .. } = policy;
            write!(field, "\"{name}\";q={};w={}", bound.quota, bound.width_ms / 1000)
        })
    }

    /// `RateLimit` of the same draft: what each of them leaves, the tightest first, and until when it leaves no more.
    #[must_use]
    pub fn rate_limit_field(&self) -> String {
        let mut tightest_first: Vec<&Policy> = self.policies.iter().collect();
        tightest_first.sort_by_key(|policy| (policy.standing.remaining, -policy.standing.more_after_ms));
        list(tightest_first.into_iter(), |field, policy| {
            let Policy { name, standing, .. } = policy;
            write!(field, "\"{name}\";r={}", standing.remaining)?;
            match standing.more_after_ms {
                0 => Ok(()),
                more_after_ms => write!(field, ";t={}", whole_seconds(more_after_ms)),
            }
        })
    }
}

/// Rounded up: to wait this long is never too short.
fn whole_seconds(ms: i64) -> i64 {
    ms.div_euclid(1000) + i64::from(ms.rem_euclid(1000) > 0)
}

/// A structured-fields list of `policies`, each written by `write_one`.
fn list<'a>(
    policies: impl Iterator<Item = &'a Policy>,
    write_one: impl Fn(&mut String, &Policy) -> std::fmt::Result,
) -> String {
    let mut field = String::new();
    for policy in policies {
        if !field.is_empty() {
            field.push_str(", ");
        }
        write_one(&mut field, policy).expect("a string takes every write");
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_only_rounded_up() {
        assert_eq!([0, 1, 999, 1000, 1001].map(whole_seconds), [0, 1, 1, 1, 2]);
    }
}
