//! The real program from outside: the user's document as scripts, durability by a trace of its system calls, crashes, and
//! what its log and its disk say.
#![expect(clippy::disallowed_methods, reason = "tests dial the servers that they started")]

mod browser;
mod clock;
mod connections;
mod container;
mod crash;
mod durability;
mod log;
mod metrics;
mod netns;
mod open_files;
mod program;
mod seed;
mod torture;
mod traces;
mod trying;
