//! Hears what the nodes tell, over a socket in the campaign's folder.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::news::{CALM, Mark, News};
use crate::tally::{Tally, lock};

/// All that was heard.
#[derive(Default)]
pub struct Heard {
    /// The newest source, to speak to.
    source: Option<UnixStream>,
    pub messages: u64,
    pub documents: u64,
    pub refused: u64,
    /// Frames that came out of the mirror, and that it marked as lost.
    pub received: u64,
    pub marked: u64,
    pub jumps: Vec<String>,
    /// Not judged yet.
    pub marks: Vec<Mark>,
    /// The consumer's newest message.
    pub stands: Option<u64>,
    /// The last message of the source that was stopped last.
    pub last: Option<u64>,
}

pub struct Ear {
    path: PathBuf,
    heard: Arc<Mutex<Heard>>,
    over: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Ear {
    pub fn open(folder: &Path, tally: &Arc<Tally>) -> std::io::Result<Self> {
        let path = folder.join("ear");
        let socket = UnixListener::bind(&path)?;
        let (heard, over) = (Arc::<Mutex<Heard>>::default(), Arc::new(AtomicBool::new(false)));
        let (all, ended, tally) = (heard.clone(), over.clone(), tally.clone());
        let listener = std::thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (all, tally) = (all.clone(), tally.clone());
                std::thread::spawn(move || listen(stream, &all, &tally));
            }
        });
        Ok(Self { path, heard, over, listener: Some(listener) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Heard) -> T) -> T {
        look(&mut lock(&self.heard))
    }

    /// Tells the source that it is enough. `false`: there is none yet.
    pub fn calm_the_source(&self) -> bool {
        self.with(|heard| heard.source.as_ref().is_some_and(|mut source| writeln!(source, "{CALM}").is_ok()))
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Ends the listener's wait.
        let _ = UnixStream::connect(&self.path);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn listen(stream: UnixStream, all: &Mutex<Heard>, tally: &Tally) {
    let own = stream.try_clone();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let Some(news) = News::heard(&line) else { continue };
        let mut heard = lock(all);
        match news {
            News::Source => heard.source = own.as_ref().ok().and_then(|own| own.try_clone().ok()),
            News::Check => {}
            News::Sent { messages, documents, refused } => {
                heard.messages += messages;
                heard.documents += documents;
                heard.refused += refused;
            }
            News::Received { frames, lost } => {
                heard.received += frames;
                heard.marked += lost;
                tally.checked(frames);
            }
            News::Stands(message) => heard.stands = Some(message),
            News::Mark(mark) => heard.marks.push(mark),
            News::Jump(jump) => heard.jumps.push(jump),
            News::Last(message) => heard.last = Some(message),
            News::Defect(defect) => tally.defect(&format!("behind the mirror: {defect}")),
        }
    }
}
