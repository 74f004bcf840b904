//! May they, now? Rate limits, and the fair queue for downloads.

mod client_address;
mod limits;
mod turns;

pub use self::client_address::client_address;
pub use self::limits::{Judged, LimitSettings, Limits, Rate, Subject};
pub use self::turns::{NoTurn, Turn, TurnSettings, Turns};

/// The endpoints that have a limit of their own and take idempotency keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Endpoint {
    /// `POST /v1/media`
    Media,
    /// `POST /v1/posts`
    Posts,
    /// `POST /v1/templates`, and its alias `POST /v1/media/render-og`.
    Templates,
}

impl Endpoint {
    pub const ALL: [Endpoint; 3] = [Endpoint::Media, Endpoint::Posts, Endpoint::Templates];

    /// As rows spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Endpoint::Media => "media",
            Endpoint::Posts => "posts",
            Endpoint::Templates => "templates",
        }
    }

    /// The inverse of [`Endpoint::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Endpoint> {
        Endpoint::ALL.into_iter().find(|endpoint| endpoint.as_str() == text)
    }
}
