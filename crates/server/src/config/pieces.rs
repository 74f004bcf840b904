//! The pieces that the configuration is handed down in: each room's own settings.

use std::path::PathBuf;

use super::{Config, LogFormat};
use crate::db::{DbSettings, sqlite_url};
use crate::telemetry::{Form, TracesSettings};

/// The file of the default database, in the data directory.
const DATABASE_FILE: &str = "soku.db";

impl Config {
    /// The file of the default database.
    #[must_use]
    pub fn database_file(&self) -> PathBuf {
        self.data_dir.join(DATABASE_FILE)
    }

    /// Where the database is and how long it may take.
    #[must_use]
    pub fn db_settings(&self) -> DbSettings {
        let database = &self.database;
        let url = match &database.url {
            Some(url) => url.reveal().to_owned(),
            None => sqlite_url(&self.database_file()),
        };
        DbSettings {
            url,
            readers: database.readers,
            connections: database.max_connections,
            busy_timeout: database.busy_timeout,
            statement_timeout: database.statement_timeout,
            connect_timeout: database.connect_timeout,
        }
    }

    /// Where traces go, if anywhere.
    #[must_use]
    pub fn traces_settings(&self) -> Option<TracesSettings> {
        let endpoint = self.traces.endpoint.as_ref()?.as_str();
        let has_path = endpoint.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        Some(TracesSettings {
            endpoint: if has_path { endpoint.to_owned() } else { format!("{endpoint}/v1/traces") },
            headers: self.otel.headers().expect("the headers were checked with the rest"),
            ratio: self.traces.ratio,
            service_name: self.traces.service_name.clone(),
            attributes: self.otel.attributes.clone(),
        })
    }

    /// The form of the log: what was chosen, else text for somebody who watches and JSON for a machine.
    #[must_use]
    pub fn log_form(&self, is_watched: bool, likes_colour: bool) -> Form {
        let text = Form::Text { colour: is_watched && likes_colour };
        match self.log.format {
            LogFormat::Auto if is_watched => text,
            LogFormat::Auto | LogFormat::Json => Form::Json,
            LogFormat::Text => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_document_says_what_the_rooms_do_by_themselves() {
        let settings = Config::default().db_settings();
        let by_itself = DbSettings::new(settings.url.clone());

        assert!(settings.url.ends_with("/soku-data/soku.db"), "{}", settings.url);
        assert_eq!(format!("{settings:?}"), format!("{by_itself:?}"));
    }
}
