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
        let cases: [(&[u8; 4], &[&[u8; 4]], &str); 20] = [
            (b"avif", &[b"mif1", b"miaf"], "image/avif"),
            (b"avis", &[b"msf1", b"iso8"], "image/avif"),
            (b"mif1", &[b"miaf", b"avif"], "image/avif"),
            (b"mif1", &[b"heic", b"avif"], "image/avif"),
            (b"mif1", &[b"heic"], "image/heic"),
            (b"heix", &[b"mif1"], "image/heic"),
            (b"msf1", &[b"hevc"], "image/heic"),
            (b"hevx", &[], "image/heic"),
            (b"mif1", &[], "image/heif"),
            (b"msf1", &[b"iso8"], "image/heif"),
            (b"isom", &[b"iso2", b"avc1", b"mp41"], "video/mp4"),
            (b"mp42", &[b"M4A ", b"qt  ", b"3gp4"], "video/mp4"),
            (b"XAVC", &[], "video/mp4"),
            (b"zzzz", &[], "video/mp4"),
            (b"M4A ", &[b"mp42", b"isom"], "audio/mp4"),
            (b"M4B ", &[b"mp42"], "audio/mp4"),
            (b"3gp5", &[b"isom"], "video/3gpp"),
            (b"3g2a", &[], "video/3gpp2"),
            (b"qt  ", &[], "video/quicktime"),
            (b"crx ", &[b"isom"], "image/x-canon-cr3"),
        ];

        for (major, compatible, mime) in cases {
            let compatible: Vec<[u8; 4]> = compatible.iter().map(|&&brand| brand).collect();
            assert_eq!(by_brands(*major, &compatible).mime, mime, "{}", major.escape_ascii());
        }
    }
}
