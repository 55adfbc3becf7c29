//! The socket of one listener, on its own thread, so that a listener can never block the sink.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dora_shm_node_kit::report::{Log, Refusals};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use super::outbox::Outbox;
use super::quit::Quit;
use super::steps::{CLOSE, Words};
use super::wire::{self, Inbox, Received};

/// The first pause before the next attempt to connect. It doubles with each failure.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two attempts: a listener that starts late is found within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a listener has requested a key: it requests one, and reports a failure, at each connection.
const PAUSE_AFTER_CHALLENGE: Duration = Duration::from_secs(5);

/// Most time for sending the last strings.
const LAST_STRINGS_TIMEOUT: Duration = Duration::from_millis(500);

/// Most bytes that are read from the socket at once.
const PIECE: usize = 4096;
/// Pieces that a socket of Linux's default size can hold.
const FULL_SOCKET: usize = 64;

/// Most characters of a listener's message that are logged.
const SHOWN: usize = 60;

/// A connection, or the repeated attempts to make one.
pub struct Link {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// What the thread and its owner share. The lock is never held while waiting.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    outbox: Outbox,
    /// What a new listener is sent first.
    so_far: Words,
    connected: bool,
    /// When to give up sending the last strings. `None`: the connection is not to end.
    ends: Option<Instant>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connected(&self) {
        let mut state = self.state();
        state.connected = true;
        let so_far = state.so_far.clone();
        state.outbox.restart(so_far);
    }

    fn disconnected(&self) {
        let mut state = self.state();
        state.connected = false;
        state.outbox.restart(Words::new());
    }
}

impl Link {
    /// Connects to the listener at `path`, and sends `so_far` first. If there is no listener, the thread keeps trying.
    ///
    /// # Errors
    /// If the thread cannot be created.
    pub fn start(path: &Path, so_far: Words, quit: Quit, log: Log) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let shared = Arc::new(Shared::default());
        shared.state().so_far = so_far;
        // Connect here rather than on the thread, so that a listener that is already there misses no step, however late
        // the thread runs.
        let first = connect(path);
        if first.is_ok() {
            shared.connected();
        }
        let path = path.to_owned();
        let worker = Worker {
            path: path.clone(),
            shared: shared.clone(),
            quit,
            log,
            logged: Refusals::default(),
            absent: None,
            challenged: false,
        };
        let thread =
            std::thread::Builder::new().name("conn".into()).spawn(move || runtime.block_on(worker.run(first)))?;
        Ok(Self { path, shared, thread })
    }

    /// The path of the listener.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends `words`. `so_far` are the strings that lead to the same state. Never blocks. Returns whether strings were
    /// dropped because the listener does not read.
    pub fn send(&self, words: &[&'static str], so_far: Words) -> bool {
        let mut state = self.shared.state();
        // A later listener is sent the state at that time, not the steps that led to it.
        let dropped = state.connected && state.outbox.add(words, so_far.clone());
        state.so_far = so_far;
        drop(state);
        self.shared.wake.notify_one();
        dropped
    }

    /// Strings that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.shared.state().outbox.dropped()
    }

    /// Sends `close` and ends the connection. If too many strings wait already, `instead` replaces all of them. Does
    /// not block: the thread ends within half a second.
    pub fn end(self, instead: Words) -> JoinHandle<()> {
        let mut state = self.shared.state();
        if state.connected {
            state.outbox.add(&[CLOSE], instead);
        }
        state.ends = Some(Instant::now() + LAST_STRINGS_TIMEOUT);
        drop(state);
        self.shared.wake.notify_one();
        self.thread
    }
}

/// The state of the thread.
struct Worker {
    path: PathBuf,
    shared: Arc<Shared>,
    quit: Quit,
    log: Log,
    logged: Refusals,
    /// Why the listener could not be reached, as last logged.
    absent: Option<io::ErrorKind>,
    /// The listener has requested a key. It takes whatever it is sent for the reply, refuses it, and disconnects.
    challenged: bool,
}

/// How a connection ended.
enum Ended {
    /// This side closed it.
    Closed,
    /// The other side closed it, or broke the protocol.
    Gone(String),
}

