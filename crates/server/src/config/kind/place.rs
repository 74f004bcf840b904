//! Places: where to listen, where the data are, what the world calls us.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use crate::config::problem::Unfit;
use crate::config::secret::{DatabaseUrl, StorageUrl, WebUrl, without_password};
use crate::config::table::{Kind, Shape};

/// An address with its port.
pub(in crate::config) struct Listen();

impl Shape for Listen {
    fn noun(&self) -> &'static str {
        "ADDRESS:PORT"
    }
}

impl Kind for Listen {
    type Value = SocketAddr;

    fn parse(&self, text: &str) -> Result<SocketAddr, Unfit> {
        text.parse().map_err(|_| {
            let unfit = Unfit::new("an address with its port, such as `127.0.0.1:8080` or `[::]:8080`");
            let port = |text: &str| text.parse::<u16>().ok();
            match text.rsplit_once(':') {
                None if port(text).is_some() => unfit.nearest(format!("127.0.0.1:{text}")),
                None if text.parse::<std::net::IpAddr>().is_ok() => unfit.nearest(format!("{text}:8080")),
                Some(("localhost", number)) if port(number).is_some() => unfit.nearest(format!("127.0.0.1:{number}")),
                Some(("" | "*", number)) if port(number).is_some() => unfit.nearest(format!("0.0.0.0:{number}")),
                _ => unfit,
            }
        })
    }
}

/// An address to listen on, or nothing.
pub(in crate::config) struct PerhapsListen();

impl Shape for PerhapsListen {
    fn noun(&self) -> &'static str {
        Listen().noun()
    }
}

impl Kind for PerhapsListen {
    type Value = Option<SocketAddr>;

    fn parse(&self, text: &str) -> Result<Option<SocketAddr>, Unfit> {
        if text.is_empty() { Ok(None) } else { Listen().parse(text).map(Some) }
    }
}

/// A directory.
pub(in crate::config) struct Directory();

impl Shape for Directory {
    fn noun(&self) -> &'static str {
        "DIRECTORY"
    }
}

impl Kind for Directory {
    type Value = PathBuf;

    fn parse(&self, text: &str) -> Result<PathBuf, Unfit> {
        if text.is_empty() || text.contains('\0') {
            return Err(Unfit::new("the path of a directory"));
        }
        Ok(PathBuf::from(text))
    }
}

/// Where something is on the web, such as this example; empty is not set.
pub(in crate::config) struct Web(pub(in crate::config) &'static str);

impl Shape for Web {
    fn noun(&self) -> &'static str {
        "URL"
    }

    fn shown(&self, text: &str) -> String {
        without_password(text)
    }
}

impl Kind for Web {
    type Value = Option<WebUrl>;

    fn parse(&self, text: &str) -> Result<Option<WebUrl>, Unfit> {
        if text.is_empty() {
            return Ok(None);
        }
        let unfit = || {
            Unfit::new(format!("an absolute http or https URL without user, query and fragment, such as `{}`", self.0))
        };
        let Ok(mut url) = Url::parse(text) else {
            let guess = format!("https://{text}");
            return Err(if Url::parse(&guess).is_ok() && !text.contains("//") {
                unfit().nearest(guess)
            } else {
                unfit()
            });
        };
        if !matches!(url.scheme(), "http" | "https") {
            // `localhost:8080` is a URL of the scheme `localhost`.
            let guess = format!("http://{text}");
            return Err(if url.cannot_be_a_base() && Url::parse(&guess).is_ok() {
                unfit().nearest(guess)
            } else {
                unfit()
            });
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || url.query().is_some() || url.fragment().is_some() {
            url.set_query(None);
            url.set_fragment(None);
            let cleared = url.set_username("").and_then(|()| url.set_password(None));
            cleared.expect("an http URL has a host");
            return Err(unfit().nearest(WebUrl::new(&url).as_str()));
        }
        Ok(Some(WebUrl::new(&url)))
    }
}

/// Where the database is; empty is the file in the data directory.
pub(in crate::config) struct Database();

impl Shape for Database {
    fn noun(&self) -> &'static str {
        "URL"
    }

    fn shown(&self, text: &str) -> String {
        without_password(text)
    }
}

impl Kind for Database {
    type Value = Option<DatabaseUrl>;

    fn parse(&self, text: &str) -> Result<Option<DatabaseUrl>, Unfit> {
        if text.is_empty() {
            return Ok(None);
        }
        let is_postgres =
            Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql") && url.has_host());
        let is_sqlite = text.strip_prefix("sqlite://").is_some_and(|path| !path.is_empty());
        if is_postgres || is_sqlite {
            return Ok(Some(DatabaseUrl::new(text)));
        }
        let unfit = Unfit::new("`postgres://user:password@host/database` or `sqlite:///path/to/file`");
        Err(if text.starts_with('/') { unfit.nearest(format!("sqlite://{text}")) } else { unfit })
    }
}

