//! Which format the brands of a file type box name (ISO/IEC 14496-12 §4.3; the registry is mp4ra.org). The major brand is
//! often an accident of the writer, so that pictures are told by any brand; sound and old formats by the major one alone.

use super::BoxHead;
use crate::format::{self, Format};
use crate::sniff::window::Window;

/// Brands of one file that are looked at.
const MOST_BRANDS: usize = 256;

/// The format of a file type box.
pub(super) fn read(window: &mut Window<'_>, ftyp: &BoxHead) -> Option<&'static Format> {
    let length = ftyp.end.map_or(usize::MAX, |end| usize::try_from(end - ftyp.body).unwrap_or(usize::MAX));
    let bytes = window.up_to(ftyp.body, length.min(4 * (MOST_BRANDS + 2)));
    let (&major, rest) = bytes.split_first_chunk()?;
    // The minor version stands between the major brand and the compatible ones.
    let compatible = rest.get(4..).unwrap_or_default().as_chunks().0;
    Some(by_brands(major, compatible))
}

fn by_brands(major: [u8; 4], compatible: &[[u8; 4]]) -> &'static Format {
    let has = |brands: &[&[u8; 4]]| brands.iter().any(|&brand| major == *brand || compatible.contains(brand));
    // AV1 Image File Format §6
    if has(&[b"avif", b"avis"]) {
        return &format::AVIF;
    }
    // ISO/IEC 23008-12 annex B.4
    if has(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"]) {
        return &format::HEIC;
    }
    // ISO/IEC 23008-12 §10.2
    if has(&[b"mif1", b"msf1"]) {
        return &format::HEIF;
    }
    match &major {
        b"crx " => &format::CR3,
        b"jp2 " => &format::JP2,
        b"jpx " => &format::JPX,
        b"jpm " => &format::JPM,
        b"mjp2" => &format::MJ2,
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " => &format::M4A,
        // 3GPP2 C.S0050 §8
        b"3g2a" | b"3g2b" | b"3g2c" | b"3gs2" => &format::THREE_G2,
        // 3GPP TS 26.244 §5.3
        [b'3', b'g', ..] => &format::THREE_GP,
        b"qt  " | b"mqt " => &format::QUICKTIME,
        _ => &format::MP4,
    }
}

#[cfg(test)]
mod tests {
    use super::by_brands;

    #[test]
    fn pictures_are_told_by_any_brand_and_the_rest_by_the_major_one() {
        let cases: [(&str, &[&str], &str); 20] = [
            ("avif", &["mif1", "miaf"], "image/avif"),
            ("avis", &["msf1", "iso8"], "image/avif"),
            ("mif1", &["miaf", "avif"], "image/avif"),
            ("mif1", &["heic", "avif"], "image/avif"),
            ("mif1", &["heic"], "image/heic"),
            ("heix", &["mif1"], "image/heic"),
            ("msf1", &["hevc"], "image/heic"),
            ("hevx", &[], "image/heic"),
            ("mif1", &[], "image/heif"),
            ("msf1", &["iso8"], "image/heif"),
            ("isom", &["iso2", "avc1", "mp41"], "video/mp4"),
            ("mp42", &["M4A ", "qt  ", "3gp4"], "video/mp4"),
            ("XAVC", &[], "video/mp4"),
            ("zzzz", &[], "video/mp4"),
            ("M4A ", &["mp42", "isom"], "audio/mp4"),
            ("M4B ", &["mp42"], "audio/mp4"),
            ("3gp5", &["isom"], "video/3gpp"),
            ("3g2a", &[], "video/3gpp2"),
            ("qt  ", &[], "video/quicktime"),
            ("crx ", &["isom"], "image/x-canon-cr3"),
        ];

        for (major, compatible, mime) in cases {
            let compatible: Vec<[u8; 4]> = compatible.iter().map(|brand| letters(brand)).collect();
            assert_eq!(by_brands(letters(major), &compatible).mime, mime, "{major}");
        }
    }

    fn letters(brand: &str) -> [u8; 4] {
        *brand.as_bytes().first_chunk().unwrap()
    }
}
