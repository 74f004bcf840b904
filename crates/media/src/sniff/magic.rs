//! Formats that a few fixed bytes at a fixed place tell apart: the WHATWG MIME Sniffing Standard's tables (§6.1 pictures,
//! §6.2 sound, §6.3 fonts, §6.4 archives, §7.1 the rest), and more of the same kind.

use crate::format::{self, Format};

/// Signatures of media: where, what, which. Those of two or three bytes are checked further below.
const MEDIA: &[(usize, &[u8], &Format)] = &[
    (0, b"\x89PNG\r\n\x1a\n", &format::PNG),
    (0, b"\xff\xd8\xff", &format::JPEG),
    (0, b"GIF87a", &format::GIF),
    (0, b"GIF89a", &format::GIF),
    (0, b"II*\0", &format::TIFF),
    (0, b"MM\0*", &format::TIFF),
    // BigTIFF
    (0, b"II+\0\x08\0\0\0", &format::TIFF),
    (0, b"MM\0+\0\x08\0\0", &format::TIFF),
    (0, b"II\xbc\x01", &format::JXR),
    (0, b"8BPS\0\x01\0\0\0\0\0\0", &format::PSD),
    (0, b"8BPS\0\x02\0\0\0\0\0\0", &format::PSD),
    // ISO/IEC 18181-2 §3: the container's signature box
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", &format::JXL),
    // ISO/IEC 15444-1 annex A.4: SOC, then SIZ
    (0, b"\xff\x4f\xff\x51\0", &format::J2C),
    (0, b"\x76\x2f\x31\x01\x02", &format::EXR),
    (0, b"SIMPLE  =                    T", &format::FITS),
    // RFC 9639 §8: the marker, then a stream info block of 34 bytes, last or not
    (0, b"fLaC\0\0\0\x22", &format::FLAC),
    (0, b"fLaC\x80\0\0\x22", &format::FLAC),
    (0, b"MThd\0\0\0\x06", &format::MIDI),
    // RFC 4867 §5
    (0, b"#!AMR\n", &format::AMR),
    (0, b"#!AMR_MC1.0\n", &format::AMR),
    (0, b"#!AMR-WB\n", &format::AMR_WB),
    (0, b"#!AMR-WB_MC1.0\n", &format::AMR_WB),
    (0, b"caff\0\x01\0\0", &format::CAF),
    (0, b"MAC \x6e\x0f", &format::APE),
    (0, b"MAC \x78\x0f", &format::APE),
    (0, b"MAC \x82\x0f", &format::APE),
    (0, b"MAC \x8c\x0f", &format::APE),
    (0, b"MAC \x96\x0f", &format::APE),
    (0, b"TTA1\x01\0", &format::TTA),
    (0, b"DSD \x1c\0\0\0\0\0\0\0", &format::DSF),
    (0, b"MPCKSH", &format::MUSEPACK),
    (0, b"MP+\x07", &format::MUSEPACK),
    (0, b"MP+\x17", &format::MUSEPACK),
    (0, b"\x7f\xfe\x80\x01", &format::DTS),
    (0, b"\xfe\x7f\x01\x80", &format::DTS),
    (0, b"DKIF\0\0\x20\0", &format::IVF),
];

/// Signatures of what is no media.
const REFUSED: &[(usize, &[u8], &str)] = &[
    (0, b"%PDF-", "application/pdf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"\xc5\xd0\xd3\xc6", "application/postscript"),
    (0, b"{\\rtf", "application/rtf"),
    // Archives and compressed files; `.svgz` is one to us (rule V1)
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"PK\x07\x08", "application/zip"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"\x1f\x9d\x90", "application/x-compress"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"\x04\x22\x4d\x18", "application/x-lz4"),
    (0, b"LZIP\x01", "application/x-lzip"),
    (0, b"\x5d\0\0\x80\0", "application/x-lzma"),
    (0, b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (0, b"!<arch>\n", "application/x-archive"),
    (0, b"070701", "application/x-cpio"),
    (0, b"070707", "application/x-cpio"),
    (0, b"xar!\0\x1c", "application/x-xar"),
    (0, b"\xed\xab\xee\xdb", "application/x-rpm"),
    (257, b"ustar", "application/x-tar"),
    (32769, b"CD001", "application/x-iso9660-image"),
    // Programs
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (0, b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (0, b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xca\xfe\xba\xbf\0\0\0", "application/x-mach-binary"),
    (0, b"\xca\xfe\xba\xbe\0\0\0", "application/java-vm"),
    (0, b"dex\n0", "application/x-dex"),
    (0, b"\0asm", "application/wasm"),
    (0, b"\x1bLua", "application/x-lua-bytecode"),
    (0, b"BC\xc0\xde", "application/x-llvm-bitcode"),
    (0, b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    // Documents, fonts, data
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"ITSF\x03\0\0\0", "application/vnd.ms-htmlhelp"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"OTTO\0", "font/otf"),
    (0, b"ttcf\0", "font/collection"),
    (0, b"\0\x01\0\0\0", "font/ttf"),
    (0, b"bplist0", "application/x-plist"),
    (0, b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", "application/x-pickle"),
    // XML 1.0 appendix F: `<?xm` in EBCDIC
    (0, b"\x4c\x6f\xa7\x94", "text/xml"),
];

/// A medium by its signature.
pub(super) fn media(head: &[u8]) -> Option<&'static Format> {
    find(MEDIA, head)
        .or_else(|| is_bitmap(head).then_some(&format::BMP))
        .or_else(|| is_icon(head).then_some(&format::ICO))
        .or_else(|| is_flash_video(head))
        .or_else(|| is_wavpack(head).then_some(&format::WAVPACK))
        .or_else(|| is_sun_audio(head).then_some(&format::AU))
}

/// Something else by its signature.
pub(super) fn refused(head: &[u8]) -> Option<&'static str> {
    find(REFUSED, head)
        .map(|mime| if is_fat_mach(head) { "application/x-mach-binary" } else { mime })
        .or_else(|| program(head))
}

/// What may begin with junk, looked for in bytes that nobody knew: readers of PDF find its header anywhere in the first
/// 1,024 bytes (ISO 32000-1 annex H.3.4.1).
pub(super) fn refused_late(head: &[u8]) -> Option<&'static str> {
    let start = &head[..head.len().min(1024)];
    start.split(|&byte| byte == b'%').skip(1).any(|rest| rest.starts_with(b"PDF-")).then_some("application/pdf")
}

fn find<T: Copy>(table: &[(usize, &[u8], T)], head: &[u8]) -> Option<T> {
    table.iter().find(|(at, bytes, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes))).map(|row| row.2)
}

