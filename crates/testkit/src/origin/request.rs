//! What a client asked, to the byte.

use tokio::io::AsyncReadExt;

use crate::SourceStream;

/// A request head as it came over the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The method of the request line.
    pub method: String,
    /// The target of the request line, exactly as sent.
    pub target: String,
    /// The header lines without their line ends, in order, exactly as sent.
    pub lines: Vec<Vec<u8>>,
}

impl Request {
    /// The value of the first header line of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (found, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The header lines as text, in order, for a snapshot.
    pub fn header_lines(&self) -> Vec<String> {
        self.lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    /// The first byte of a `Range: bytes=n-`, if there is one.
    pub fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }

    /// Reads one head, byte by byte so that nothing behind it is taken; `None` when the peer left before its end.
    pub(crate) async fn read(stream: &mut SourceStream) -> Option<Request> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = stream.read_u8().await.ok()?;
            head.push(byte);
            if head.len() > 256 * 1024 {
                return None;
            }
        }
        let mut lines = head[..head.len() - 4].split(|&byte| byte == b'\n').map(|line| line.trim_ascii_end().to_vec());
        let first = String::from_utf8_lossy(&lines.next()?).into_owned();
        let mut words = first.splitn(3, ' ');
        let method = words.next()?.to_owned();
        let target = words.next()?.to_owned();
        Some(Request { method, target, lines: lines.collect() })
    }
}
