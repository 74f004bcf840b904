//! Names that are never asked for: inner names, whose answers would tell strangers what exists here, and reserved ones.

/// What a host name is, as far as it can be told without a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// Means something only inside a network: single labels, `localhost`, `*.local`, `*.internal`, …
    Inner,
    /// Promised never to exist (RFC 6761): `*.invalid`, `*.test`, `*.example`.
    Reserved,
    /// A name to ask a name server for.
    Public,
}

/// Tells names apart by their last labels; `name` is lower-case ASCII, as the URL parser gives it.
pub(crate) fn kind_of(name: &str) -> NameKind {
    let name = without_root(name);
    let Some((_, top)) = name.rsplit_once('.') else {
        return NameKind::Inner;
    };
    match top {
        // `home.arpa` is below `arpa`.
        "localhost" | "local" | "internal" | "arpa" | "onion" => NameKind::Inner,
        "invalid" | "test" | "example" => NameKind::Reserved,
        _ => NameKind::Public,
    }
}

/// Whether a name is this machine by RFC 6761.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = without_root(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// A name without the dot that marks it absolute.
pub(crate) fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_names_are_known_by_their_last_label() {
        for name in [
            "localhost",
            "redis",
            "redis.",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "metadata.google.internal.",
            "nas.home.arpa",
            "1.0.0.127.in-addr.arpa",
            "facebookcorewwwi.onion",
        ] {
            assert_eq!(kind_of(name), NameKind::Inner, "{name}");
        }
    }

    #[test]
    fn reserved_names_are_no_inner_names() {
        for name in ["nothing.invalid", "a.test", "www.example", "a.example."] {
            assert_eq!(kind_of(name), NameKind::Reserved, "{name}");
        }
    }

    #[test]
    fn names_that_only_look_inner_are_asked_for() {
        for name in ["example.com", "localhost.example.com", "local.net", "my-internal.com", "notlocalhost.org"] {
            assert_eq!(kind_of(name), NameKind::Public, "{name}");
            assert!(!is_localhost(name), "{name}");
        }
    }
}
