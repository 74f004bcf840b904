//! The HTTP API, asked over real sockets: a real router, a real database, a real store, a real loopback source.

#![expect(
    clippy::disallowed_methods,
    reason = "tests dial the servers that they started, and read how scripts/test runs them"
)]

mod arrows;
mod cases;
mod coverage;
mod delivery;
mod documents;
mod door;
mod idempotency;
mod keys;
mod limits;
mod media;
mod openapi;
mod support;
mod unavailable;