impl Worker {
    async fn run(mut self, first: io::Result<StdUnixStream>) {
        let mut next = Some(first);
        let mut pause = SHORTEST_PAUSE;
        loop {
            let known = next.is_some();
            let opened = next.take().unwrap_or_else(|| connect(&self.path));
            match opened.and_then(UnixStream::from_std) {
                Ok(stream) => {
                    if !known {
                        self.shared.connected();
                    }
                    self.absent = None;
                    self.challenged = false;
                    self.log_limited(Log::info, "connected".into());
                    let began = Instant::now();
                    let ended = self.converse(&stream).await;
                    self.shared.disconnected();
                    if self.shared.state().ends.is_some() {
                        return;
                    }
                    // If the listener disconnects right after connecting, the pause grows, as if there were no
                    // listener.
                    if began.elapsed() >= LONGEST_PAUSE {
                        pause = SHORTEST_PAUSE;
                    }
                    match ended {
                        Ended::Closed => return,
                        // This was logged when the listener requested the key.
                        Ended::Gone(_) if self.challenged => pause = PAUSE_AFTER_CHALLENGE,
                        Ended::Gone(how) => self.log_limited(Log::warn, format!("{how}; trying to connect again")),
                    }
                }
                Err(error) => {
                    self.shared.disconnected();
                    if self.absent.replace(error.kind()) != Some(error.kind()) {
                        self.log_limited(
                            Log::warn,
                            format!("cannot connect yet ({error}); trying again until it succeeds"),
                        );
                    }
                }
            }
            if !self.pause(pause).await {
                return;
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Waits for `pause`. Returns false if the connection is to end.
    async fn pause(&self, pause: Duration) -> bool {
        let until = tokio::time::Instant::now() + pause;
        loop {
            if self.shared.state().ends.is_some() {
                return false;
            }
            tokio::select! {
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep_until(until) => return true,
            }
        }
    }

    async fn converse(&mut self, stream: &UnixStream) -> Ended {
        let (mut inbox, mut sending) = (Inbox::default(), Vec::new());
        loop {
            let ends = {
                let mut state = self.shared.state();
                if sending.is_empty()
                    && let Some(word) = state.outbox.next()
                {
                    sending = wire::encode(word);
                }
                state.ends
            };
            if sending.is_empty() && ends.is_some() {
                // Read what is left: if a socket is closed with unread bytes, the other side gets an error rather than
                // the end.
                let _ = self.receive(stream, &mut inbox, FULL_SOCKET);
                return Ended::Closed;
            }
            let interest =
                if sending.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            let last = ends.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep_until(last.into()) => {
                    if ends.is_some() {
                        return Ended::Closed;
                    }
                }
                ready = stream.ready(interest) => {
                    let exchanged = match ready {
                        Ok(_) => self.exchange(stream, &mut inbox, &mut sending),
                        Err(error) => Err(gone(&error)),
                    };
                    if let Err(ended) = exchanged {
                        return ended;
                    }
                }
            }
        }
    }

    fn exchange(&mut self, stream: &UnixStream, inbox: &mut Inbox, sending: &mut Vec<u8>) -> Result<(), Ended> {
        let mut sent = Ok(());
        if !sending.is_empty() {
            match stream.try_write(sending) {
                Ok(length) => drop(sending.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => sent = Err(gone(&error)),
            }
        }
        // "quit" counts even if the listener has disconnected after sending it.
        self.receive(stream, inbox, if sent.is_err() { FULL_SOCKET } else { 1 })?;
        sent
    }

    /// Reads what has come, but at most `pieces` pieces: a listener that sends without end must not block everything
    /// else.
    fn receive(&mut self, stream: &UnixStream, inbox: &mut Inbox, pieces: usize) -> Result<(), Ended> {
        let mut bytes = [0; PIECE];
        for _ in 0..pieces {
            let length = match stream.try_read(&mut bytes) {
                Ok(0) => return Err(Ended::Gone("the listener closed the connection".into())),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(gone(&error)),
            };
            let taken = inbox.take(&bytes[..length], |received| self.received(received));
            if let Err(wire::BadLength(length)) = taken {
                let reason =
                    format!("the listener does not use Python's multiprocessing.connection (message length {length})");
                return Err(Ended::Gone(reason));
            }
        }
        Ok(())
    }

    fn received(&mut self, received: Received) {
        match received {
            Received::Text(text) if text == "quit" => {
                if self.quit.ask() {
                    let path = &self.path;
                    self.log.info(&format!(
                        "CONN {path:?}: the listener sent \"quit\"; the stream is closed and the node ends"
                    ));
                }
            }
            Received::Text(text) => {
                let shown: String = text.chars().take(SHOWN).collect();
                let rest = if shown.len() < text.len() { "..." } else { "" };
                self.log_limited(Log::warn, format!("ignored {shown:?}{rest} from the listener; expected \"quit\""));
            }
            Received::Other(_) if self.challenged => {}
            Received::Other(bytes) => {
                let what =
                    format!("ignored a message of {bytes} bytes, which is not a pickled string, from the listener");
                self.log_limited(Log::warn, what);
            }
            Received::Challenge => {
                self.challenged = true;
                let refusal = "the listener requests a key (authkey), which this node does not have; create the \
                               Listener without authkey";
                self.log_limited(Log::warn, refusal.into());
            }
        }
    }

    /// Logs a sentence, unless it was logged in the last ten seconds: a listener can connect, disconnect and send
    /// without limit.
    fn log_limited(&mut self, log: fn(&Log, &str), sentence: String) {
        if let Some(line) = self.logged.add(sentence, Instant::now()) {
            log(&self.log, &format!("CONN {:?}: {line}", self.path));
        }
    }
}

fn gone(error: &io::Error) -> Ended {
    Ended::Gone(format!("the connection to the listener broke ({error})"))
}

/// Connects without blocking, even if the listener's queue of connections is full.
fn connect(path: &Path) -> io::Result<StdUnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(socket.into()),
        Err(Errno::AGAIN) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "the listener does not accept connections, and its queue is full",
        )),
        Err(errno) => Err(errno.into()),
    }
}
