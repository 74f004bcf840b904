//! Whole fetches from raw loopback sources.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod attacks;
mod bed;
mod cases_asking;
mod cases_body;
mod cases_redirects;
mod cases_resume;
mod codings;
mod cuts;
mod framing;
mod headers;
mod limits;
mod security;
mod spooling;
mod whole;
