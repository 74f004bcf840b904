//! The `soku` program.

use std::process::ExitCode;

use soku_server::cli;
use soku_server::config::Environment;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), &Environment::of_process())
}
