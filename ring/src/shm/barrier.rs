//! A memory barrier in all threads of the process at once.

use rustix::thread::{MembarrierCommand, membarrier};

/// Makes [`barrier_in_other_threads`] possible in this process. `false`: the kernel is too old (before 4.14), or
/// refuses.
pub(crate) fn register_barrier() -> bool {
    membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
        && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}

/// Every thread of this process, the caller included, passes a full memory barrier before this returns. To be called
/// only if [`register_barrier`] returned `true`.
pub(crate) fn barrier_in_other_threads() {
    membarrier(MembarrierCommand::PrivateExpedited).expect("the barrier stays registered for the life of the process");
}
