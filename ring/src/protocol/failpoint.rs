//! Failpoints: one after each store of the crash table (`SPEC.md`, "What everybody sees when a writer dies").
//!
//! In normal builds, [`point`] is empty. With the feature `failpoints`, environment variables control it, so that tests
//! can kill or pause a real writer between any two stores:
//!
//! - `DORA_SHM_FAILPOINT=LABEL` or `LABEL:N`: send SIGKILL to this process at the N-th passing (default 1) of that
//!   point.
//! - `DORA_SHM_FAILPOINT_MODE=step`: print the label to standard output and wait for a line on standard input. With
//!   `DORA_SHM_FAILPOINT` set as well, stepping starts only at that passing.
//!
//! Under loom, [`arm`] makes a modelled writer die at its n-th point.

#[cfg(all(not(loom), not(feature = "failpoints")))]
#[inline(always)]
pub(crate) fn point(_label: &'static str) {}

#[cfg(all(not(loom), feature = "failpoints"))]
pub(crate) fn point(label: &'static str) {
    real::point(label);
}

#[cfg(loom)]
pub(crate) use model::{Died, arm, point};

#[cfg(all(not(loom), feature = "failpoints"))]
mod real {
    use std::io::{BufRead as _, Write as _};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Plan {
        label: Option<String>,
        passing: u64,
        step: bool,
        passed: AtomicU64,
    }

    fn plan() -> &'static Plan {
        static PLAN: OnceLock<Plan> = OnceLock::new();
        PLAN.get_or_init(|| {
            let at = std::env::var("DORA_SHM_FAILPOINT").ok();
            let (label, passing) = match at.as_deref().map(|at| at.split_once(':')) {
                Some(Some((label, passing))) => {
                    (Some(label.to_owned()), passing.parse().expect("DORA_SHM_FAILPOINT=LABEL:N needs a number"))
                }
                Some(None) => (at, 1),
                None => (None, 1),
            };
            let step = std::env::var("DORA_SHM_FAILPOINT_MODE").is_ok_and(|mode| mode == "step");
            Plan { label, passing, step, passed: AtomicU64::new(0) }
        })
    }

    pub fn point(label: &'static str) {
        let plan = plan();
        let reached = match &plan.label {
            None => true,
            Some(wanted) if wanted == label => plan.passed.fetch_add(1, Ordering::Relaxed) + 1 >= plan.passing,
            Some(_) => plan.step && plan.passed.load(Ordering::Relaxed) >= plan.passing,
        };
        match (plan.step, &plan.label) {
            (true, _) if reached => step(label),
            (false, Some(_)) if reached => die(),
            _ => {}
        }
    }

    fn step(label: &str) {
        let mut stdout = std::io::stdout().lock();
        // If the test that drives this process has ended, both calls fail and the process continues.
        let _ = writeln!(stdout, "{label}").and_then(|()| stdout.flush());
        let _ = std::io::stdin().lock().read_line(&mut String::new());
    }

    fn die() -> ! {
        let pid = rustix::process::getpid();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(loom)]
mod model {
    use std::cell::Cell;

    /// The panic payload of a modelled writer that dies.
    pub(crate) struct Died;

    loom::thread_local! {
        static LEFT: Cell<Option<u32>> = Cell::new(None);
    }

    /// Makes the calling thread die after it has passed `points` more failpoints. `None`: it does not die.
    pub(crate) fn arm(points: Option<u32>) {
        LEFT.with(|left| left.set(points));
    }

    pub(crate) fn point(_label: &'static str) {
        LEFT.with(|left| match left.get() {
            Some(0) => std::panic::resume_unwind(Box::new(Died)),
            Some(n) => left.set(Some(n - 1)),
            None => {}
        });
    }
}
