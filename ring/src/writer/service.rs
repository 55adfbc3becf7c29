//! The writer's service thread: keeps the segments linked, removes those that were kept for late readers, looks for
//! waiters, wakes many of them, prefaults pages.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::kept::Kept;
use super::segment::{Links, Segment, what_has_taken};
use super::warning::Warning;
use crate::Result;
use crate::error::io_error;
use crate::protocol::wake::{NotifyFlag, WaiterLocks, WaiterWatch};
use crate::shm::memory::{HeaderMemory, Wake};
use crate::shm::{self, Word, WriteMapping};

/// How often the names are checked, as `SPEC.md` promises to readers that attach after a name was removed.
const KEEP_EVERY: Duration = Duration::from_millis(250);

/// When to try again to remove what was kept, while a switch holds the names.
const KEPT_AGAIN: Duration = Duration::from_millis(10);

/// Bytes prefaulted between two turns of the loop: a few milliseconds.
const PREFAULT_SLICE: usize = 16 << 20;

/// The segments that are kept linked under both names.
#[derive(Default)]
pub(crate) struct Names {
    pub header: Option<Segment>,
    /// The header's ring. After a takeover, the dead writer's, which stays readable until the next generation begins.
    pub ring: Option<Segment>,
    pub metadata: Option<Segment>,
    /// Replaced segments that are not kept linked, but keep their names for a while.
    pub kept: Kept,
    /// Warnings for the user, each once.
    pub warnings: Vec<Warning>,
}

/// State shared by the service thread and the writer.
pub(crate) struct Shared {
    stream: String,
    names: Mutex<Names>,
    notify: NotifyFlag,
    /// The service thread sleeps on this word.
    doorbell: AtomicU32,
    ending: AtomicBool,
    /// Whether the service thread has to wake all waiters.
    wake_all: AtomicBool,
    /// Whether more than one reader waits, so that the writer leaves waking to the service thread.
    many_waiters: AtomicBool,
    /// Which segments lost both names: bits of `LOST_*`.
    lost: AtomicU32,
    prefault: Mutex<VecDeque<Prefault>>,
}

pub(crate) const LOST_HEADER: u32 = 1;
pub(crate) const LOST_RING: u32 = 2;
pub(crate) const LOST_METADATA: u32 = 4;

struct Prefault {
    map: Arc<WriteMapping>,
    next: usize,
}

pub(crate) struct Service {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    _header: Arc<WriteMapping>,
}

impl Service {
    /// Starts the thread. `taken_over`: readers may be attached already.
    pub fn start(stream: &str, header: Segment, words: HeaderMemory, taken_over: bool) -> Result<Self> {
        let map = header.map.clone();
        let shared = Arc::new(Shared {
            stream: stream.to_owned(),
            names: Mutex::new(Names { header: Some(header), ..Names::default() }),
            notify: NotifyFlag::new(words.waking(), taken_over, shm::register_barrier()),
            doorbell: AtomicU32::new(0),
            ending: AtomicBool::new(false),
            wake_all: AtomicBool::new(false),
            many_waiters: AtomicBool::new(false),
            lost: AtomicU32::new(0),
            prefault: Mutex::new(VecDeque::new()),
        });
        let for_thread = shared.clone();
        let keep_mapped = map.clone();
        let thread = std::thread::Builder::new()
            .name("dora-shm-ring".to_owned())
            .spawn(move || {
                for_thread.run(words);
                drop(keep_mapped);
            })
            .map_err(io_error("starting", "the writer's service thread"))?;
        Ok(Self { shared, thread: Some(thread), _header: map })
    }

    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Wakes waiters for the writer.
    pub fn waker(&self) -> Waker {
        Waker(self.shared.clone())
    }

    /// Makes the thread prefault the `map` of a new ring from `offset` on, and notice a ring that was kept.
    pub fn begun(&self, map: Arc<WriteMapping>, offset: usize) {
        let mut queue = self.shared.prefault.lock().unwrap_or_else(PoisonError::into_inner);
        // An older ring need not be prefaulted further.
        queue.clear();
        queue.push_back(Prefault { map, next: offset });
        drop(queue);
        self.shared.wake_service();
    }

    /// Whether some segment has lost both names.
    #[inline]
    pub fn has_lost(&self) -> bool {
        // Relaxed: the bits only request a check.
        self.shared.lost.load(Ordering::Relaxed) != 0
    }

    /// Bits of `LOST_*` seen since the last call.
    pub fn take_lost(&self) -> u32 {
        self.shared.lost.swap(0, Ordering::Relaxed)
    }

    /// Puts back the bits of segments that could not be created again.
    pub fn set_lost(&self, lost: u32) {
        self.shared.lost.fetch_or(lost, Ordering::Relaxed);
    }

