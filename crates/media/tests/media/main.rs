//! What a caller of this crate relies on: the cases of real life, the proofs of the security rules, every sample.

mod cases;
mod mutations;
mod names;
mod proofs;
mod samples;
mod support;
