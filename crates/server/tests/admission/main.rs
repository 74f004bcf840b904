//! Admission on a real database, with as many processes on it as a story needs: each told on SQLite and, where
//! `SOKU_TEST_POSTGRES_URL` names a server, on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

#[path = "../db/bed.rs"]
#[expect(dead_code, reason = "the stories of the database itself need more of it")]
mod bed;
mod idempotency;
mod leases;
mod limits;
mod process;
