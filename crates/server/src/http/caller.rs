//! Who asks: the API key, the account behind it, and the limits both must keep.

use http::{HeaderMap, HeaderName, HeaderValue};
use soku_api::Reason;
use tracing::error;

use crate::account::Account;
use crate::admission::{Endpoint, Judged, Subject};
use crate::db::Caller;
use crate::http::api::Api;
use crate::http::door::Context;
use crate::http::error::Refusal;
use crate::id::KeyDigest;
use crate::metrics;
use crate::telemetry::Causes;

const SOKU_API_KEY: HeaderName = HeaderName::from_static("soku-api-key");

/// An account that may upload now: it exists only behind a valid key and a live subscription, within its limits.
pub(crate) struct Uploader {
    pub(crate) account: Account,
}

/// What the key of a request says.
enum Key {
    Valid(Box<Account>),
    Refused(&'static str),
}

/// The account behind the request, charged for one use of `endpoint`.
///
/// # Errors
/// 429, 401, 403 in the contract's order; 503 when the key cannot be looked up.
pub(crate) async fn uploader(
    api: &Api,
    context: &Context,
    headers: &HeaderMap,
    endpoint: Endpoint,
) -> Result<Uploader, Refusal> {
    match key(api, headers).await? {
        Key::Refused(message) => {
            charge(api, context, Subject::Address(context.client), None)?;
            Err(Refusal::unauthorized(message))
        }
        Key::Valid(account) => {
            let now = api.clock.now();
            let live = account.subscription.is_live(now);
            // Without a live subscription the endpoint's own counter is not reached: 403 comes before it.
            let counted = live.then_some(endpoint);
            charge(api, context, Subject::Account(&account.id, account.tier(now)), counted)?;
            if live { Ok(Uploader { account: *account }) } else { Err(Refusal::forbidden()) }
        }
    }
}

/// Charges a request that needs no key (a route that is not there) to whatever tier applies.
///
/// # Errors
/// 429, or 503 when the key cannot be looked up.
pub(crate) async fn anyone(
    api: &Api,
    context: &Context,
    headers: &HeaderMap,
    endpoint: Option<Endpoint>,
) -> Result<(), Refusal> {
    match key(api, headers).await? {
        Key::Refused(_) => charge(api, context, Subject::Address(context.client), None),
        Key::Valid(account) => {
            let tier = account.tier(api.clock.now());
            charge(api, context, Subject::Account(&account.id, tier), endpoint)
        }
    }
}

/// Looks the key up: unknown, revoked and malformed keys take the same query (rule K1).
async fn key(api: &Api, headers: &HeaderMap) -> Result<Key, Refusal> {
    let mut values = headers.get_all(SOKU_API_KEY).iter();
    let Some(value) = values.next().filter(|value| !value.is_empty()) else {
        return Ok(Key::Refused("Missing or invalid soku-api-key"));
    };
    if values.next().is_some() {
        return Ok(Key::Refused("Missing or invalid soku-api-key"));
    }
    match api.db.find_caller(&KeyDigest::of(value.as_bytes())).await {
        Ok(Some(Caller { account, key })) if key.revoked.is_none() => Ok(Key::Valid(Box::new(account))),
        Ok(Some(_)) => Ok(Key::Refused("API key revoked")),
        Ok(None) => Ok(Key::Refused("Invalid API key")),
        Err(cause) => {
            error!("Could not look up an API key: {}", Causes(&cause));
            Err(Refusal::because(Reason::NotReady))
        }
    }
}

fn charge(api: &Api, context: &Context, subject: Subject<'_>, endpoint: Option<Endpoint>) -> Result<(), Refusal> {
    let Some(judged) = api.admission.limits.judge(subject, endpoint) else { return Ok(()) };
    let refused = judged.retry_after_s().map(Refusal::rate_limited);
    if refused.is_some() {
        metrics::rate_limited(judged.tier().as_str());
    }
    context.judged.set(judged).ok();
    refused.map_or(Ok(()), Err)
}

/// Writes the verdict's headers: the familiar `X-RateLimit-*` and the IETF draft's fields.
pub(crate) fn set_limit_headers(headers: &mut HeaderMap, judged: &Judged) {
    let mut set = |name: &'static str, value: HeaderValue| {
        headers.insert(HeaderName::from_static(name), value);
    };
    set("x-ratelimit-limit", HeaderValue::from(judged.limit()));
    set("x-ratelimit-remaining", HeaderValue::from(judged.remaining()));
    set("x-ratelimit-reset", HeaderValue::from(judged.reset_unix_s()));
    set("x-ratelimit-tier", HeaderValue::from_static(judged.tier().as_str()));
    for (name, text) in [("ratelimit", judged.rate_limit_field()), ("ratelimit-policy", judged.policy_field())] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            set(name, value);
        }
    }
}
