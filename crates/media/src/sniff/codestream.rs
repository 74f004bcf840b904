//! A bare JPEG XL codestream (ISO/IEC 18181-1). Its signature has two bytes, which random data has too: so the headers
//! behind it are read to their end, where the padding to the next whole byte must be zero.

use crate::format::{self, Format};

/// The largest side and area of a picture that is believed (level 10 of the standard's profiles, §M.3, allows more than
/// anybody has).
const LARGEST_SIDE: u64 = 1 << 20;
const LARGEST_AREA: u64 = 1 << 34;
const MOST_EXTRA_CHANNELS: u32 = 256;

/// A JPEG XL picture without a container.
pub(super) fn detect(head: &[u8]) -> Option<&'static Format> {
    let mut bits = Bits { bytes: head.strip_prefix(b"\xff\x0a")?, at: 0 };
    headers(&mut bits).map(|()| &format::JXL)
}

/// Bits, the lowest of each byte first (§B.2).
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// One of the four ways to write a number (§B.2.4): so much, plus so many bits.
type Choice = (u32, u32);

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    fn number(&mut self, choices: [Choice; 4]) -> Option<u32> {
        let (base, width) = choices[self.take(2)? as usize];
        base.checked_add(self.take(width)?)
    }

    /// An enumerated value (§B.3), which must be one of these.
    fn one_of(&mut self, values: &[u32]) -> Option<u32> {
        let value = self.number([(0, 0), (1, 0), (2, 4), (18, 6)])?;
        values.contains(&value).then_some(value)
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.take(1).map(drop))
    }

    fn zero_to_whole_byte(&mut self) -> Option<()> {
        while !self.at.is_multiple_of(8) {
            (self.take(1)? == 0).then_some(())?;
        }
        Some(())
    }
}

/// The size, the metadata, and the transforms (§D.2, §D.3, §L.2.2). An ICC profile, where there is one, is not read.
fn headers(bits: &mut Bits<'_>) -> Option<()> {
    size(bits)?;
    let mut is_xyb = true;
    let mut has_profile = false;
    if !bits.flag()? {
        let has_more = bits.flag()?;
        if has_more {
            more_fields(bits)?;
        }
        bit_depth(bits)?;
        bits.flag()?;
        let extra = bits.number([(0, 0), (1, 0), (2, 4), (1, 12)]).filter(|&extra| extra <= MOST_EXTRA_CHANNELS)?;
        (0..extra).try_for_each(|_| extra_channel(bits))?;
        is_xyb = bits.flag()?;
        has_profile = colours(bits)?;
        if has_more && !bits.flag()? {
            bits.skip(16 + 16 + 1 + 16)?;
        }
        no_extensions(bits)?;
    }
    transforms(bits, is_xyb)?;
    if has_profile { Some(()) } else { bits.zero_to_whole_byte() }
}

fn size(bits: &mut Bits<'_>) -> Option<()> {
    const RATIOS: [(u64, u64); 8] = [(0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)];
    let in_eights = bits.flag()?;
    let side = |bits: &mut Bits<'_>| -> Option<u64> {
        Some(if in_eights {
            8 * (u64::from(bits.take(5)?) + 1)
        } else {
            u64::from(bits.number([(1, 9), (1, 13), (1, 18), (1, 30)])?)
        })
    };
    let height = side(bits)?;
    let (over, under) = RATIOS[bits.take(3)? as usize];
    let width = if over == 0 { side(bits)? } else { height * over / under };
    (height <= LARGEST_SIDE && width <= LARGEST_SIDE && height * width <= LARGEST_AREA).then_some(())
}

/// Orientation, intrinsic size, preview, animation.
fn more_fields(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(3)?;
    if bits.flag()? {
        size(bits)?;
    }
    if bits.flag()? {
        let in_eights = bits.flag()?;
        let side =
            if in_eights { [(16, 0), (32, 0), (1, 5), (33, 9)] } else { [(1, 6), (65, 8), (321, 10), (1345, 12)] };
        bits.number(side)?;
        if bits.take(3)? == 0 {
            bits.number(side)?;
        }
    }
    if bits.flag()? {
        bits.number([(100, 0), (1000, 0), (1, 10), (1, 30)])?;
        bits.number([(1, 0), (1001, 0), (1, 8), (1, 10)])?;
        bits.number([(0, 0), (0, 3), (0, 16), (0, 32)])?;
        bits.skip(1)?;
    }
    Some(())
}

