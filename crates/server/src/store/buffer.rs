//! Buffers for reading, lent out and returned: no allocation and no zeroing for each chunk of a body.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The sizes in which buffers come.
const SIZES: [usize; 3] = [16 * 1024, 64 * 1024, LARGEST];
/// The most that one read takes.
pub(super) const LARGEST: usize = 256 * 1024;
/// What one thread keeps at hand of each size.
const AT_HAND: [usize; 3] = [16, 8, 8];
/// With this much lent out at once, most of it waits for slow readers: they get smaller chunks.
const MUCH_LENT: usize = 64 * 1024 * 1024;
const TOO_MUCH_LENT: usize = 256 * 1024 * 1024;

static LENT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static POOL: RefCell<[Vec<Box<[u8]>>; 3]> = const { RefCell::new([const { Vec::new() }; 3]) };
}

/// How much to read next, where `left` bytes are wanted and all is well in memory.
pub(super) fn chunk_len(left: u64) -> usize {
    let most = match LENT.load(Ordering::Relaxed) {
        TOO_MUCH_LENT.. => SIZES[0],
        MUCH_LENT.. => SIZES[1],
        _ => LARGEST,
    };
    usize::try_from(left).map_or(most, |left| left.min(most))
}

/// A buffer on loan. Dropping it, on whichever thread, returns it.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    size: usize,
}

impl Buffer {
    /// A buffer of `len` bytes, at most [`LARGEST`], with whatever its last user left in it.
    pub(super) fn lend(len: usize) -> Buffer {
        let size = SIZES.iter().position(|size| len <= *size).expect("chunks are at most the largest size");
        let at_hand = POOL.with_borrow_mut(|pool| pool[size].pop());
        let bytes = at_hand.unwrap_or_else(|| vec![0; SIZES[size]].into_boxed_slice());
        LENT.fetch_add(bytes.len(), Ordering::Relaxed);
        Buffer { bytes, len, size }
    }

    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// The first `len` bytes, without a copy.
    pub(super) fn into_bytes(mut self, len: usize) -> Bytes {
        self.len = self.len.min(len);
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        LENT.fetch_sub(bytes.len(), Ordering::Relaxed);
        // A thread that is ending has no pool any more: the buffer is freed.
        let _ = POOL.try_with(|pool| {
            let shelf = &mut pool.borrow_mut()[self.size];
            if shelf.len() < AT_HAND[self.size] {
                shelf.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_buffer_is_lent_again_and_shows_only_what_was_read() {
        let mut first = Buffer::lend(100);
        first.as_mut().fill(7);
        let address = first.as_mut().as_ptr();
        let bytes = first.into_bytes(3);
        assert_eq!(&bytes[..], [7, 7, 7]);
        drop(bytes);

        let mut second = Buffer::lend(200);

        assert_eq!(second.as_mut().as_ptr(), address);
        assert_eq!(second.as_mut().len(), 200);
    }

    #[test]
    fn a_thread_keeps_a_bounded_number_of_buffers() {
        let lent: Vec<Buffer> = (0..100).map(|_| Buffer::lend(LARGEST)).collect();

        drop(lent);

        POOL.with_borrow(|pool| assert_eq!(pool[2].len(), AT_HAND[2]));
    }
}
