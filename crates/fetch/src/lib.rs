//! Downloads an untrusted URL into a spool file, safely.
//!
//! The one place that opens outgoing sockets for URLs of strangers: every address is judged where it is dialled.

mod address;
mod dial;
mod names;
mod own;
mod resolve;
mod tls;
mod url;

pub use crate::url::{LocationRefused, MAX_URL_BYTES, SourceUrl, UrlRefused};
pub use address::{DEFAULT_PORTS, Networks, NetworksError, Policy, PolicyError, Tables};
pub use dial::{DialError, DialSettings, Dialer, DialerError};
pub use resolve::DnsFailure;
pub use tls::RootsError;
