//! No bytes make a detector panic, run long, or read much.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use soku_media::{Sniffed, format, judge, sniff, sniff_file};
use soku_testkit::samples;

use crate::support::{Dice, boxed, whole};

/// Counts what is read of a file.
struct Counted<R> {
    file: R,
    reads: u32,
    bytes: usize,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.reads += 1;
        self.bytes += count;
        Ok(count)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

fn alter(bytes: &mut [u8], dice: &mut Dice) {
    const FIELDS: [[u8; 4]; 5] = [[0; 4], [0xff; 4], [0, 0, 0, 1], [0x7f, 0xff, 0xff, 0xff], [0x80, 0, 0, 0]];
    for _ in 0..=dice.below(4) {
        // Most of what a detector reads stands at the begin.
        let reach = if dice.below(4) == 0 { bytes.len() } else { bytes.len().min(600) };
        let at = dice.below(reach);
        if dice.below(2) == 0 {
            bytes[at] ^= 1 << dice.below(8);
        } else {
            let field = FIELDS[dice.below(FIELDS.len())];
            let end = (at + 4).min(bytes.len());
            bytes[at..end].copy_from_slice(&field[..end - at]);
        }
    }
}

#[test]
fn no_altered_sample_panics_or_changes_its_mind() {
    const TRIES: usize = 300;
    let mut dice = Dice::new(20_260_228);
    for sample in samples::MEDIA.iter().chain(samples::NOT_MEDIA).filter(|sample| !sample.bytes.is_empty()) {
        for _ in 0..TRIES {
            let mut bytes = sample.bytes.to_vec();
            alter(&mut bytes, &mut dice);
            bytes.truncate(bytes.len().min(1 + dice.below(2 * bytes.len())));

            let by_head = judge(sniff(&bytes, true), Some(b"image/x-made-up"));
            let by_file = judge(whole(&bytes), Some(b"image/x-made-up"));
            assert_eq!(by_head, by_file);
        }
    }
}

#[test]
fn no_sample_cut_anywhere_panics() {
    for sample in samples::MEDIA.iter().chain(samples::NOT_MEDIA) {
        for length in 0..sample.bytes.len().min(700) {
            for complete in [false, true] {
                let _ = sniff(&sample.bytes[..length], complete);
            }
        }
    }
}

#[test]
fn what_is_read_of_a_hostile_file_is_bounded() {
    const MEGABYTES: usize = 4 * 1024 * 1024;
    let ftyp = boxed(b"ftyp", b"isom\0\0\0\0isom");
    let films: [Vec<u8>; 5] = [
        // Boxes without end, tracks without end, in each other without end
        [ftyp.clone(), boxed(b"free", &[]).repeat(MEGABYTES / 8)].concat(),
        [ftyp.clone(), boxed(b"moov", &boxed(b"trak", &boxed(b"mdia", &[])).repeat(MEGABYTES / 24))].concat(),
        [ftyp, b"\0\0\0\0moov\0\0\0\0trak\0\0\0\0mdia".to_vec(), boxed(b"free", &[]).repeat(MEGABYTES / 8)].concat(),
        [b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff".to_vec(), b"\xec\x80".repeat(MEGABYTES / 2)].concat(),
        [samples::WMA.bytes[..16].to_vec(), vec![0xff; 8], vec![0; MEGABYTES]].concat(),
    ];
    let tags = [b"ID3\x03\0\0\0\x07\x7f\x7f".as_slice(), &[0; 131_071]].concat().repeat(30);

    for bytes in films.iter().chain([&tags]) {
        let mut file = Counted { file: Cursor::new(bytes), reads: 0, bytes: 0 };

        let sniffed = sniff_file(&mut file, bytes.len() as u64).unwrap();

        assert!(matches!(sniffed, Sniffed::Media(_)), "{sniffed:?}");
        assert!(file.reads < 1200 && file.bytes < 256 * 1024, "{} reads, {} bytes", file.reads, file.bytes);
    }
}

#[test]
fn a_file_shorter_than_it_says_is_no_error() {
    let bytes = samples::MP4_MOOV_AT_END.bytes;

    assert_eq!(sniff_file(&mut Cursor::new(bytes), u64::MAX).unwrap(), Sniffed::Media(&format::MP4));
    assert_eq!(sniff_file(&mut Cursor::new(b""), 10).unwrap(), Sniffed::NotMedia("application/x-empty"));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    struct Broken(Cursor<Vec<u8>>);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.position() > 65_536 { Err(io::Error::other("a bad sector")) } else { self.0.read(buffer) }
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let film = [boxed(b"ftyp", b"isom\0\0\0\0isom"), boxed(b"mdat", &vec![7; 300_000]), boxed(b"moov", &[])].concat();
    let size = film.len() as u64;

    assert!(sniff_file(&mut Broken(Cursor::new(film)), size).is_err());
}
