//! Accounts, their subscriptions, and the tier that each state gives. Pure: no clock, no database.

use crate::clock::Timestamp;
use crate::id::AccountId;

/// Who pays, and for what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    pub subscription: Subscription,
    pub role: Role,
    pub created: Timestamp,
}

/// A subscription as the billing side tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscription {
    pub state: SubscriptionState,
    /// When the paid period ends; `None` never ends.
    pub period_end: Option<Timestamp>,
}

/// The closed list of subscription states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubscriptionState {
    Trialing,
    Active,
    Canceled,
    PastDue,
    Unpaid,
}

impl SubscriptionState {
    pub const ALL: [SubscriptionState; 5] = [
        SubscriptionState::Trialing,
        SubscriptionState::Active,
        SubscriptionState::Canceled,
        SubscriptionState::PastDue,
        SubscriptionState::Unpaid,
    ];

    /// As rows and the command line spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SubscriptionState::Trialing => "trialing",
            SubscriptionState::Active => "active",
            SubscriptionState::Canceled => "canceled",
            SubscriptionState::PastDue => "past_due",
            SubscriptionState::Unpaid => "unpaid",
        }
    }

    /// The inverse of [`SubscriptionState::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<SubscriptionState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What an account is beside a customer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Member,
    Admin,
}

impl Role {
    /// As rows spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
        }
    }

    /// The inverse of [`Role::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Role> {
        [Role::Member, Role::Admin].into_iter().find(|role| role.as_str() == text)
    }
}

/// Which row of the rate-limit table applies to a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Tier {
    /// No valid key: counted by client address.
    Default,
    /// A valid key without a live subscription.
    Authenticated,
    /// A valid key with a live subscription.
    Premium,
    /// An account with the admin role.
    Admin,
}

impl Tier {
    /// As `X-RateLimit-Tier` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Default => "default",
            Tier::Authenticated => "authenticated",
            Tier::Premium => "premium",
            Tier::Admin => "admin",
        }
    }
}

impl Subscription {
    /// Whether it allows uploads at `now`: trialing or active, and the period not over.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        let paying = match self.state {
            SubscriptionState::Trialing | SubscriptionState::Active => true,
            SubscriptionState::Canceled | SubscriptionState::PastDue | SubscriptionState::Unpaid => false,
        };
        paying && self.period_end.is_none_or(|end| end > now)
    }
}

impl Account {
    /// The tier of a request made with one of this account's keys at `now`.
    #[must_use]
    pub fn tier(&self, now: Timestamp) -> Tier {
        match self.role {
            Role::Admin => Tier::Admin,
            Role::Member if self.subscription.is_live(now) => Tier::Premium,
            Role::Member => Tier::Authenticated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn account(state: SubscriptionState, period_end: Option<Timestamp>, role: Role) -> Account {
        Account {
            id: AccountId::random(),
            name: "a".to_owned(),
            subscription: Subscription { state, period_end },
            role,
            created: NOW,
        }
    }

    #[test]
    fn only_a_paying_state_inside_its_period_is_live() {
        let before = Some(NOW.plus_ms(-1));
        let at = Some(NOW);
        let after = Some(NOW.plus_ms(1));
        for state in SubscriptionState::ALL {
            let paying = matches!(state, SubscriptionState::Trialing | SubscriptionState::Active);
            for (period_end, inside) in [(None, true), (after, true), (at, false), (before, false)] {
                let live = Subscription { state, period_end }.is_live(NOW);
                assert_eq!(live, paying && inside, "{state:?} {period_end:?}");
            }
        }
    }

    #[test]
    fn the_tier_follows_role_and_subscription() {
        assert_eq!(account(SubscriptionState::Active, None, Role::Member).tier(NOW), Tier::Premium);
        assert_eq!(account(SubscriptionState::Unpaid, None, Role::Member).tier(NOW), Tier::Authenticated);
        assert_eq!(account(SubscriptionState::Unpaid, None, Role::Admin).tier(NOW), Tier::Admin);
    }

    #[test]
    fn every_state_and_role_is_read_back_as_written() {
        for state in SubscriptionState::ALL {
            assert_eq!(SubscriptionState::parse(state.as_str()), Some(state));
        }
        assert_eq!(Role::parse("admin"), Some(Role::Admin));
        assert_eq!(Role::parse("root"), None);
    }
}
