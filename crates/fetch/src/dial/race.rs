//! Happy Eyeballs (RFC 8305): the addresses of a name, judged as they come in, tried in turns of families.
//!
//! The next attempt begins when the last one failed, or has not answered for a while. The first connection wins.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};

use super::{DialError, Dialer};
use crate::address::{PortVerdict, reached};
use crate::own::Own;
use crate::resolve::{Answers, DnsFailure, Family, FamilyAnswer, MAX_ADDRESSES};
use crate::turns::{Party, Turn};

/// How long an IPv4 answer waits for the IPv6 one that should go first (RFC 8305 §3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// A connection to a judged address.
pub(super) struct Won {
    pub(super) stream: TcpStream,
    pub(super) turn: Option<Turn<IpAddr>>,
}

/// One name's addresses on their way to a connection.
pub(super) struct Race<'a> {
    dialer: &'a Dialer,
    own: Arc<Own>,
    port: u16,
    party: Party,
    lookups: Answers,
    candidates: Candidates,
    waiting: FuturesUnordered<BoxFuture<'static, (SocketAddr, Turn<IpAddr>)>>,
    connecting: FuturesUnordered<BoxFuture<'static, Result<Won, AttemptError>>>,
    /// When the next attempt may begin; before the first one, not until the answers say so.
    next_start: Option<Instant>,
    budget: Budget,
    losses: Losses,
}

/// Addresses that may be dialled and were not yet.
struct Candidates {
    v6: VecDeque<Candidate>,
    v4: VecDeque<Candidate>,
    next: Family,
    left: usize,
}

struct Candidate {
    address: SocketAddr,
    /// Inside an allowed network nobody minds how many connections there are.
    is_allowed: bool,
}

/// The time for connecting: it runs only while something is being connected to, not while a turn is waited for.
struct Budget {
    left: Duration,
    running_since: Option<Instant>,
}

/// What went wrong so far, to tell the cause when nothing is left.
#[derive(Default)]
struct Losses {
    has_refused_address: bool,
    has_refused_port: bool,
    dns: Option<DnsFailure>,
    attempt: Option<AttemptError>,
}

enum AttemptError {
    TimedOut,
    Failed(io::Error),
}

