//! What a forked child must not do: keep a lock alive, or act as the writer.
//!
//! A child inherits the parent's descriptors, and an open-file-description lock lives as long as any of them is open.
//! So each lock's descriptor is registered here and closed in the child at once.

use std::os::fd::RawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};

/// How many forks lie between this process and the one that first loaded the library.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Registered descriptors: a list that only grows and whose entries are reused. The handler in a child takes no lock,
/// since at the fork, other threads of the parent may have held any.
static REGISTRY: AtomicPtr<Entry> = AtomicPtr::new(std::ptr::null_mut());

struct Entry {
    descriptor: AtomicI32,
    next: Option<&'static Entry>,
}

const FREE: RawFd = -1;

fn entries() -> impl Iterator<Item = &'static Entry> {
    // Acquire, partner of the Release exchange in `register`: the entry is seen whole.
    let head = REGISTRY.load(Ordering::Acquire);
    // SAFETY: entries are leaked boxes, never freed, and only shared references to them exist.
    let head: Option<&'static Entry> = unsafe { head.as_ref() };
    std::iter::successors(head, |entry| entry.next)
}

fn install_handler() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: the handler only loads atomics and closes descriptors, both allowed after fork in a process of many
        // threads.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

fn register(descriptor: RawFd) -> &'static Entry {
    install_handler();
    for entry in entries() {
        if entry.descriptor.compare_exchange(FREE, descriptor, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return entry;
        }
    }
    let mut head = REGISTRY.load(Ordering::Acquire);
    let entry = Box::leak(Box::new(Entry { descriptor: AtomicI32::new(descriptor), next: None }));
    loop {
        // SAFETY: as in `entries`.
        entry.next = unsafe { head.as_ref() };
        // Release, partner of the Acquire load in `entries`.
        match REGISTRY.compare_exchange(head, entry, Ordering::Release, Ordering::Acquire) {
            Ok(_) => return entry,
            Err(now) => head = now,
        }
    }
}

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    for entry in entries() {
        let descriptor = entry.descriptor.swap(FREE, Ordering::Relaxed);
        if descriptor != FREE {
            // SAFETY: the child's copy of a descriptor that only its registrar uses, and `ForkGuard` keeps that one
            // from using it here.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// Identifies the process that made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessGuard {
    forks: u32,
}

impl ProcessGuard {
    /// This process.
    pub fn current() -> Self {
        install_handler();
        Self { forks: FORKS.load(Ordering::Relaxed) }
    }

    /// Whether this is the process that made it, not a forked child.
    pub fn is_current(self) -> bool {
        FORKS.load(Ordering::Relaxed) == self.forks
    }
}

/// Identifies the process that made it, and closes one descriptor in its forked children.
pub(crate) struct ForkGuard {
    process: ProcessGuard,
    entry: Option<&'static Entry>,
}

impl ForkGuard {
    /// Registers `descriptor`, which must stay open until the guard is dropped.
    pub fn new(descriptor: RawFd) -> Self {
        let entry = register(descriptor);
        Self { process: ProcessGuard::current(), entry: Some(entry) }
    }

    /// Whether this is the process that made the guard.
    pub fn is_own_process(&self) -> bool {
        self.process.is_current()
    }

    /// Takes the descriptor off the list, before it is closed.
    pub fn forget(&mut self) {
        if let Some(entry) = self.entry.take().filter(|_| self.is_own_process()) {
            entry.descriptor.store(FREE, Ordering::Relaxed);
        }
    }
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        self.forget();
    }
}
