//! What the tests need of the outside world: sources on the loopback interface that may misbehave, and what they saw.
//!
//! Everything listens on port 0, runs in parallel, and ends when it is dropped.

pub mod dns;
pub mod origin;
pub mod samples;
pub mod tls_origin;

pub use dns::{DnsQuery, DnsReply, DnsServer, Transport};
pub use origin::answer::Answer;
pub use origin::request::Request;
pub use origin::stream::SourceStream;
pub use origin::{Origin, Seen};
pub use tls_origin::{TlsBuilder, TlsOrigin};
