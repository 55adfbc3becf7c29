//! Receives the nodes' reports through a socket in the campaign's folder.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::counters::{Counters, lock};
use crate::events::{CALM, Mark, NodeEvent};

/// Everything that the nodes have reported.
#[derive(Default)]
pub struct Reports {
    /// The connection to the newest source, for commands.
    source: Option<UnixStream>,
    pub messages: u64,
    pub documents: u64,
    pub refused: u64,
    /// Frames that the mirror sent.
    pub received: u64,
    /// Frames that the mirror marked as lost.
    pub marked: u64,
    pub jumps: Vec<String>,
    /// Marks that have not been compared with the readers yet.
    pub marks: Vec<Mark>,
    /// Number of the consumer's newest message.
    pub newest: Option<u64>,
    /// Number of the last message of the source that was stopped last.
    pub last: Option<u64>,
}

pub struct Listener {
    path: PathBuf,
    reports: Arc<Mutex<Reports>>,
    over: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Listener {
    pub fn open(folder: &Path, counters: &Arc<Counters>) -> std::io::Result<Self> {
        let path = folder.join("socket");
        let socket = UnixListener::bind(&path)?;
        let (reports, over) = (Arc::<Mutex<Reports>>::default(), Arc::new(AtomicBool::new(false)));
        let (all, ended, counters) = (reports.clone(), over.clone(), counters.clone());
        let listener = std::thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (all, counters) = (all.clone(), counters.clone());
                std::thread::spawn(move || listen(stream, &all, &counters));
            }
        });
        Ok(Self { path, reports, over, listener: Some(listener) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn with<T>(&self, access: impl FnOnce(&mut Reports) -> T) -> T {
        access(&mut lock(&self.reports))
    }

    /// Sends the source the command [`CALM`]. Returns `false` if no source has connected yet.
    pub fn calm_the_source(&self) -> bool {
        self.with(|reports| reports.source.as_ref().is_some_and(|mut source| writeln!(source, "{CALM}").is_ok()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the listener's thread.
        let _ = UnixStream::connect(&self.path);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn listen(stream: UnixStream, all: &Mutex<Reports>, counters: &Counters) {
    let own = stream.try_clone();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let Some(event) = NodeEvent::parse(&line) else { continue };
        let mut reports = lock(all);
        match event {
            NodeEvent::Source => reports.source = own.as_ref().ok().and_then(|own| own.try_clone().ok()),
            NodeEvent::Check => {}
            NodeEvent::Sent { messages, documents, refused } => {
                reports.messages += messages;
                reports.documents += documents;
                reports.refused += refused;
            }
            NodeEvent::Received { frames, lost } => {
                reports.received += frames;
                reports.marked += lost;
                counters.checked(frames);
            }
            NodeEvent::Newest(message) => reports.newest = Some(message),
            NodeEvent::Mark(mark) => reports.marks.push(mark),
            NodeEvent::Jump(jump) => reports.jumps.push(jump),
            NodeEvent::Last(message) => reports.last = Some(message),
            NodeEvent::Defect(defect) => counters.defect(&format!("behind the mirror: {defect}")),
        }
    }
}
