//! The copies between the ring and private memory.
//!
//! They race: another process may store to the same bytes at the same time, which no language's memory model allows for
//! plain copies. They work for reasons outside the language: they use raw pointers into a shared mapping, the bytes are
//! not interpreted before R5 to R7 have shown them to be whole, and every bit pattern is a valid byte.

/// Whether the stores of a copy may be streaming stores, which the commit can overtake unless a store fence separates
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stores {
    /// The fences of the language suffice to order each store before later ones.
    #[cfg_attr(loom, allow(dead_code))]
    Ordinary,
    /// The copying code cannot know.
    MayStream,
}

/// Below this size, a loop beats the processor's string copy on every x86-64, since the latter takes tens of cycles to
/// start.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
const STRING_COPY_FROM: usize = 4096;

/// Prefetches the cache line at `at` for a store, so that neither the store nor those after it wait for the line.
#[inline]
pub(crate) fn prefetch_to_store(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: a hint without architectural effect, which faults at no address.
    unsafe {
        std::arch::asm!("prefetchw [{at}]", at = in(reg) at, options(nostack, preserves_flags));
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    let _ = at;
}

/// Prefetches the cache line at `at` for a load, so that a transfer from another core overlaps with those of other
/// lines.
#[inline]
pub(crate) fn prefetch_to_load(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: as in `prefetch_to_store`.
    unsafe {
        std::arch::asm!("prefetcht0 [{at}]", at = in(reg) at, options(nostack, preserves_flags));
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    let _ = at;
}

/// The racing copy: copies `length` bytes from the ring to private memory or back. Its stores may be streaming stores.
///
/// # Safety
/// `from` and `to` must be valid for `length` bytes and must not overlap.
#[inline]
pub(crate) unsafe fn racing_copy(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(from, to, length) };
}

/// As [`racing_copy`], but with ordinary stores only.
///
/// # Safety
/// As [`racing_copy`].
#[inline]
pub(crate) unsafe fn ordinary_copy(from: *const u8, to: *mut u8, length: usize) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: the caller's promise.
    unsafe {
        copy_by_known_instructions(from, to, length);
    }
    // On other machines, a Release fence orders all stores.
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    // SAFETY: the caller's promise.
    unsafe {
        racing_copy(from, to, length);
    }
}

/// A C library's `memcpy` may use streaming stores at sizes that it chooses. The commit then needs two store fences,
/// which wait until the caches have taken all stores: 0.1 us after 1 KiB, 0.4 us after 64 KiB. This copy is as fast at
/// every measured size (`docs/bench`) and needs no store fence.
///
/// # Safety
/// As [`racing_copy`].
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
#[inline]
unsafe fn copy_by_known_instructions(mut from: *const u8, mut to: *mut u8, mut length: usize) {
    use std::arch::asm;

    if length >= STRING_COPY_FROM && string_copy_is_fast() {
        // SAFETY: the caller's promise; the direction flag is clear at every call. Its stores may be reordered among
        // themselves, but not with stores before or after the instruction (Intel SDM 3A, 9.2.4).
        unsafe {
            asm!("rep movsb", inout("rsi") from => _, inout("rdi") to => _, inout("rcx") length => _,
                options(nostack, preserves_flags));
        }
        return;
    }
    if length >= 256 {
        // Aligned stores of 16 bytes never cross a cache line.
        let head = to.align_offset(16);
        // SAFETY: `head` is below 16, and both are valid for `length`, at least 256 bytes.
        unsafe {
            racing_copy(from, to, head);
            (from, to, length) = (from.add(head), to.add(head), length - head);
        }
    }
    let blocks = length & !63;
    if blocks > 0 {
        // SAFETY: `blocks` is a multiple of 64, at least 64 and at most `length`, for which both are valid. SSE is part
        // of x86-64.
        unsafe {
            asm!(
                "2:",
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]",
                "movups {d}, [{from} + 48]",
                "movups [{to}], {a}",
                "movups [{to} + 16], {b}",
                "movups [{to} + 32], {c}",
                "movups [{to} + 48], {d}",
                "add {from}, 64",
                "add {to}, 64",
                "sub {left}, 64",
                "jnz 2b",
                from = inout(reg) from => _, to = inout(reg) to => _, left = inout(reg) blocks => _,
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                options(nostack),
            );
        }
    }
    // SAFETY: the remaining bytes of both. There are fewer than 64, for which no library uses streaming stores.
    unsafe { racing_copy(from.add(blocks), to.add(blocks), length - blocks) };
}

/// Whether the processor's string copy writes whole cache lines without reading them first. Intel processors that
/// report ERMS do so, and C libraries use it there. On AMD processors, it never beat a loop in measurements.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
fn string_copy_is_fast() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::sync::atomic::{AtomicU8, Ordering};

    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;
    static FAST: AtomicU8 = AtomicU8::new(UNKNOWN);

    #[cold]
    fn detect() -> bool {
        let vendor = __cpuid(0);
        let intel = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel";
        let fast = intel && vendor.eax >= 7 && __cpuid_count(7, 0).ebx & 1 << 9 != 0;
        // Relaxed: every thread detects the same value.
        FAST.store(if fast { YES } else { NO }, Ordering::Relaxed);
        fast
    }

    match FAST.load(Ordering::Relaxed) {
        UNKNOWN => detect(),
        known => known == YES,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exactly_the_requested_bytes_are_copied(
            length in prop_oneof![0..600usize, 3900..4300usize, 65_000..66_000usize],
            from in 0..70usize,
            to in 0..70usize,
        ) {
            let source: Vec<u8> = (0..length + 140).map(|i| (i * 7 + i / 251) as u8).collect();
            let mut target = vec![0xA5; length + 140];
            // SAFETY: both have 140 bytes more than are copied, and the offsets are below 70.
            unsafe { ordinary_copy(source.as_ptr().add(from), target.as_mut_ptr().add(to), length) };
            prop_assert!(target[..to].iter().all(|&byte| byte == 0xA5));
            prop_assert_eq!(&target[to..to + length], &source[from..from + length]);
            prop_assert!(target[to + length..].iter().all(|&byte| byte == 0xA5));
        }
    }
}
