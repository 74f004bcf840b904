//! The schema's versions, compiled in, and how they are brought onto a database.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use super::DbError;

/// Every migration in order: its version, its name and its text.
const MIGRATIONS: [(i64, &str, &str); 1] =
    [(1, "media api", include_str!("../../../../migrations/0001_media_api.sql"))];

/// The newest schema that this program knows.
pub(super) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

fn migrations() -> Vec<Migration> {
    let compile = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    MIGRATIONS.iter().map(compile).collect()
}

/// Whether the schema is exactly the one that this program knows. Reads only: a process that finds nothing to do takes
/// no lock and needs no right to make tables.
pub(super) async fn is_current<C: Migrate>(connection: &mut C) -> bool {
    let Ok(applied) = connection.list_applied_migrations(&Migrator::DEFAULT.table_name).await else { return false };
    let known = migrations();
    applied.len() == known.len()
        && applied
            .iter()
            .zip(&known)
            .all(|(applied, known)| applied.version == known.version && applied.checksum == known.checksum)
}

/// Applies what is missing. The caller gives a connection of its own, or a transaction.
pub(super) async fn migrate<C: Migrate>(connection: &mut C, place: &str) -> Result<(), DbError> {
    Migrator::with_migrations(migrations()).run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) if found > KNOWN => {
            DbError::NewerSchema { place: place.to_owned(), found, known: KNOWN }
        }
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => {
            DbError::NotOurs { place: place.to_owned() }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => DbError::opening(place, error),
        other => DbError::opening(place, sqlx::Error::Migrate(Box::new(other))),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_migration_of_the_folder_is_compiled_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();

        let compiled: Vec<String> = MIGRATIONS
            .iter()
            .map(|(version, name, _)| format!("{version:04}_{}.sql", name.replace(' ', "_")))
            .collect();

        assert_eq!(files, compiled);
    }
}
