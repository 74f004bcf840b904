//! Downloads an untrusted URL into a spool file, safely.
//!
//! The one place that opens outgoing sockets for URLs of strangers: every address is judged where it is dialled.

mod address;
mod body;
mod cookies;
mod decode;
mod dial;
mod download;
mod error;
mod fetcher;
mod follow;
mod head;
mod limits;
mod names;
mod own;
mod pace;
mod progress;
mod request;
mod resolve;
mod resume;
mod retry;
mod spool;
mod tls;
mod turns;
mod url;
mod verdict;

/// The target of spans that are steps of a fetch, for whoever traces them. They name a source's host and port, and
/// nothing else that it or its caller said.
pub const STEPS: &str = "traces";

pub use crate::url::{LocationRefused, MAX_URL_BYTES, SourceUrl, UrlRefused};
pub use address::{DEFAULT_PORTS, Networks, NetworksError, Policy, PolicyError, Tables};
pub use cookies::Cookies;
pub use dial::{DialError, DialSettings, Dialer, DialerError};
pub use error::{Cause, FetchError};
pub use fetcher::{FetchJob, Fetched, Fetcher};
pub use limits::Limits;
pub use progress::Progress;
pub use resolve::DnsFailure;
pub use spool::Spooled;
pub use tls::RootsError;
pub use verdict::{ContentRefused, FirstBytes, HEAD_BYTES, Verdict};
