//! The Soku Media API as a library: the `soku` program is a thin `main` over it, and the tests build the same parts.
//!
//! The map of the rooms, the arrows between them and the walks of `POST` and `GET` are in `ARCHITECTURE.md`.

pub mod account;
pub mod admission;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod failure;
pub mod http;
pub mod id;
pub mod ingest;
pub mod library;
pub mod media;
pub mod metrics;
mod owner;
pub mod store;
pub mod telemetry;
