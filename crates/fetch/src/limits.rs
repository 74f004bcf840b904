//! Every limit of a fetch, each with the reason it ends in. The defaults are the documented ones.

use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// How much a source may send, how slowly, and how often it is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest file, on the wire and decoded: `TooLarge`.
    pub max_bytes: u64,
    /// Free space that the spool's file system keeps: `StorageFull`.
    pub min_free_bytes: u64,
    /// The head of one answer: `HeadersTooLarge`.
    pub max_header_bytes: usize,
    /// The fields of one answer: `HeadersTooLarge`.
    pub max_header_fields: usize,
    /// Interim 1xx answers before the real one: `HeadersTooLarge`.
    pub max_interim: usize,
    /// Redirects from the requested URL to the file: `TooManyRedirects`.
    pub max_redirects: usize,
    /// From the request to the whole head of its answer: `FirstByteTimeout`.
    pub first_byte_timeout: Duration,
    /// Silence inside a body: `BodyStalled`.
    pub idle_timeout: Duration,
    /// Everything together, hops, pauses and tries included: `FetchTimeout`.
    pub total_timeout: Duration,
    /// The slowest pace of a body, over any `pace_window` after its first `pace_grace`: `TooSlow`.
    pub slowest_bytes_per_second: u64,
    /// Over how long the pace is measured.
    pub pace_window: Duration,
    /// How long a body may start slowly.
    pub pace_grace: Duration,
    /// Tries in a row that bring no byte beyond the furthest point: the last one's reason.
    pub tries: u32,
    /// The pause before another try, doubled by each try in a row that brings nothing.
    pub backoff: Duration,
    /// The longest `Retry-After` that is waited for: `SourceStatus`.
    pub longest_retry_after: Duration,
    /// Decoded bytes for each coded one: `CompressionRatio`.
    pub ratio: u64,
    /// Decoded bytes before the ratio counts.
    pub ratio_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_bytes: 5 * GIB,
            min_free_bytes: 256 * MIB,
            max_header_bytes: 64 * 1024,
            max_header_fields: 100,
            max_interim: 5,
            max_redirects: 10,
            first_byte_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(30 * 60),
            slowest_bytes_per_second: 32 * KIB,
            pace_window: Duration::from_secs(30),
            pace_grace: Duration::from_secs(30),
            tries: 3,
            backoff: Duration::from_millis(500),
            longest_retry_after: Duration::from_secs(10),
            ratio: 100,
            ratio_free_bytes: MIB,
        }
    }
}
