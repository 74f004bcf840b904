//! How many connections the limit on open files really allows, beside all that the server itself must open: a stranger's
//! idle connection must not take the file that a download needs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::cli::CommandError;
use crate::config::Config;

/// What a process has open anyway: streams, locks, folders, the listeners, metrics and the runtime. Some 20, and some to spare.
const OWN: u64 = 40;
/// The socket to the source, the spool file, and one more: another address that is tried, a name server, a folder.
const PER_DOWNLOAD: u64 = 3;
/// SQLite's file, its log and its index; one socket of PostgreSQL is less.
const PER_DATABASE_CONNECTION: u64 = 3;
/// The socket, and the file (or the bucket's socket) that is sent on it.
const PER_CONNECTION: u64 = 2;
/// With fewer than these nobody is served well.
const FEWEST_CONNECTIONS: u64 = 16;

/// The configuration with as many connections as there can be; allows as many open files as the system lets us before.
pub(super) fn fit(config: &Config) -> Result<Config, CommandError> {
    let mut fitted = config.clone();
    let Some(limit) = raise() else { return Ok(fitted) };
    let wanted = config.http.max_connections;
    let fit = connections(limit, needed(config), wanted.into())?;
    if fit < wanted.into() {
        warn!(
            "The limit on open files, {limit}, leaves room for {fit} of the {wanted} connections of \
             SOKU_HTTP_MAX_CONNECTIONS: raise it (`ulimit -n`, `LimitNOFILE=`)"
        );
        fitted.http.max_connections = u32::try_from(fit).unwrap_or(u32::MAX);
    }
    Ok(fitted)
}

/// The files that the server opens beside its connections.
fn needed(config: &Config) -> u64 {
    let database = config.database.readers.max(config.database.max_connections);
    OWN + PER_DOWNLOAD * u64::from(config.downloads.at_once) + PER_DATABASE_CONNECTION * (u64::from(database) + 1)
}

fn connections(limit: u64, needed: u64, wanted: u64) -> Result<u64, CommandError> {
    let fit = limit.saturating_sub(needed) / PER_CONNECTION;
    let fewest = FEWEST_CONNECTIONS.min(wanted);
    if fit < fewest {
        return Err(CommandError::OpenFiles { limit, needed: needed + PER_CONNECTION * fewest });
    }
    Ok(fit.min(wanted))
}

/// The limit on open files, as high as we may set it; `None` where there is none.
fn raise() -> Option<u64> {
    let limits = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }) {
        Ok(()) => limits.maximum,
        Err(error) => {
            warn!("Could not raise the number of open files: {error}");
            limits.current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_needs_itself_comes_first() {
        assert_eq!(connections(10_000, 1_000, 4_096).unwrap(), 4_096);
        assert_eq!(connections(4_096, 1_000, 4_096).unwrap(), 1_548);
        assert_eq!(connections(1_032, 1_000, 4_096).unwrap(), 16);
        assert_eq!(connections(1_004, 1_000, 2).unwrap(), 2);
        let refused = connections(1_031, 1_000, 4_096).unwrap_err();
        assert!(matches!(refused, CommandError::OpenFiles { limit: 1_031, needed: 1_032 }), "{refused}");
        assert!(connections(256, 1_000, 4_096).is_err());
    }

    #[test]
    fn the_default_settings_fit_the_commonest_low_limit() {
        assert!(connections(1_024, needed(&Config::default()), 4_096).unwrap() >= 64);
    }
}
