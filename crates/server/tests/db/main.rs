//! The contract of the database: each story is written once and told on SQLite and, where `SOKU_TEST_POSTGRES_URL` names
//! a server, on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod accounts;
mod bed;
mod claims;
mod ends;
mod media;
mod opening;
mod outages;
mod processes;
mod races;
mod secrets;
mod windows;
