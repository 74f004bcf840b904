//! The `soku` program.
fn main() {}
