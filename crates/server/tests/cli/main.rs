//! Transcripts of the real program: what it is told, and what it says on stdout and stderr and exits with.

mod accounts;
mod keys;
mod settings;
mod soku;
mod usage;
