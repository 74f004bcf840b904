//! Faults of the machine, the database, the sources and the clock, each in a short form here. The long form of the same
//! tests is `scripts/torture NAME`, which sets their counts by the environment.

mod backup;
mod database;
mod disk;
mod errors;
mod injector;
mod kills;
mod load;
mod power;
mod random;
mod sources;
mod steps;
mod stop;
mod syscalls;
mod verdict;

/// How often a test does its thing: `usual` in the gate, what `variable` says in the long form.
fn rounds(variable: &str, usual: usize) -> usize {
    match std::env::var(variable) {
        Ok(count) => count.parse().unwrap_or_else(|_| panic!("{variable} is a number")),
        Err(_) => usual,
    }
}
