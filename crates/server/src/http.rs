//! The street: every route on one screen, and the door that every request passes.

pub mod error;
