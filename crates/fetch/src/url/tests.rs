use proptest::prelude::*;

use super::*;

fn source(text: &str) -> SourceUrl {
    SourceUrl::parse(text).unwrap_or_else(|refused| panic!("{text}: {refused}"))
}

#[test]
fn only_http_urls_with_a_host_are_taken() {
    for text in [
        "",
        " ",
        "example.com/a.png",
        "/a.png",
        "//example.com/a.png",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "gopher://example.com/",
        "javascript:alert(1)",
        "blob:http://example.com/1",
        "ws://example.com/",
        "http://",
        "http:///",
        "https://?x",
        "http://.",
        "http://..:80/",
        "http://exa mple.com/",
        "http://example.com:99999/",
        "http://[::1",
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://a%00b.com/",
    ] {
        assert_eq!(SourceUrl::parse(text).unwrap_err(), UrlRefused::Invalid, "{text}");
    }
    for text in
        ["http://example.com", "HTTPS://EXAMPLE.com:8443/a?b#c", " http://example.com/a.png\n", "http:\\\\h.de\\a"]
    {
        assert!(SourceUrl::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn a_url_may_be_8192_bytes_long_and_no_longer() {
    let prefix = "http://example.com/";
    let longest = format!("{prefix}{}", "a".repeat(MAX_URL_BYTES - prefix.len()));

    assert!(SourceUrl::parse(&longest).is_ok());
    assert_eq!(SourceUrl::parse(&format!("{longest}a")).unwrap_err(), UrlRefused::Invalid);
}

#[test]
fn an_address_with_a_zone_is_no_valid_url() {
    for text in ["http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[::1%1]:80/"] {
        assert_eq!(SourceUrl::parse(text).unwrap_err(), UrlRefused::Invalid, "{text}");
    }
}

#[test]
fn a_url_with_a_password_is_refused_and_never_logged() {
    for text in ["http://user:p%40ss@host/a.png", "http://user@host/", "http://:secret@host/", "https://a:b@[::1]/"] {
        assert_eq!(SourceUrl::parse(text).unwrap_err(), UrlRefused::Credentials, "{text}");
    }
    let printed = format!("{0} {0:?}", SourceUrl::parse("http://user:hunter2@host/").unwrap_err());
    assert!(!printed.contains("hunter2") && !printed.contains("user:"), "{printed}");

    let base = source("http://example.com/a");
    assert_eq!(base.join(b"//user:pw@example.com/b").unwrap_err(), LocationRefused::Credentials);
    assert_eq!(base.join(b"https://user@example.com/b").unwrap_err(), LocationRefused::Credentials);
}

#[test]
fn an_empty_user_info_is_no_user_info() {
    for text in ["http://@example.com/a", "http://:@example.com/a"] {
        let url = source(text);

        assert_eq!(url.identity(), "http://example.com/a", "{text}");
        assert_eq!(url.host_header(), "example.com", "{text}");
    }
}

#[test]
fn what_is_printed_has_neither_query_nor_fragment() {
    let url = source("https://cdn.example.com:8443/a/b.png?X-Amz-Signature=9f#t=1");

    assert_eq!(url.redacted(), "https://cdn.example.com:8443/a/b.png");
    assert_eq!(url.to_string(), url.redacted());
    assert_eq!(format!("{url:?}"), "SourceUrl(https://cdn.example.com:8443/a/b.png)");
    assert_eq!(url.identity(), "https://cdn.example.com:8443/a/b.png?X-Amz-Signature=9f");
}

#[test]
fn a_newline_or_a_control_character_is_printed_escaped() {
    let url = source("http://example.com/a\u{1b}[31m\u{9b}b\r\nc");

    assert_eq!(url.to_string(), "http://example.com/a%1B[31m%C2%9Bbc");
}

#[test]
fn the_host_field_names_the_port_unless_it_is_the_schemes_own() {
    for (text, host, port) in [
        ("http://Example.COM/", "example.com", 80),
        ("http://example.com:80/", "example.com", 80),
        ("https://example.com:443/", "example.com", 443),
        ("https://example.com:80/", "example.com:80", 80),
        ("http://[2001:DB8::1]:8080/", "[2001:db8::1]:8080", 8080),
        ("http://0x7f.1/", "127.0.0.1", 80),
        ("http://bücher.example.com/", "xn--bcher-kva.example.com", 80),
        ("http://example.com./", "example.com.", 80),
    ] {
        let url = source(text);

        assert_eq!(url.host_header(), host, "{text}");
        assert_eq!(url.port(), port, "{text}");
        assert_eq!(url.is_https(), text.starts_with("https"), "{text}");
    }
}

#[test]
fn case_01_a_signed_query_goes_out_as_it_was_written() {
    let target = "/k.png?X-Amz-Security-Token=IQo%2Bab%2Fcd%3D%3D&X-Amz-Signature=9f&x=a+b&y=%2f%25&z=%zz";

    assert_eq!(source(&format!("http://example.com{target}")).request_target(), target);
}

#[test]
fn a_path_that_begins_with_two_slashes_names_no_other_host() {
    let url = source("http://example.com//other.example.com/a.png");

    let uri: http::Uri = url.request_target().parse().unwrap();

    assert_eq!((uri.host(), uri.path()), (None, "//other.example.com/a.png"));
}

#[test]
fn case_02_raw_letters_in_path_and_query_are_percent_encoded() {
    let url = source("http://example.com/2017/02/Saúde.png?q=ü b");

    assert_eq!(url.request_target(), "/2017/02/Sa%C3%BAde.png?q=%C3%BC%20b");
}

#[test]
fn case_03_a_percent_sign_that_starts_no_escape_stays() {
    for target in ["/music/90%+of.png", "/100%", "/%zz/%2", "/a?b=50%&c=%"] {
        assert_eq!(source(&format!("http://example.com{target}")).request_target(), target);
    }
}

#[test]
fn case_04_the_fragment_is_never_sent() {
    assert_eq!(source("http://example.com/clip.mp4#t=10,20").request_target(), "/clip.mp4");
    assert_eq!(source("http://example.com/a").join(b"b.png#x").unwrap().request_target(), "/b.png");
}

#[test]
fn case_07_raw_letters_in_a_location_are_percent_encoded() {
    let base = source("http://example.com/a/b");

    assert_eq!(base.join("/café.png".as_bytes()).unwrap().request_target(), "/caf%C3%A9.png");
    assert_eq!(base.join(b"/with blank.png").unwrap().request_target(), "/with%20blank.png");
    assert_eq!(base.join(b"/caf\xe9.png").unwrap().request_target(), "/caf%E9.png", "Latin-1 stays the byte it was");
}

#[test]
fn case_08_a_relative_location_is_resolved_against_the_url_that_redirected() {
    let base = source("http://example.com:8080/a/b?x=1");
    for (location, resolved) in [
        ("moved/here.png", "http://example.com:8080/a/moved/here.png"),
        ("/x", "http://example.com:8080/x"),
        ("../x", "http://example.com:8080/x"),
        ("?x", "http://example.com:8080/a/b?x"),
        ("//127.0.0.1:81/c.png", "http://127.0.0.1:81/c.png"),
        ("https://other.example.com/d", "https://other.example.com/d"),
        ("  /trimmed  ", "http://example.com:8080/trimmed"),
    ] {
        assert_eq!(base.join(location.as_bytes()).unwrap().identity(), resolved, "{location}");
    }
}

#[test]
fn a_location_that_leaves_http_is_told_from_one_that_cannot_be_read() {
    let base = source("https://example.com/a");
    for location in ["ftp://example.com/a", "file:///etc/passwd", "data:image/png,x", "javascript:x", "mailto:a@b"] {
        assert_eq!(base.join(location.as_bytes()).unwrap_err(), LocationRefused::Scheme, "{location}");
    }
    let too_long = "a".repeat(MAX_URL_BYTES + 1);
    for location in ["", "  ", "http://", "http://[fe80::1%25eth0]/", "http://exa mple/", "https://.", &too_long] {
        assert_eq!(base.join(location.as_bytes()).unwrap_err(), LocationRefused::Unreadable, "{location}");
    }
    assert_eq!(base.join(b"http://b\xfccher.de/").unwrap_err(), LocationRefused::Unreadable);
}

#[test]
fn locations_that_add_up_do_not_grow_without_bound() {
    let mut url = source("http://example.com/");
    let step = format!("{}/", "é".repeat(1_000));

    let refused = (0..100).find_map(|_| match url.join(step.as_bytes()) {
        Ok(next) => {
            url = next;
            None
        }
        Err(refused) => Some(refused),
    });

    assert_eq!(refused, Some(LocationRefused::Unreadable));
    assert!(url.identity().len() <= MAX_PARSED_BYTES);
}

/// Any text in the place of host, path and query, weighted towards what URLs are made of.
fn url_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-z0-9./%?&=+#@:\\\\\\[\\]{}|^`~!$'()*,;\"<>_ -]{0,40}",
        "\\PC{0,20}",
        proptest::collection::vec(any::<char>(), 0..12).prop_map(|chars| chars.into_iter().collect()),
    ];
    ("(http|https)://", "[a-z0-9.-]{1,12}", "(:[0-9]{1,5})?", part.clone(), part)
        .prop_map(|(scheme, host, port, path, query)| format!("{scheme}{host}{port}/{path}?{query}"))
}

proptest! {
    #[test]
    fn every_request_target_and_host_can_be_sent(text in url_text()) {
        if let Ok(url) = SourceUrl::parse(&text) {
            let target = url.request_target();

            let uri: http::Uri = target.parse().expect("hyper takes it");
            prop_assert_eq!(uri.path_and_query().expect("an origin form").as_str(), target);
            prop_assert!(uri.authority().is_none() && uri.scheme().is_none());
            prop_assert!(http::HeaderValue::from_str(url.host_header()).is_ok());
            prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }

    #[test]
    fn a_parsed_url_parses_to_itself(text in url_text()) {
        if let Ok(url) = SourceUrl::parse(&text) {
            let again = source(url.identity());
            prop_assert_eq!(&again, &url);
            prop_assert!(url.as_url().fragment().is_none());
            prop_assert!(url.identity().starts_with(url.redacted()));
            prop_assert_eq!(
                format!("{}://{}{}", url.as_url().scheme(), url.host_header(), url.request_target()),
                url.identity()
            );
        }
    }

    #[test]
    fn any_bytes_in_a_location_are_followed_or_refused(location in proptest::collection::vec(any::<u8>(), 0..60)) {
        let base = source("http://example.com/a/b");
        if let Ok(url) = base.join(&location) {
            prop_assert!(url.request_target().parse::<http::Uri>().is_ok());
            prop_assert!(matches!(url.as_url().scheme(), "http" | "https"));
        }
    }

    #[test]
    fn every_byte_that_the_parser_leaves_in_a_path_or_query_is_taken_by_hyper(byte in 0x21_u8..0x7f) {
        let url = source(&format!("http://example.com/a{0}b?c{0}d", char::from(byte)));
        prop_assert!(url.request_target().parse::<http::Uri>().is_ok());
    }
}
