//! What OpenTelemetry's own variables say. Headers may hold secrets, so they never are settings.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::layers::Environment;
use super::secret::Secret;

/// What traces carry beside what is set: on their way, and in themselves.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Otel {
    /// The variable that holds the headers, and what it says.
    headers: Option<(&'static str, Secret)>,
    /// What is said of this server in every trace. What is no `name=value` is left out, as the standard wants.
    pub(super) attributes: Vec<(String, String)>,
}

impl Otel {
    pub(super) fn of(environment: &Environment) -> Otel {
        const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
        let headers = HEADERS.into_iter().find_map(|name| Some((name, Secret::new(environment.text(name)?))));
        let attributes = environment.text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        Otel { headers, attributes: pairs(attributes).flatten().collect() }
    }

    /// The headers that open the collector. What cannot be read is an error that does not show it.
    pub(super) fn headers(&self) -> Result<HeaderMap, String> {
        let Some((variable, text)) = &self.headers else { return Ok(HeaderMap::new()) };
        let header = |pair: Option<(String, String)>| {
            let (name, value) = pair?;
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name).ok()?, value))
        };
        let headers: Option<HeaderMap> = pairs(text.reveal()).map(header).collect();
        headers.ok_or_else(|| format!("{variable} must be `name=value` pairs, separated by commas"))
    }
}

/// The `name=value` pairs of a list, percent-decoded; `None` for one that is none.
fn pairs(text: &str) -> impl Iterator<Item = Option<(String, String)>> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| {
        let (name, value) = item.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned())).filter(|(name, _)| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn otel(name: &str, value: &str) -> Otel {
        Otel::of(&Environment::default().with(name, value))
    }

    #[test]
    fn headers_are_read_whole_or_not_at_all_and_never_shown() {
        let otel = otel("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2, x-scope = a=b,");
        let headers = otel.headers().unwrap();

        assert_eq!(
            (headers["authorization"].as_bytes(), headers["x-scope"].as_bytes()),
            (&b"Bearer hunter2"[..], &b"a=b"[..])
        );
        assert!(!format!("{otel:?} {headers:?}").contains("hunter"));
        for wrong in ["hunter2", "a b=hunter2", "=hunter2", "a=hunter%0a2"] {
            let why = self::otel("OTEL_EXPORTER_OTLP_TRACES_HEADERS", wrong).headers().unwrap_err();
            assert!(why.contains("OTEL_EXPORTER_OTLP_TRACES_HEADERS must") && !why.contains("hunter"), "{why}");
        }
    }

    #[test]
    fn an_attribute_that_is_none_is_left_out() {
        let otel = otel("OTEL_RESOURCE_ATTRIBUTES", "host.name=a%2Cb,nonsense,deployment.environment.name=test");

        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(otel.attributes, [pair("host.name", "a,b"), pair("deployment.environment.name", "test")]);
    }
}
