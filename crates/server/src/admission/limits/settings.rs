//! The numbers of the limits, as the API documents them.

use std::num::NonZeroU32;

use super::window::Rate;
use crate::account::Tier;
use crate::admission::Endpoint;

/// How often callers may knock.
#[derive(Clone, Copy, Debug)]
pub struct LimitSettings {
    /// Off: nobody is judged, and no answer speaks of limits.
    pub enabled: bool,
    /// Without a valid key, by address.
    pub default: Rate,
    /// With a valid key but no live subscription.
    pub authenticated: Rate,
    /// With a live subscription.
    pub premium: Rate,
    /// Accounts with the admin role.
    pub admin: Rate,
    /// `POST /v1/media`, by account, on top of the tier; so the next two.
    pub media: Rate,
    pub posts: Rate,
    pub templates: Rate,
    /// How many addresses are told apart; when there are more, newcomers share one counter.
    pub max_addresses: usize,
}

impl LimitSettings {
    pub(super) fn tier(&self, tier: Tier) -> Rate {
        match tier {
            Tier::Default => self.default,
            Tier::Authenticated => self.authenticated,
            Tier::Premium => self.premium,
            Tier::Admin => self.admin,
        }
    }

    pub(super) fn endpoint(&self, endpoint: Endpoint) -> Rate {
        match endpoint {
            Endpoint::Media => self.media,
            Endpoint::Posts => self.posts,
            Endpoint::Templates => self.templates,
        }
    }
}

impl Default for LimitSettings {
    fn default() -> LimitSettings {
        LimitSettings {
            enabled: true,
            default: rate(25, 10),
            authenticated: rate(60, 30),
            premium: rate(100, 100),
            admin: rate(200, 500),
            media: rate(30, 0),
            posts: rate(30, 0),
            templates: rate(20, 0),
            max_addresses: 65_536,
        }
    }
}

fn rate(limit: u32, burst: u32) -> Rate {
    Rate::new(NonZeroU32::new(limit).expect("every documented limit is above zero"), burst)
}
