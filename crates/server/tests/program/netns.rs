//! The real program, without any switch, in a small Internet of its own: two network namespaces joined by one wire. In
//! one runs soku, with a public address; in the other is the rest of the world, with public addresses, private ones
//! and a name server. So the rules about ports, addresses, names and connection counts are seen where they act.
//!
//! Needs Linux, `ip` (iproute2), `unshare` and `nsenter` (util-linux), and root or unprivileged user namespaces.

mod addresses;
mod egress;
mod limits;
mod names;
mod ports;
pub(crate) mod world;