/// `BM` alone is too little: the reserved fields are zero and a header of a known size follows (MS-WMF §2.2.2.9).
fn is_bitmap(head: &[u8]) -> bool {
    const HEADER_SIZES: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];
    head.starts_with(b"BM")
        && u32_le(head, 6) == Some(0)
        && u32_le(head, 14).is_some_and(|size| HEADER_SIZES.contains(&size))
}

/// An icon or a cursor: a directory of pictures, each of which begins behind the directory.
fn is_icon(head: &[u8]) -> bool {
    const DIRECTORY: u32 = 6;
    const ENTRY: u32 = 16;
    if !(head.starts_with(b"\0\0\x01\0") || head.starts_with(b"\0\0\x02\0")) {
        return false;
    }
    let (Some(&low), Some(&high), Some(&reserved)) = (head.get(4), head.get(5), head.get(9)) else { return false };
    let pictures = u32::from(u16::from_le_bytes([low, high]));
    let (Some(size), Some(at)) = (u32_le(head, 14), u32_le(head, 18)) else { return false };
    pictures > 0 && matches!(reserved, 0 | 0xff) && size > 0 && at >= DIRECTORY + ENTRY * pictures
}

/// Flash video (Adobe FLV 10.1 annex E.2): version 1, only the two flags, a header of nine bytes. Its flags say which
/// tracks there are, if they say anything.
fn is_flash_video(head: &[u8]) -> Option<&'static Format> {
    const SOUND: u8 = 4;
    let [flags, size @ ..] = head.strip_prefix(b"FLV\x01")?.first_chunk::<5>()?;
    if *size != [0, 0, 0, 9] || flags & !5 != 0 {
        return None;
    }
    Some(if *flags == SOUND { &format::FLV_AUDIO } else { &format::FLV })
}

/// A block of `WavPack`: its versions are 0x402 to 0x410.
fn is_wavpack(head: &[u8]) -> bool {
    head.starts_with(b"wvpk")
        && head.get(9) == Some(&4)
        && head.get(8).is_some_and(|&minor| (2..=0x10).contains(&minor))
}

/// Sun's header: the sound begins behind it, in one of the known encodings.
fn is_sun_audio(head: &[u8]) -> bool {
    let (Some(start), Some(encoding)) = (u32_be(head, 4), u32_be(head, 12)) else { return false };
    head.starts_with(b".snd") && (24..=65536).contains(&start) && (1..=27).contains(&encoding)
}

/// Programs whose signature has two or three bytes.
fn program(head: &[u8]) -> Option<&'static str> {
    const FLASH_VERSIONS: std::ops::RangeInclusive<u8> = 1..=60;
    match *head.first_chunk::<4>()? {
        [b'F' | b'C' | b'Z', b'W', b'S', version] if FLASH_VERSIONS.contains(&version) => {
            Some("application/x-shockwave-flash")
        }
        [b'B', b'Z', b'h', b'1'..=b'9'] if head[4..].starts_with(b"1AY&SY") => Some("application/x-bzip2"),
        [b'M', b'Z', a, b] if a < 9 || b < 9 => Some(windows_program(head)),
        // Python: a version, CR LF, flags of which two are known (PEP 552)
        [_, 3 | 12..=15, b'\r', b'\n'] if u32_le(head, 4).is_some_and(|flags| flags < 4) => {
            Some("application/x-python-bytecode")
        }
        _ => None,
    }
}

/// `MZ` begins programs for Windows, which have their true header where byte 60 points, and for DOS.
fn windows_program(head: &[u8]) -> &'static str {
    let at = u32_le(head, 60).and_then(|at| usize::try_from(at).ok());
    let is_portable = at.and_then(|at| head.get(at..)).is_some_and(|rest| rest.starts_with(b"PE\0\0"));
    if is_portable { "application/vnd.microsoft.portable-executable" } else { "application/x-dosexec" }
}

/// A Mach-O file for several processors begins as a Java class does; but no Java is of version 0.x with x < 45.
fn is_fat_mach(head: &[u8]) -> bool {
    head.starts_with(b"\xca\xfe\xba\xbe") && u32_be(head, 4).is_some_and(|processors| processors < 45)
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four))
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}
