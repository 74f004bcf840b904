//! The street: every route on one screen, and the door that every request passes.

pub mod conditions;
pub mod error;
pub mod range;
