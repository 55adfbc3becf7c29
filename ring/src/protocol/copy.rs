//! The copies between the ring and memory of our own.
//!
//! They race: another process may store to the same bytes at the same time, which no memory model of a language allows for
//! plain copies. What makes them work is outside the language: they go through raw pointers into a shared mapping, the
//! bytes are never looked at before the check of R5 to R7 has said that they were whole, and every bit pattern is a valid
//! byte.

/// Whether stores of a copy may be streaming ones, which the commit overtakes unless a store fence comes between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stores {
    /// Each becomes visible before any store after it, given what fences of the language give.
    #[cfg_attr(loom, allow(dead_code))]
    Ordinary,
    /// Whoever made the copy cannot say.
    MayStream,
}

/// Below, a loop beats the processor's own string copy on every x86-64: that one takes tens of cycles to start.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
const STRING_COPY_FROM: usize = 4096;

/// Asks the caches for the line at `at`, to be stored to: a store that comes soon does not wait for it, nor do those behind.
#[inline]
pub(crate) fn prefetch_to_store(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: a hint, which accesses nothing that a program could notice and faults at no address.
    unsafe {
        std::arch::asm!("prefetchw [{at}]", at = in(reg) at, options(nostack, preserves_flags));
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    let _ = at;
}

/// Asks the caches for the line at `at`, to be loaded: one that another core has comes while others do.
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

/// Copies `length` bytes between the ring and memory of our own, either way: the racing copy. Into the ring, its stores may
/// be streaming ones.
///
/// # Safety
/// `from` and `to` must be valid for `length` bytes and must not overlap.
#[inline]
pub(crate) unsafe fn racing_copy(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(from, to, length) };
}

/// As [`racing_copy`], into the ring, by ordinary stores only.
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
    // On other machines no store is exempt from a Release fence.
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    // SAFETY: the caller's promise.
    unsafe {
        racing_copy(from, to, length);
    }
}

/// `memcpy` of a C library streams where it likes, and then the commit needs two store fences, which wait until the caches
/// have taken everything: 0.1 us after 1 KiB, 0.4 us after 64 KiB. What is here is as fast as that at every size where it was
/// measured (`docs/bench`), and needs none.
///
/// # Safety
/// As [`racing_copy`].
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
#[inline]
unsafe fn copy_by_known_instructions(mut from: *const u8, mut to: *mut u8, mut length: usize) {
    use std::arch::asm;

    if length >= STRING_COPY_FROM && string_copy_is_fast() {
        // SAFETY: the caller's promise; the direction flag is clear at every call. Its stores come in any order among
        // themselves, but after those before the instruction and before those after it (Intel SDM 3A, 9.2.4).
        unsafe {
            asm!("rep movsb", inout("rsi") from => _, inout("rdi") to => _, inout("rcx") length => _,
                options(nostack, preserves_flags));
        }
        return;
    }
    if length >= 256 {
        // Stores of 16 bytes at multiples of 16 never lie on two lines.
        let head = to.align_offset(16);
        // SAFETY: fewer than 16 bytes of both.
        unsafe {
            racing_copy(from, to, head);
            (from, to, length) = (from.add(head), to.add(head), length - head);
        }
    }
    let blocks = length & !63;
    if blocks > 0 {
        // SAFETY: `blocks` is a multiple of 64, at least 64 and at most `length`, for which both are valid. SSE is part of
        // x86-64.
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
    // SAFETY: the rest of both. Fewer than 64 bytes: no library streams them.
    unsafe { racing_copy(from.add(blocks), to.add(blocks), length - blocks) };
}

/// Whether the processor's string copy takes whole lines without reading them first. Intel's does where it says so (ERMS),
/// and its C libraries use it; AMD's never beat a loop where it was measured.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
fn string_copy_is_fast() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::sync::atomic::{AtomicU8, Ordering};

    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;
    static FAST: AtomicU8 = AtomicU8::new(UNKNOWN);

    #[cold]
    fn ask() -> bool {
        let vendor = __cpuid(0);
        let intel = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel";
        let fast = intel && vendor.eax >= 7 && __cpuid_count(7, 0).ebx & 1 << 9 != 0;
        // Relaxed: everybody who asks comes to the same answer.
        FAST.store(if fast { YES } else { NO }, Ordering::Relaxed);
        fast
    }

    match FAST.load(Ordering::Relaxed) {
        UNKNOWN => ask(),
        known => known == YES,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_byte_is_copied_and_none_beside_them(
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