impl<'a> Race<'a> {
    pub(super) fn new(dialer: &'a Dialer, lookups: Answers, port: u16, party: Party) -> Race<'a> {
        Race {
            own: dialer.own.current(),
            port,
            party,
            lookups,
            candidates: Candidates::new(),
            waiting: FuturesUnordered::new(),
            connecting: FuturesUnordered::new(),
            next_start: None,
            budget: Budget { left: dialer.settings.connect_timeout, running_since: None },
            losses: Losses::default(),
            dialer,
        }
    }

    pub(super) async fn run(mut self) -> Result<Won, DialError> {
        loop {
            self.budget.run_while(!self.connecting.is_empty());
            let start = self.next_start.filter(|_| !self.candidates.is_empty());
            let end = self.budget.end();
            tokio::select! {
                biased;
                Some(result) = self.connecting.next() => match result {
                    Ok(won) => return Ok(won),
                    Err(error) => {
                        self.losses.note_attempt(error);
                        self.next_start = Some(Instant::now());
                    }
                },
                Some((address, turn)) = self.waiting.next() => self.connect(address, Some(turn)),
                Some(answer) = self.lookups.next() => self.take(answer),
                () = at(end), if end.is_some() => return Err(DialError::ConnectTimeout),
                () = at(start), if start.is_some() => self.start_next(),
                else => return Err(self.losses.cause()),
            }
        }
    }

    /// Judges the addresses of one family and queues those that may be dialled.
    fn take(&mut self, answer: FamilyAnswer) {
        match answer.addresses {
            Ok(addresses) => {
                for address in addresses {
                    self.judge(SocketAddr::new(address.to_canonical(), self.port));
                }
            }
            Err(failure) => self.losses.note_dns(failure),
        }
        if self.next_start.is_none() || self.lookups.is_empty() {
            let is_v6_awaited = answer.family == Family::V4 && !self.lookups.is_empty();
            let delay = if is_v6_awaited { RESOLUTION_DELAY } else { Duration::ZERO };
            self.begin_by(Instant::now() + delay);
        }
    }

    /// Lets the first attempt begin at `time`; later ones are paced by `start_next`.
    fn begin_by(&mut self, time: Instant) {
        let is_first = self.candidates.left == MAX_ADDRESSES;
        if is_first && !self.candidates.is_empty() {
            self.next_start = Some(self.next_start.map_or(time, |earlier| earlier.min(time)));
        }
    }

    fn judge(&mut self, address: SocketAddr) {
        match self.dialer.policy.judge_with_port(&self.own, address) {
            PortVerdict::Public => self.candidates.push(Candidate { address, is_allowed: false }),
            PortVerdict::Allowed => self.candidates.push(Candidate { address, is_allowed: true }),
            PortVerdict::AddressNotPublic => {
                tracing::debug!(%address, "Refused an address that is not public");
                self.losses.has_refused_address = true;
            }
            PortVerdict::PortBlocked => self.losses.has_refused_port = true,
        }
    }

    fn start_next(&mut self) {
        let Some(Candidate { address, is_allowed }) = self.candidates.pop() else { return };
        self.next_start = Some(Instant::now() + self.dialer.settings.stagger);
        if is_allowed {
            self.connect(address, None);
        } else {
            let turn = self.dialer.turns.wait(reached(address.ip()), &self.party);
            self.waiting.push(turn.map(move |turn| (address, turn)).boxed());
        }
    }

    fn connect(&mut self, address: SocketAddr, turn: Option<Turn<IpAddr>>) {
        let limit = self.dialer.settings.attempt_timeout;
        let attempt = async move {
            match timeout(limit, connect_judged(address)).await {
                Ok(Ok(stream)) => Ok(Won { stream, turn }),
                Ok(Err(error)) => Err(AttemptError::Failed(error)),
                Err(_) => Err(AttemptError::TimedOut),
            }
        };
        self.connecting.push(attempt.boxed());
    }
}

/// Connects to an address that was judged, and makes sure that it is the one that answers.
async fn connect_judged(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    #[expect(clippy::disallowed_methods, reason = "this is the dialer")]
    let stream = socket.connect(address).await?;
    // The kernel may connect elsewhere than it was told (0.0.0.0 means this machine).
    let peer = stream.peer_addr()?;
    if (peer.ip().to_canonical(), peer.port()) != (address.ip(), address.port()) {
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "another address answered than was dialled"));
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn at(time: Option<Instant>) {
    if let Some(time) = time {
        sleep_until(time).await;
    }
}

impl Candidates {
    fn new() -> Candidates {
        Candidates { v6: VecDeque::new(), v4: VecDeque::new(), next: Family::V6, left: MAX_ADDRESSES }
    }

    fn push(&mut self, candidate: Candidate) {
        match Family::of(candidate.address.ip()) {
            Family::V6 => self.v6.push_back(candidate),
            Family::V4 => self.v4.push_back(candidate),
        }
    }

    /// The next address, of the other family than the last one where there is one.
    fn pop(&mut self) -> Option<Candidate> {
        if self.left == 0 {
            return None;
        }
        let (first, second) = match self.next {
            Family::V6 => (&mut self.v6, &mut self.v4),
            Family::V4 => (&mut self.v4, &mut self.v6),
        };
        let candidate = first.pop_front().or_else(|| second.pop_front())?;
        self.next = Family::of(candidate.address.ip()).other();
        self.left -= 1;
        Some(candidate)
    }

