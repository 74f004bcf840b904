//! What kind of text a text is: markup, a playlist, JSON, a script, or just words. SVG is the one kind that is media.

use super::encoding::Text;
use super::{Sniffed, markup, playlist};
use crate::format;

/// Judges a text.
pub(super) fn judge(text: &Text<'_>) -> Sniffed {
    let letters = text.letters.as_ref();
    match markup::detect(letters) {
        // Readers of SVG must know UTF-16, platforms and browsers without the mark do not: as a picture it is of no use,
        // and rule V1 calls it text.
        Some(markup::SVG) if text.is_wide => Sniffed::NotMedia(markup::XML),
        Some(markup::SVG) => Sniffed::Media(&format::SVG),
        Some(mime) => Sniffed::NotMedia(mime),
        None => Sniffed::NotMedia(playlist::detect(letters).unwrap_or_else(|| plain(letters))),
    }
}

/// The kind of what begins as a page, markup or a script and goes on with bytes that are no text: whoever reads it may
/// run its begin all the same (WHATWG MIME Sniffing §7.1 calls it a page too).
pub(super) fn beginning(head: &[u8]) -> Option<&'static str> {
    let rest = head.trim_ascii_start();
    match markup::detect(rest) {
        Some(markup::SVG) => Some(markup::XML),
        Some(mime) => Some(mime),
        None => script(rest),
    }
}

fn script(rest: &[u8]) -> Option<&'static str> {
    if rest.strip_prefix(b"#!").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"/")) {
        Some("text/x-shellscript")
    } else if rest.starts_with(b"<?php") || rest.starts_with(b"<?=") {
        Some("text/x-php")
    } else {
        None
    }
}

fn plain(letters: &[u8]) -> &'static str {
    let rest = letters.trim_ascii_start();
    if let Some(script) = script(rest) {
        return script;
    }
    if rest.starts_with(b"#!") {
        return "text/x-shellscript";
    }
    if rest.starts_with(b"WEBVTT") {
        return "text/vtt";
    }
    if is_json(rest) {
        return "application/json";
    }
    if has_a_page_inside(rest) {
        return markup::HTML;
    }
    "text/plain"
}

/// Whether it begins as an object or an array does (RFC 8259).
fn is_json(rest: &[u8]) -> bool {
    let Some((first, inner)) = rest.split_first() else { return false };
    match (first, inner.trim_ascii_start().first()) {
        (b'{', next) => matches!(next, Some(b'"' | b'}')),
        (b'[', next) => matches!(next, Some(b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')),
        _ => false,
    }
}

/// A page behind the words of a warning that a broken server printed first.
fn has_a_page_inside(rest: &[u8]) -> bool {
    const BEGINS: [&[u8]; 3] = [b"<!doctype html", b"<html", b"<body"];
    let start = &rest[..rest.len().min(4096)];
    BEGINS.iter().any(|begin| start.windows(begin.len()).any(|window| window.eq_ignore_ascii_case(begin)))
}
