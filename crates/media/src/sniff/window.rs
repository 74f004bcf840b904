//! What a detector may look at: the head of a file in memory and, where the file itself is at hand, a bounded number of
//! small pieces further on.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// How often one judgement may read beyond the head. Enough for the boxes of any honest file, too few to be a burden.
const MOST_READS: u32 = 1024;
/// The size of a [`Window::piece`] read beyond the head.
const PIECE_BYTES: usize = 8 * 1024;

/// A file that can be read anywhere.
trait ReadSeek: Read + Seek {}
impl<R: Read + Seek> ReadSeek for R {}

/// The bytes in reach.
pub(super) struct Window<'a> {
    head: &'a [u8],
    /// The size of the whole file, if it is known.
    size: Option<u64>,
    file: Option<&'a mut dyn ReadSeek>,
    reads_left: u32,
    failure: Option<io::Error>,
}

impl<'a> Window<'a> {
    /// The head alone.
    pub(super) fn of_head(head: &'a [u8], complete: bool) -> Window<'a> {
        let size = complete.then_some(head.len() as u64);
        Window { head, size, file: None, reads_left: 0, failure: None }
    }

    /// A whole file, the head of which has been read.
    pub(super) fn of_file<R: Read + Seek>(head: &'a [u8], size: u64, file: &'a mut R) -> Window<'a> {
        Window { head, size: Some(size), file: Some(file), reads_left: MOST_READS, failure: None }
    }

    /// The first bytes.
    pub(super) fn head(&self) -> &'a [u8] {
        self.head
    }

    /// Whether the head is the whole file.
    pub(super) fn is_complete(&self) -> bool {
        self.size == Some(self.head.len() as u64)
    }

    /// `N` bytes from `at`; nothing if they are not there or out of reach.
    pub(super) fn array<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(at, &mut bytes).then_some(bytes)
    }

    /// Up to `most` bytes from `at`, as many as are there and in reach.
    pub(super) fn up_to(&mut self, at: u64, most: usize) -> Vec<u8> {
        let there = self.size.unwrap_or(self.head.len() as u64).saturating_sub(at);
        let reachable = if self.file.is_some() { there } else { (self.head.len() as u64).saturating_sub(at) };
        let mut bytes = vec![0; usize::try_from(reachable).map_or(most, |reachable| reachable.min(most))];
        if !self.fill(at, &mut bytes) {
            bytes.clear();
        }
        bytes
    }

    /// The bytes from `at` on: what the head has of them or, beyond it, one piece.
    pub(super) fn piece(&mut self, at: u64) -> Cow<'a, [u8]> {
        match usize::try_from(at).ok().and_then(|start| self.head.get(start..)) {
            Some(rest) if self.file.is_none() || rest.len() >= PIECE_BYTES => Cow::Borrowed(rest),
            Some(_) | None => Cow::Owned(self.up_to(at, PIECE_BYTES)),
        }
    }

    /// The error of a read that failed, if one did.
    pub(super) fn finish(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    fn fill(&mut self, at: u64, bytes: &mut [u8]) -> bool {
        let Some(end) = at.checked_add(bytes.len() as u64) else { return false };
        if let (Ok(start), Ok(end)) = (usize::try_from(at), usize::try_from(end))
            && let Some(known) = self.head.get(start..end)
        {
            bytes.copy_from_slice(known);
            return true;
        }
        let Some(file) = self.file.as_deref_mut() else { return false };
        if self.size.is_some_and(|size| end > size) || self.reads_left == 0 {
            return false;
        }
        self.reads_left -= 1;
        match file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(bytes)) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => false,
            Err(error) => {
                self.failure = Some(error);
                self.file = None;
                false
            }
        }
    }
}
