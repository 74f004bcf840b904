//! Transcripts of the real program: what it is told, and what it says on stdout and stderr and exits with.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod accounts;
mod disks;
mod faults;
mod files;
mod keys;
mod serving;
mod settings;
mod soku;
mod source;
mod usage;
