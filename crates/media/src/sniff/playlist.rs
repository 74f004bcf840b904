//! Playlists: text that names media elsewhere. They are never media, whatever the header says (rule V1): a player that
//! opens one opens what it names.

/// The type of a playlist that is not XML.
pub(super) fn detect(letters: &[u8]) -> Option<&'static str> {
    const HLS: &str = "application/vnd.apple.mpegurl";
    let rest = letters.trim_ascii_start();
    // RFC 8216 §4.1, and the older M3U
    if rest.starts_with(b"#EXTM3U") {
        let start = &rest[..rest.len().min(4096)];
        let is_hls = start.windows(7).any(|seven| seven == b"#EXT-X-");
        return Some(if is_hls { HLS } else { "audio/x-mpegurl" });
    }
    if rest.starts_with(b"#EXT-X-") || rest.starts_with(b"#EXTINF:") {
        return Some(HLS);
    }
    // RFC 8866 §5: version, then origin
    if let Some(sdp) = rest.strip_prefix(b"v=0") {
        return sdp.trim_ascii_start().starts_with(b"o=").then_some("application/sdp");
    }
    let begins = |word: &[u8]| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins(b"[playlist]") {
        return Some("audio/x-scpls");
    }
    if begins(b"[reference]") {
        return Some("audio/x-ms-asx");
    }
    begins(b"ffconcat version").then_some("application/x-ffconcat")
}

#[cfg(test)]
mod tests {
    use super::detect;

    #[test]
    fn playlists_are_known_by_their_first_line() {
        let cases = [
            ("#EXTM3U\n#EXT-X-VERSION:3\n", Some("application/vnd.apple.mpegurl")),
            ("#EXTM3U\n#EXTINF:3,Song\nsong.mp3\n", Some("audio/x-mpegurl")),
            ("\r\n[Playlist]\nFile1=http://host/a.mp3\n", Some("audio/x-scpls")),
            ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n", Some("application/sdp")),
            ("[Reference]\r\nRef1=http://host/a.asf\r\n", Some("audio/x-ms-asx")),
            ("ffconcat version 1.0\nfile 'a.mp4'\n", Some("application/x-ffconcat")),
            ("v=0 is no description\n", None),
            ("just words\n", None),
        ];

        for (text, mime) in cases {
            assert_eq!(detect(text.as_bytes()), mime, "{text}");
        }
    }
}
