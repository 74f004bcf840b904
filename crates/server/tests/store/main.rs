//! The store and the library on real file systems, a real database, real processes, and a real S3 server where
//! `SOKU_TEST_S3_ENDPOINT` names one.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod bed;
mod bucket;
mod bucket_faults;
mod contract;
mod crash;
mod directory;
mod files;
mod full;
mod library;
mod memory;
mod rooms;
