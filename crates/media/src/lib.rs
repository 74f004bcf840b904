//! What bytes are, and what a file may be called: the media type by content (contract §5, rules V1 and V2) and the safe
//! name of a hosted file (rules F1 to F3). No network, no disk, no clock; every function is bounded and none panics.

pub mod format;
mod name;
mod sniff;
mod verdict;

pub use format::Format;
pub use name::{FileName, MAX_NAME_BYTES, choose_name, content_disposition, encode_segment, names_match};
pub use sniff::{HEAD_BYTES, Sniffed, sniff, sniff_file};
pub use verdict::{NotMedia, Typed, TypedBy, judge};
