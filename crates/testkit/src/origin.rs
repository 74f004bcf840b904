//! A raw source: a TCP listener whose every byte is scripted, and which records what was asked of it.
//!
//! It knows no HTTP library: what a client must bear or refuse is written out by hand in [`Answer`].

pub mod answer;
pub mod request;
pub mod stream;

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{Answer, Request, SourceStream};

type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler = Arc<dyn Fn(Request, SourceStream) -> Handling + Send + Sync>;
type Chooser = Arc<dyn Fn(&Request, usize) -> Answer + Send + Sync>;

#[derive(Clone)]
enum Script {
    Choose(Chooser),
    Handle(Handler),
}

/// How much of a source was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// Connections accepted, whether or not a request came.
    pub connections: usize,
    /// Connections open at this moment.
    pub open: usize,
    /// The most connections that were open at once.
    pub most_open: usize,
    /// Request heads read in full.
    pub requests: usize,
}

struct State {
    scripts: Mutex<HashMap<String, (Script, usize)>>,
    fallback: Mutex<Option<(Script, usize)>>,
    greeting: Mutex<Option<Answer>>,
    requests: Mutex<Vec<Request>>,
    seen: watch::Sender<Seen>,
}

/// A source on a loopback address. Dropping it closes the listener and every connection.
pub struct Origin {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

impl Origin {
    /// Starts a source on 127.0.0.1, on a free port.
    pub async fn start() -> Origin {
        Origin::start_at((Ipv4Addr::LOCALHOST, 0)).await
    }

    /// Starts a source on another loopback address, on a free port.
    pub async fn start_on(ip: impl Into<IpAddr>) -> Origin {
        Origin::start_at((ip.into(), 0)).await
    }

    /// Starts a source on an address and port, for instance the port that another source has on another address.
    pub async fn start_at(address: impl Into<SocketAddr>) -> Origin {
        Origin::listen(address.into(), None).await
    }

    pub(crate) async fn listen(address: SocketAddr, tls: Option<TlsAcceptor>) -> Origin {
        let listener = TcpListener::bind(address).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::new(State {
            scripts: Mutex::default(),
            fallback: Mutex::default(),
            greeting: Mutex::default(),
            requests: Mutex::default(),
            seen: watch::Sender::default(),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let accepting = tokio::spawn(accept(listener, tls, Arc::clone(&state)));
        Origin { address, scheme, state, accepting }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of a request target, with the literal address as host.
    pub fn url(&self, target: &str) -> String {
        format!("{}://{}{target}", self.scheme, self.address)
    }

    /// The URL of a request target, with a name as host.
    pub fn url_as(&self, host: &str, target: &str) -> String {
        format!("{}://{host}:{}{target}", self.scheme, self.port())
    }

    /// Answers every request for exactly this target (path and query) with the same bytes.
    pub fn serve(&self, target: &str, answer: Answer) {
        self.serve_in_turn(target, [answer]);
    }

    /// Answers the nth request for this target with the nth answer, and all later ones with the last.
    pub fn serve_in_turn(&self, target: &str, answers: impl IntoIterator<Item = Answer>) {
        let answers: Vec<Answer> = answers.into_iter().collect();
        self.answer_with(target, move |_, nth| answers[nth.min(answers.len() - 1)].clone());
    }

    /// Answers a request for this target by a function of the request and of how many came before it.
    pub fn answer_with(&self, target: &str, choose: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) {
        self.script(target, Script::Choose(Arc::new(choose)));
    }

    /// Answers every request for which nothing else is scripted.
    pub fn answer_all_with(&self, choose: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) {
        *lock(&self.state.fallback) = Some((Script::Choose(Arc::new(choose)), 0));
    }

    /// Answers every connection from now on before anything is asked on it, and reads no request.
    pub fn speak_first(&self, answer: Answer) {
        *lock(&self.state.greeting) = Some(answer);
    }

    /// Hands the raw stream of every request for this target to a function; the head is read already.
    pub fn handle<F>(&self, target: &str, handler: impl Fn(Request, SourceStream) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.script(target, Script::Handle(Arc::new(move |request, stream| Box::pin(handler(request, stream)))));
    }

    fn script(&self, target: &str, script: Script) {
        lock(&self.state.scripts).insert(target.to_owned(), (script, 0));
    }

    /// Every request so far, in the order in which their heads were complete.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.requests).clone()
    }

    /// The request targets so far.
    pub fn targets(&self) -> Vec<String> {
        lock(&self.state.requests).iter().map(|request| request.target.clone()).collect()
    }

    /// How many connections were accepted, whether or not a request came on them.
    pub fn connections(&self) -> usize {
        self.seen().connections
    }

    /// How much it was used so far.
    pub fn seen(&self) -> Seen {
        *self.state.seen.borrow()
    }

    /// Waits until what was seen satisfies a condition. A test that uses it wants a time limit around it.
    pub async fn until(&self, condition: impl FnMut(&Seen) -> bool) -> Seen {
        let mut seen = self.state.seen.subscribe();
        *seen.wait_for(condition).await.expect("the sender lives in self")
    }

    /// Waits until no connection is open.
    pub async fn until_idle(&self) -> Seen {
        self.until(|seen| seen.open == 0).await
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds a lock of its source")
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    // Connections live in the set, so that dropping the source ends them too.
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        state.seen.send_modify(|seen| {
            seen.connections += 1;
            seen.open += 1;
            seen.most_open = seen.most_open.max(seen.open);
        });
        let open = OpenConnection(Arc::clone(&state));
        connections.spawn(serve_connection(socket, tls.clone(), open));
        while connections.try_join_next().is_some() {}
    }
}

struct OpenConnection(Arc<State>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.seen.send_modify(|seen| seen.open -= 1);
    }
}

async fn serve_connection(socket: TcpStream, tls: Option<TlsAcceptor>, open: OpenConnection) {
    let state = &open.0;
    let _ = socket.set_nodelay(true);
    let mut stream = match tls {
        None => SourceStream::plain(socket),
        Some(acceptor) => match acceptor.accept(socket).await {
            Ok(stream) => SourceStream::tls(stream),
            Err(_) => return,
        },
    };
    let greeting = lock(&state.greeting).clone();
    if let Some(greeting) = greeting {
        greeting.send(stream).await;
        return;
    }
    loop {
        let Some(request) = Request::read(&mut stream).await else { return };
        let script = next_script(state, &request.target);
        lock(&state.requests).push(request.clone());
        state.seen.send_modify(|seen| seen.requests += 1);
        let (answer, nth) = match script {
            Some((Script::Handle(handler), _)) => return handler(request, stream).await,
            Some((Script::Choose(choose), nth)) => (choose, nth),
            None => {
                let missing: Chooser = Arc::new(|_, _| Answer::status(404));
                (missing, 0)
            }
        };
        match answer(&request, nth).send(stream).await {
            Some(kept) => stream = kept,
            None => return,
        }
    }
}

/// The script of a target, and how many requests it had before this one.
fn next_script(state: &State, target: &str) -> Option<(Script, usize)> {
    let mut scripts = lock(&state.scripts);
    let mut fallback = lock(&state.fallback);
    let (script, count) = scripts.get_mut(target).or(fallback.as_mut())?;
    let nth = *count;
    *count += 1;
    Some((script.clone(), nth))
}