    fn is_empty(&self) -> bool {
        self.left == 0 || (self.v6.is_empty() && self.v4.is_empty())
    }
}

impl Budget {
    fn run_while(&mut self, is_busy: bool) {
        match (is_busy, self.running_since) {
            (true, None) => self.running_since = Some(Instant::now()),
            (false, Some(since)) => {
                self.left = self.left.saturating_sub(since.elapsed());
                self.running_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    fn end(&self) -> Option<Instant> {
        self.running_since.map(|since| since + self.left)
    }
}

impl Losses {
    fn note_dns(&mut self, failure: DnsFailure) {
        // That one family has no address says less than that the other could not be asked.
        if self.dns.as_ref().is_none_or(|known| matches!(known, DnsFailure::NoAddress)) {
            self.dns = Some(failure);
        }
    }

    fn note_attempt(&mut self, error: AttemptError) {
        if self.attempt.as_ref().is_none_or(|known| error.weight() >= known.weight()) {
            self.attempt = Some(error);
        }
    }

    /// The cause that helps most: what was dialled comes before what was not, a port can be changed, an address cannot.
    fn cause(self) -> DialError {
        match self.attempt {
            Some(AttemptError::TimedOut) => return DialError::ConnectTimeout,
            Some(AttemptError::Failed(error)) => return DialError::ConnectFailed(error),
            None => {}
        }
        if self.has_refused_port {
            return DialError::PortBlocked;
        }
        if self.has_refused_address {
            return DialError::AddressNotPublic;
        }
        DialError::Dns(self.dns.unwrap_or(DnsFailure::NoAddress))
    }
}

impl AttemptError {
    /// A host that said no tells more than one that said nothing, and both more than a family without a route.
    fn weight(&self) -> u8 {
        match self {
            AttemptError::Failed(error) => match error.kind() {
                io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::Unsupported => 0,
                _ => 2,
            },
            AttemptError::TimedOut => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(addresses: &[&str]) -> Vec<String> {
        let mut candidates = Candidates::new();
        for address in addresses {
            candidates.push(Candidate { address: SocketAddr::new(address.parse().unwrap(), 80), is_allowed: false });
        }
        std::iter::from_fn(|| candidates.pop()).map(|candidate| candidate.address.ip().to_string()).collect()
    }

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        let addresses = ["1.1.1.1", "1.1.1.2", "1.1.1.3", "2606::1", "2606::2"];

        assert_eq!(order(&addresses), ["2606::1", "1.1.1.1", "2606::2", "1.1.1.2", "1.1.1.3"]);
        assert_eq!(order(&addresses[..2]), ["1.1.1.1", "1.1.1.2"]);
    }

    #[test]
    fn two_families_share_the_sixteen_attempts() {
        let addresses: Vec<String> = (1..=16).flat_map(|n| [format!("1.1.1.{n}"), format!("2606::{n}")]).collect();
        let order = order(&addresses.iter().map(String::as_str).collect::<Vec<_>>());

        assert_eq!(order.len(), MAX_ADDRESSES);
        assert_eq!(order.iter().filter(|address| address.contains(':')).count(), MAX_ADDRESSES / 2);
    }

    #[test]
    fn the_cause_that_helps_most_is_told() {
        let failed = |kind: io::ErrorKind| AttemptError::Failed(kind.into());
        let cause = |errors: Vec<AttemptError>| {
            let mut losses = Losses { has_refused_address: true, has_refused_port: true, ..Losses::default() };
            errors.into_iter().for_each(|error| losses.note_attempt(error));
            losses.cause()
        };

        let refused = || failed(io::ErrorKind::ConnectionRefused);
        let unrouted = || failed(io::ErrorKind::NetworkUnreachable);
        assert!(matches!(cause(vec![refused(), AttemptError::TimedOut]), DialError::ConnectFailed(_)));
        assert!(matches!(cause(vec![unrouted(), AttemptError::TimedOut]), DialError::ConnectTimeout));
        assert!(matches!(cause(vec![AttemptError::TimedOut, unrouted()]), DialError::ConnectTimeout));
        let told = cause(vec![refused(), unrouted()]);
        assert!(matches!(told, DialError::ConnectFailed(error) if error.kind() == io::ErrorKind::ConnectionRefused));
        assert!(matches!(cause(vec![]), DialError::PortBlocked));
    }
}
