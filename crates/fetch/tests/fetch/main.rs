//! Whole fetches from raw loopback sources.

mod bed;
mod smoke;
