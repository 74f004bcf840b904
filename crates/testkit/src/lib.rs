//! Stub.
pub mod samples;