/// Where the files are; empty is the data directory.
pub(in crate::config) struct Storage();

impl Shape for Storage {
    fn noun(&self) -> &'static str {
        "URL"
    }

    fn shown(&self, text: &str) -> String {
        without_password(text)
    }
}

impl Kind for Storage {
    type Value = Option<StorageUrl>;

    fn parse(&self, text: &str) -> Result<Option<StorageUrl>, Unfit> {
        if text.is_empty() {
            return Ok(None);
        }
        let unfit = || Unfit::new("`s3://bucket` or `s3://bucket/prefix`");
        let rest = text.strip_prefix("s3://").ok_or_else(unfit)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let is_bucket = (3..=63).contains(&bucket.len()) && bucket.chars().all(is_name);
        let prefix = prefix.trim_matches('/');
        let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(is_name);
        if !is_bucket || !(prefix.is_empty() || prefix.split('/').all(is_part)) {
            return Err(unfit());
        }
        Ok(Some(StorageUrl::new(bucket, prefix)))
    }
}

/// The address of an S3 server; empty is Amazon's.
pub(in crate::config) struct Endpoint();

impl Shape for Endpoint {
    fn noun(&self) -> &'static str {
        "URL"
    }

    fn shown(&self, text: &str) -> String {
        without_password(text)
    }
}

impl Kind for Endpoint {
    type Value = Option<String>;

    fn parse(&self, text: &str) -> Result<Option<String>, Unfit> {
        if text.is_empty() {
            return Ok(None);
        }
        let is_plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        match Url::parse(text) {
            Ok(url) if is_plain(&url) => Ok(Some(text.trim_end_matches('/').to_owned())),
            _ => Err(Unfit::new(
                "an http or https URL without user, query and fragment, such as `https://s3.example.com`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_to_listen_on_is_read_and_guessed() {
        assert_eq!(Listen().parse("[::1]:0").unwrap().to_string(), "[::1]:0");
        for (wrong, nearest) in [
            ("8080", Some("127.0.0.1:8080")),
            (":8080", Some("0.0.0.0:8080")),
            ("localhost:80", Some("127.0.0.1:80")),
            ("0.0.0.0", Some("0.0.0.0:8080")),
            ("example.com:80", None),
            ("", None),
        ] {
            assert_eq!(Listen().parse(wrong).unwrap_err().nearest.as_deref(), nearest, "{wrong}");
        }
    }

    #[test]
    fn the_public_url_is_absolute_and_bare() {
        let kind = Web("https://media.example.com");
        for (text, read) in [
            ("https://media.example.com", "https://media.example.com"),
            ("https://media.example.com/", "https://media.example.com"),
            ("HTTP://Example.com:80/soku/", "http://example.com/soku"),
        ] {
            assert_eq!(kind.parse(text).unwrap().unwrap().as_str(), read);
        }
        assert_eq!(kind.parse(""), Ok(None));
        for (wrong, nearest) in [
            ("media.example.com", Some("https://media.example.com")),
            ("localhost:8080", Some("http://localhost:8080")),
            ("https://a.example/?x=1#y", Some("https://a.example")),
            ("https://me:secret@a.example", Some("https://a.example")),
            ("ftp://a.example", None),
            ("https://", None),
        ] {
            assert_eq!(kind.parse(wrong).unwrap_err().nearest.as_deref(), nearest, "{wrong}");
        }
    }

    #[test]
    fn a_database_is_postgres_or_sqlite() {
        assert_eq!(Database().parse("postgres://u:p@h/d").unwrap().unwrap().reveal(), "postgres://u:p@h/d");
        assert!(Database().parse("sqlite:///var/lib/soku.db").unwrap().is_some());
        assert_eq!(Database().parse("/var/x.db").unwrap_err().nearest.as_deref(), Some("sqlite:///var/x.db"));
        for wrong in ["mysql://h/d", "postgres:", "sqlite://", "soku.db"] {
            assert!(Database().parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bucket_has_a_name_and_perhaps_a_prefix() {
        let read = |text| Storage().parse(text).unwrap().unwrap();
        assert_eq!(read("s3://media").as_str(), "s3://media");
        assert_eq!(read("s3://media/a/b/").as_str(), "s3://media/a/b");
        for wrong in ["s3://", "s3://a", "file:///x", "s3://media/../other", "s3://media/a//b", "https://media"] {
            assert!(Storage().parse(wrong).is_err(), "{wrong}");
        }
    }
}
