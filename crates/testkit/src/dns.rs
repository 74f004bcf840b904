//! A name server on the loopback interface, over UDP and TCP, whose answers a test scripts query by query.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// One answer of the script; a query for IPv4 takes the IPv4 addresses of it, one for IPv6 the others.
#[derive(Clone, Debug)]
pub enum DnsReply {
    /// These addresses, good for no longer than this question.
    Addresses(Vec<IpAddr>),
    /// These addresses, good for so many seconds.
    Lasting(Vec<IpAddr>, u32),
    /// Another name for it, and the addresses of that.
    Alias(String, Vec<IpAddr>),
    /// Another name for it, and nothing else: the asker has to ask again.
    BareAlias(String),
    /// Over UDP that the answer is too long, over TCP these addresses.
    Truncated(Vec<IpAddr>),
    /// The name does not exist.
    NoSuchName,
    /// The server failed.
    Failure,
    /// No answer, ever.
    Silence,
    /// The answer comes after a while.
    Late(Duration, Box<DnsReply>),
    /// One answer to queries for IPv4, another to those for IPv6.
    ByFamily {
        /// To queries for IPv4.
        v4: Box<DnsReply>,
        /// To queries for IPv6.
        v6: Box<DnsReply>,
    },
}

impl DnsReply {
    /// These addresses, written as text, good for no longer than this question.
    ///
    /// # Panics
    /// When one is no address.
    pub fn addresses(addresses: &[&str]) -> DnsReply {
        DnsReply::Addresses(addresses.iter().map(|text| text.parse().expect("a test names addresses")).collect())
    }
}

/// How a query came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// On a connection.
    Tcp,
}

/// A query that was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsQuery {
    /// The name, lower-case, without its final dot.
    pub name: String,
    /// `A`, `AAAA`, or whatever else was asked for.
    pub kind: String,
    /// How it came.
    pub transport: Transport,
}

#[derive(Default)]
struct State {
    scripts: Mutex<HashMap<String, Vec<DnsReply>>>,
    asked: Mutex<HashMap<(String, RecordType), usize>>,
    queries: Mutex<Vec<DnsQuery>>,
}

/// A scripted name server. Names without a script do not exist. Dropping it closes its sockets.
pub struct DnsServer {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

impl DnsServer {
    /// Starts a server on 127.0.0.1, on a port that is free for both UDP and TCP.
    pub async fn start() -> DnsServer {
        let (udp, tcp) = both_sockets().await;
        DnsServer::serve(udp, tcp)
    }

    /// Starts a server on an address and port that this machine has and that nobody uses.
    pub async fn start_at(address: SocketAddr) -> DnsServer {
        let udp = UdpSocket::bind(address).await.expect("the address is free");
        let tcp = TcpListener::bind(address).await.expect("the address is free");
        DnsServer::serve(udp, tcp)
    }

    fn serve(udp: UdpSocket, tcp: TcpListener) -> DnsServer {
        let address = udp.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve_udp(Arc::new(udp), Arc::clone(&state)));
        serving.spawn(serve_tcp(tcp, Arc::clone(&state)));
        DnsServer { address, state, _serving: serving }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every query for a name alike, with addresses written as text.
    pub fn answer(&self, name: &str, addresses: &[&str]) {
        self.reply(name, DnsReply::addresses(addresses));
    }

    /// Answers every query for a name alike.
    pub fn reply(&self, name: &str, reply: DnsReply) {
        self.reply_in_turn(name, [reply]);
    }

    /// Answers the nth query for a name (counted for IPv4 and IPv6 apart) with the nth reply, later ones with the last.
    pub fn reply_in_turn(&self, name: &str, replies: impl IntoIterator<Item = DnsReply>) {
        lock(&self.state.scripts).insert(name.to_owned(), replies.into_iter().collect());
    }

    /// Every query so far.
    pub fn queries(&self) -> Vec<DnsQuery> {
        lock(&self.state.queries).clone()
    }