    /// Ends the thread. In a forked child, where the thread does not exist, the service must be forgotten instead.
    pub fn stop(mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        self.shared.wake_service();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How the writer wakes waiters. It wakes two itself and leaves more to the service thread, since the cost of a wake
/// grows with the number of waiters.
pub(crate) struct Waker(Arc<Shared>);

impl Wake for Waker {
    #[inline]
    fn wake(&self, word: &AtomicU32) {
        let shared = &self.0;
        // Relaxed: which thread wakes is a matter of cost, not of order; the word has been stored before.
        if shared.many_waiters.load(Ordering::Relaxed) || shm::wake(word, 2) == 2 {
            shared.many_waiters.store(true, Ordering::Relaxed);
            // AcqRel, partner of the swap in `run`: the service thread wakes waiters after the event that requested it.
            if !shared.wake_all.swap(true, Ordering::AcqRel) {
                shared.wake_service();
            }
        }
    }

    #[inline]
    fn wake_after_write(&self, word: &AtomicU32) {
        if self.0.notify.is_set() {
            self.wake(word);
        }
    }
}

impl Shared {
    /// The names, for as long as the guard lives.
    pub fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_service(&self) {
        // Release, partner of the Acquire load in `run`.
        self.doorbell.fetch_add(1, Ordering::Release);
        shm::private_wake(&self.doorbell);
    }

    fn run(&self, header: HeaderMemory) {
        let mut next_keep = Instant::now() + KEEP_EVERY;
        let mut watch = WaiterWatch::default();
        loop {
            // Acquire, partner of the Release in `wake_service`: requests made before the doorbell are seen below.
            let doorbell = self.doorbell.load(Ordering::Acquire);
            if self.ending.load(Ordering::Relaxed) {
                return;
            }
            if self.wake_all.swap(false, Ordering::AcqRel) {
                let woken = shm::wake(header.wake(), i32::MAX as u32);
                self.many_waiters.store(woken > 1, Ordering::Relaxed);
            }
            if !self.notify.is_set() {
                // A reader may have rung the doorbell, or may have waited for the first ring, and must be noticed at
                // once.
                self.watch_waiters(&mut watch, &header);
            }
            let more = self.prefault_slice();
            let now = Instant::now();
            let next_expiry = self.remove_expired(now);
            if now >= next_keep {
                self.ensure_all_linked();
                self.watch_waiters(&mut watch, &header);
                next_keep = now + KEEP_EVERY;
            }
            if !more {
                let word = Word { word: &self.doorbell, expected: doorbell };
                let next = next_expiry.map_or(next_keep, |expiry| expiry.min(next_keep));
                let left = next.saturating_duration_since(Instant::now());
                let readers = header.doorbell();
                // Always 0, unless another process corrupts it; then the thread cannot sleep on it.
                if self.notify.is_set() || readers.load(Ordering::Relaxed) != 0 {
                    shm::private_wait(word, left);
                } else {
                    shm::private_wait_or(word, Word { word: readers, expected: 0 }, left);
                }
            }
        }
    }

    fn watch_waiters(&self, watch: &mut WaiterWatch, words: &HeaderMemory) {
        // A switch holds the names while it reserves memory. Readers that have just started to wait poll in the
        // meantime.
        let Ok(names) = self.names.try_lock() else { return };
        let Some(header) = &names.header else { return };
        if watch.poll(&self.notify, words.waking(), header, Instant::now()) {
            shm::wake(words.wake(), i32::MAX as u32);
        }
    }

    fn prefault_slice(&self) -> bool {
        let lock = || self.prefault.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((map, offset)) = lock().front_mut().map(|job| {
            let offset = job.next;
            job.next += PREFAULT_SLICE;
            (job.map.clone(), offset)
        }) else {
            return false;
        };
        if offset < map.length() {
            map.populate(offset, PREFAULT_SLICE);
            return true;
        }
        let mut queue = lock();
        if queue.front().is_some_and(|job| Arc::ptr_eq(&job.map, &map)) {
            queue.pop_front();
        }
        !queue.is_empty()
    }

    /// Removes what was kept long enough. Returns when to do so again.
    fn remove_expired(&self, now: Instant) -> Option<Instant> {
        // A switch holds the names while it reserves memory.
        let Ok(mut names) = self.names.try_lock() else { return Some(now + KEPT_AGAIN) };
        let removed = names.kept.remove_expired(now);
        let next = names.kept.next_expiry();
        // A switch does not have to wait until the pages of a ring are freed.
        drop(names);
        removed.unlink();
        next
    }

    fn ensure_all_linked(&self) {
        // A switch holds the names while it reserves memory; it has just linked them.
        let Ok(mut names) = self.names.try_lock() else { return };
        let mut warnings = Vec::new();
        let mut ensure_linked = |segment: Option<&Segment>, lost_bit: u32| {
            let Some(segment) = segment else { return };
            let public = || segment.name.public.clone();
            match segment.ensure_linked() {
                Ok(Links::Both) => {}
                Ok(Links::Lost) => {
                    self.lost.fetch_or(lost_bit, Ordering::Relaxed);
                }
                Ok(Links::Taken) => {
                    let found = what_has_taken(&segment.name);
                    warnings.push(Warning::NameTaken { name: self.stream.clone(), segment: public(), found });
                }
                Err(error) => warnings.push(Warning::NotKept { segment: public(), reason: error.to_string() }),
            }
        };
        ensure_linked(names.header.as_ref(), LOST_HEADER);
        ensure_linked(names.ring.as_ref(), LOST_RING);
        ensure_linked(names.metadata.as_ref(), LOST_METADATA);
        // Nothing could create it again, since the frames that it describes are a dead writer's.
        ensure_linked(names.kept.spared(), 0);
        for warning in warnings {
            if !names.warnings.contains(&warning) {
                names.warnings.push(warning);
            }
        }
    }
}

/// The service thread's part.
impl WaiterLocks for Segment {
    /// A writer never waits.
    fn take(&self) -> bool {
        false
    }

    fn are_held(&self) -> bool {
        shm::has_waiter_lock(self.file()).unwrap_or(true)
    }

    /// The doorbell wakes this thread itself.
    fn ring_doorbell(&self) {}

    fn barrier_in_other_threads(&self) {
        shm::barrier_in_other_threads();
    }
}
