//! What a campaign counts: frames checked, faults injected, defects found. A role in a process of its own counts the same
//! and tells its campaign in lines.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Lines that a role tells its campaign begin with one of these.
pub const FRAMES_MARK: &str = "+";
pub const FAULTS_MARK: &str = "~";
pub const DEFECT_MARK: &str = "!";

/// Longest time between two lines of a role about its frames.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Largest part of a segment that is kept with a defect.
const KEPT_BYTES: u64 = 64 << 20;

pub struct Tally {
    frames: AtomicU64,
    lost: AtomicU64,
    faults: AtomicU64,
    closed: AtomicU64,
    over: AtomicBool,
    /// Where the segments go when a defect is found; `None` in a role.
    evidence: Option<PathBuf>,
    defect: Mutex<Option<String>>,
    told: Mutex<Instant>,
    notes: Mutex<Vec<String>>,
}

impl Tally {
    pub fn of_campaign(evidence: PathBuf) -> Self {
        Self::new(Some(evidence))
    }

    pub fn of_role() -> Self {
        Self::new(None)
    }

    fn new(evidence: Option<PathBuf>) -> Self {
        Self {
            frames: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            over: AtomicBool::new(false),
            evidence,
            defect: Mutex::new(None),
            told: Mutex::new(Instant::now()),
            notes: Mutex::new(Vec::new()),
        }
    }

    /// Frames that were read and found right.
    pub fn checked(&self, frames: u64) {
        let frames = self.frames.fetch_add(frames, Ordering::Relaxed) + frames;
        if self.evidence.is_none()
            && let Ok(mut told) = self.told.try_lock()
            && told.elapsed() > TELL_EVERY
        {
            self.frames.fetch_sub(frames, Ordering::Relaxed);
            tell(&format!("{FRAMES_MARK}{frames}"));
            *told = Instant::now();
        }
    }

    /// In a role: tells what has not been told yet.
    pub fn tell_rest(&self) {
        tell(&format!("{FRAMES_MARK}{}", self.frames.swap(0, Ordering::Relaxed)));
    }

    pub fn lost(&self, frames: u64) {
        self.lost.fetch_add(frames, Ordering::Relaxed);
    }

    pub fn fault(&self) {
        self.faults(1);
    }

    pub fn faults(&self, faults: u64) {
        self.faults.fetch_add(faults, Ordering::Relaxed);
    }

    /// Somebody has been told the end of a stream.
    pub fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Something worth a line in the report.
    pub fn note(&self, note: String) {
        lock(&self.notes).push(note);
    }

    /// The campaign's first defect ends it; a copy of all segments is kept, as they are now.
    pub fn defect(&self, what: &str) {
        let Some(evidence) = &self.evidence else {
            tell(&format!("{DEFECT_MARK}{}", what.replace('\n', " ")));
            std::process::exit(1);
        };
        let mut defect = lock(&self.defect);
        if defect.is_none() {
            let kept = match keep_segments(evidence) {
                Ok(()) => format!("segments in {}", evidence.display()),
                Err(error) => format!("the segments could not be kept: {error}"),
            };
            *defect = Some(format!("{what} ({kept})"));
        }
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether a defect has ended the campaign.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub fn count(&self) -> Count {
        Count {
            frames: self.frames.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            faults: self.faults.load(Ordering::Relaxed),
            ends: self.closed.load(Ordering::Relaxed),
        }
    }

    pub fn found(&self) -> Option<String> {
        lock(&self.defect).clone()
    }

    pub fn notes(&self) -> Vec<String> {
        lock(&self.notes).clone()
    }
}

/// The numbers of a tally.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Count {
    /// Frames read and found right, by all readers together.
    pub frames: u64,
    /// Frames announced as lost, by those readers that followed to the end.
    pub lost: u64,
    pub faults: u64,
    /// Ends of streams that readers were told of.
    pub ends: u64,
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Tells the parent a line. A parent that is gone needs no news.
pub fn tell(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn keep_segments(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(dora_shm_ring::SHM_DIR)? {
        let entry = entry?;
        // A name may go at any moment.
        let kept = entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= KEPT_BYTES);
        if kept {
            let _ = std::fs::copy(entry.path(), folder.join(entry.file_name()));
        }
    }
    Ok(())
}
