//! The counters of a campaign: frames checked, faults injected, defects found. A role, which is a separate process, has
//! counters as well and reports them to its campaign in lines.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dora_shm_testkit::process::print_line;

/// The start of the lines in which a role reports frames, faults and a defect.
pub const FRAMES_MARK: &str = "+";
pub const FAULTS_MARK: &str = "~";
pub const DEFECT_MARK: &str = "!";

/// Longest time between two reports of frames.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Size of the largest segment that is copied when a defect is found.
const KEPT_BYTES: u64 = 64 << 20;

pub struct Counters {
    frames: AtomicU64,
    lost: AtomicU64,
    faults: AtomicU64,
    closed: AtomicU64,
    over: AtomicBool,
    /// Folder for the copies of the segments when a defect is found; `None` in a role.
    evidence: Option<PathBuf>,
    defect: Mutex<Option<String>>,
    reported: Mutex<Instant>,
    notes: Mutex<Vec<String>>,
}

impl Counters {
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
            reported: Mutex::new(Instant::now()),
            notes: Mutex::new(Vec::new()),
        }
    }

    /// Counts frames that were read and found correct.
    pub fn checked(&self, frames: u64) {
        let frames = self.frames.fetch_add(frames, Ordering::Relaxed) + frames;
        if self.evidence.is_none()
            && let Ok(mut reported) = self.reported.try_lock()
            && reported.elapsed() > REPORT_EVERY
        {
            self.frames.fetch_sub(frames, Ordering::Relaxed);
            print_line(&format!("{FRAMES_MARK}{frames}"));
            *reported = Instant::now();
        }
    }

    /// In a role: reports the frames that are not reported yet.
    pub fn report_rest(&self) {
        print_line(&format!("{FRAMES_MARK}{}", self.frames.swap(0, Ordering::Relaxed)));
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

    /// Counts the end of a stream that a reader has seen.
    pub fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a line to the report.
    pub fn note(&self, note: String) {
        lock(&self.notes).push(note);
    }

    /// Reports a defect. In a campaign the first defect copies all segments as they are at this moment and ends the
    /// campaign. In a role it ends the process.
    pub fn defect(&self, what: &str) {
        let Some(evidence) = &self.evidence else {
            print_line(&format!("{DEFECT_MARK}{}", what.replace('\n', " ")));
            std::process::exit(1);
        };
        let mut defect = lock(&self.defect);
        if defect.is_none() {
            let kept = match keep_segments(evidence) {
                Ok(()) => format!("segments in {}", evidence.display()),
                Err(error) => format!("the segments could not be copied: {error}"),
            };
            *defect = Some(format!("{what} ({kept})"));
        }
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether a defect has ended the campaign.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub fn counts(&self) -> Counts {
        Counts {
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

/// The numbers of a campaign.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Frames read and found correct, by all readers together.
    pub frames: u64,
    /// Frames announced as lost to the readers that followed to the end.
    pub lost: u64,
    pub faults: u64,
    /// Ends of streams that readers saw.
    pub ends: u64,
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn keep_segments(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(dora_shm_ring::SHM_DIR)? {
        let entry = entry?;
        // A segment may be removed at any moment.
        let kept = entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= KEPT_BYTES);
        if kept {
            let _ = std::fs::copy(entry.path(), folder.join(entry.file_name()));
        }
    }
    Ok(())
}