    /// The queries so far for one name and kind (`A` or `AAAA`).
    pub fn count(&self, name: &str, kind: &str) -> usize {
        self.queries().iter().filter(|query| query.name == name && query.kind == kind).count()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds a lock of its name server")
}

async fn both_sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
        let address = udp.local_addr().expect("a bound socket has an address");
        // Another test may hold the same port for TCP.
        if let Ok(tcp) = TcpListener::bind(address).await {
            return (udp, tcp);
        }
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, state: Arc<State>) {
    let mut answering = JoinSet::new();
    let mut datagram = vec![0; 4_096];
    loop {
        let Ok((len, peer)) = socket.recv_from(&mut datagram).await else { continue };
        let Some((query, reply)) = state.receive(&datagram[..len], Transport::Udp) else { continue };
        let socket = Arc::clone(&socket);
        answering.spawn(async move {
            if let Some(message) = answer(&query, reply, Transport::Udp).await {
                let _ = socket.send_to(&message, peer).await;
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(serve_connection(stream, Arc::clone(&state)));
    }
}

async fn serve_connection(mut stream: TcpStream, state: Arc<State>) {
    while let Ok(len) = stream.read_u16().await {
        let mut query = vec![0; usize::from(len)];
        if stream.read_exact(&mut query).await.is_err() {
            return;
        }
        let Some((query, reply)) = state.receive(&query, Transport::Tcp) else { return };
        let Some(message) = answer(&query, reply, Transport::Tcp).await else { continue };
        let len = u16::try_from(message.len()).expect("answers are short");
        let framed = [&len.to_be_bytes()[..], &message].concat();
        if stream.write_all(&framed).await.is_err() {
            return;
        }
    }
}

impl State {
    /// Notes a query and chooses its reply; what cannot be read gets none.
    fn receive(&self, bytes: &[u8], transport: Transport) -> Option<(Message, DnsReply)> {
        let message = Message::from_vec(bytes).ok()?;
        let question = message.queries.first()?;
        let name = question.name().to_ascii().trim_end_matches('.').to_lowercase();
        let kind = question.query_type();
        lock(&self.queries).push(DnsQuery { name: name.clone(), kind: kind.to_string(), transport });

        let mut asked = lock(&self.asked);
        let nth = asked.entry((name.clone(), kind)).or_default();
        let scripts = lock(&self.scripts);
        let script = scripts.get(&name);
        let reply = script.and_then(|replies| replies.get(*nth).or(replies.last())).cloned();
        let reply = choose_family(reply.unwrap_or(DnsReply::NoSuchName), kind);
        // A truncated answer and its repetition over TCP are one.
        if transport == Transport::Tcp || !matches!(reply, DnsReply::Truncated(_)) {
            *nth += 1;
        }
        Some((message, reply))
    }
}

fn choose_family(reply: DnsReply, kind: RecordType) -> DnsReply {
    match reply {
        DnsReply::ByFamily { v4, v6 } => choose_family(if kind == RecordType::AAAA { *v6 } else { *v4 }, kind),
        reply => reply,
    }
}

async fn answer(query: &Message, reply: DnsReply, transport: Transport) -> Option<Vec<u8>> {
    let mut reply = reply;
    while let DnsReply::Late(delay, inner) = reply {
        tokio::time::sleep(delay).await;
        reply = *inner;
    }
    let question = query.queries.first()?.clone();
    let name = question.name().clone();
    let kind = question.query_type();
    let mut message = Message::response(query.metadata.id, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.add_query(question);
    match reply {
        DnsReply::Addresses(addresses) => add(&mut message, &name, kind, &addresses, 0),
        DnsReply::Lasting(addresses, ttl) => add(&mut message, &name, kind, &addresses, ttl),
        DnsReply::Alias(target, addresses) => {
            let target = alias(&mut message, &name, &target);
            add(&mut message, &target, kind, &addresses, 0);
        }
        DnsReply::BareAlias(target) => {
            alias(&mut message, &name, &target);
        }
        DnsReply::Truncated(_) if transport == Transport::Udp => message.metadata.truncation = true,
        DnsReply::Truncated(addresses) => add(&mut message, &name, kind, &addresses, 0),
        DnsReply::NoSuchName => message.metadata.response_code = ResponseCode::NXDomain,
        DnsReply::Failure => message.metadata.response_code = ResponseCode::ServFail,
        DnsReply::Silence => return None,
        DnsReply::Late(..) | DnsReply::ByFamily { .. } => unreachable!("unwrapped before"),
    }
    Some(message.to_vec().expect("a test scripts answers that can be written"))
}

fn add(message: &mut Message, name: &Name, kind: RecordType, addresses: &[IpAddr], ttl: u32) {
    for address in addresses {
        let data = match address {
            IpAddr::V4(v4) if kind == RecordType::A => RData::A(A(*v4)),
            IpAddr::V6(v6) if kind == RecordType::AAAA => RData::AAAA(AAAA(*v6)),
            IpAddr::V4(_) | IpAddr::V6(_) => continue,
        };
        message.add_answer(Record::from_rdata(name.clone(), ttl, data));
    }
}

fn alias(message: &mut Message, name: &Name, target: &str) -> Name {
    let target = Name::from_ascii(format!("{target}.")).expect("a test names valid names");
    message.add_answer(Record::from_rdata(name.clone(), 0, RData::CNAME(CNAME(target.clone()))));
    target
}
