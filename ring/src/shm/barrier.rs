//! A memory barrier in threads that do not ask for it.

use rustix::thread::{MembarrierCommand, membarrier};

/// Makes [`barrier_in_other_threads`] possible in this process. `false`: the kernel cannot (before 4.14), or may not.
pub(crate) fn register_barrier() -> bool {
    membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
        && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}

/// Every thread of this process passes a full memory barrier before this returns, and so does the caller. Only after
/// [`register_barrier`] has said that it is possible.
pub(crate) fn barrier_in_other_threads() {
    membarrier(MembarrierCommand::PrivateExpedited).expect("it was registered, which nothing takes back");
}