fn bit_depth(bits: &mut Bits<'_>) -> Option<()> {
    if bits.flag()? {
        let depth = bits.number([(32, 0), (16, 0), (24, 0), (1, 6)])?;
        let exponent = bits.take(4)? + 1;
        ((2..=8).contains(&exponent) && (exponent + 3..=32).contains(&depth)).then_some(())
    } else {
        bits.number([(8, 0), (10, 0), (12, 0), (1, 6)]).filter(|&depth| depth <= 31).map(drop)
    }
}

fn extra_channel(bits: &mut Bits<'_>) -> Option<()> {
    const ALPHA: u32 = 0;
    const SPOT: u32 = 2;
    const FILTER: u32 = 5;
    if bits.flag()? {
        return Some(());
    }
    let kind = bits.one_of(&[ALPHA, 1, SPOT, 3, 4, FILTER, 6, 15, 16])?;
    bit_depth(bits)?;
    bits.number([(0, 0), (3, 0), (4, 0), (1, 3)])?;
    let name = bits.number([(0, 0), (0, 4), (16, 5), (48, 10)])?;
    bits.skip(8 * name)?;
    match kind {
        ALPHA => bits.skip(1),
        SPOT => bits.skip(4 * 16),
        FILTER => bits.number([(1, 0), (0, 2), (3, 4), (19, 8)]).map(drop),
        _ => Some(()),
    }
}

/// The colour encoding; whether an ICC profile follows.
fn colours(bits: &mut Bits<'_>) -> Option<bool> {
    const GREY: u32 = 1;
    const XYB: u32 = 2;
    const CUSTOM: u32 = 2;
    let point = |bits: &mut Bits<'_>| -> Option<()> {
        (0..2).try_for_each(|_| bits.number([(0, 19), (524_288, 19), (1_048_576, 20), (2_097_152, 21)]).map(drop))
    };
    if bits.flag()? {
        return Some(false);
    }
    let has_profile = bits.flag()?;
    let space = bits.one_of(&[0, GREY, XYB, 3])?;
    if has_profile {
        return Some(true);
    }
    if space != XYB && bits.one_of(&[1, CUSTOM, 10, 11])? == CUSTOM {
        point(bits)?;
    }
    if space != XYB && space != GREY && bits.one_of(&[1, CUSTOM, 9, 11])? == CUSTOM {
        (0..3).try_for_each(|_| point(bits))?;
    }
    if space != XYB {
        if bits.flag()? {
            bits.take(24).filter(|&gamma| gamma > 0)?;
        } else {
            bits.one_of(&[1, 2, 8, 13, 16, 17, 18])?;
        }
    }
    bits.one_of(&[0, 1, 2, 3])?;
    Some(false)
}

/// No version of the standard has defined an extension.
fn no_extensions(bits: &mut Bits<'_>) -> Option<()> {
    (bits.take(2)? == 0).then_some(())
}

fn transforms(bits: &mut Bits<'_>, is_xyb: bool) -> Option<()> {
    const HALF: u32 = 16;
    if bits.flag()? {
        return Some(());
    }
    if is_xyb && !bits.flag()? {
        bits.skip(HALF * (9 + 3 + 4))?;
    }
    let weights = bits.take(3)?;
    for (bit, count) in [(1, 15), (2, 55), (4, 210)] {
        if weights & bit != 0 {
            bits.skip(HALF * count)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::detect;

    #[test]
    fn two_bytes_are_no_picture() {
        assert!(detect(b"\xff\x0a").is_none());
        assert!(detect(&[[0xff, 0x0a].as_slice(), &[0xff; 64]].concat()).is_none());
        assert!(detect(&[[0xff, 0x0a].as_slice(), &[0; 64]].concat()).is_none());
    }
}
