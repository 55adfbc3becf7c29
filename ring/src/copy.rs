//! The copies between the ring and memory of our own.
//!
//! They race: another process may store to the same bytes at the same time, which no memory model of a language allows for
//! plain copies. What makes them work is outside the language: they go through raw pointers into a shared mapping, the
//! bytes are never looked at before the check of R5 to R7 has said that they were whole, and every bit pattern is a valid
//! byte.

/// Whether stores of a copy may be streaming ones, which the commit overtakes unless a store fence comes between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stores {
    /// Each becomes visible before any store after it.
    #[cfg_attr(loom, allow(dead_code))]
    Ordinary,
    /// Whoever made the copy cannot say.
    MayStream,
}

/// From here on, `memcpy` is worth its two fences (some 0.3 us, since they wait until the caches have taken everything).
/// Below, an ordinary copy is at least as fast (`docs/bench`).
#[cfg(all(target_arch = "x86_64", not(loom)))]
const MEMCPY_FROM: usize = 256 << 10;
/// Below, a loop beats the processor's own string copy on every x86-64: that one takes tens of cycles to start.
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
const STRING_COPY_FROM: usize = 4096;

/// Copies `length` bytes between the ring and memory of our own, either way: the racing copy.
///
/// # Safety
/// `from` and `to` must be valid for `length` bytes and must not overlap.
#[inline]
pub(crate) unsafe fn racing_copy(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(from, to, length) };
}

/// How [`store_copy`] stores runs of at most `length` bytes.
#[inline]
pub(crate) fn stores_of(length: usize) -> Stores {
    #[cfg(all(target_arch = "x86_64", not(loom)))]
    if length >= MEMCPY_FROM {
        return Stores::MayStream;
    }
    // On other machines than x86 no store is exempt from a Release fence.
    let _ = length;
    Stores::Ordinary
}

/// As [`racing_copy`], into the ring, with the stores that [`stores_of`] says.
///
/// # Safety
/// As [`racing_copy`].
#[inline]
pub(crate) unsafe fn store_copy(from: *const u8, to: *mut u8, length: usize) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    if length < MEMCPY_FROM {
        // SAFETY: the caller's promise.
        return unsafe { ordinary_copy(from, to, length) };
    }
    // SAFETY: the caller's promise.
    unsafe { racing_copy(from, to, length) };
}

/// A copy of instructions that are known: `memcpy` of a C library streams where it likes.
///
/// # Safety
/// As [`racing_copy`].
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
#[inline]
unsafe fn ordinary_copy(from: *const u8, to: *mut u8, length: usize) {
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
            length in prop_oneof![0..300usize, 3900..4300usize, (256 << 10) - 70..(256 << 10) + 70usize],
            from in 0..70usize,
            to in 0..70usize,
        ) {
            let source: Vec<u8> = (0..length + 140).map(|i| (i * 7 + i / 251) as u8).collect();
            let mut target = vec![0xA5; length + 140];
            // SAFETY: both have 140 bytes more than are copied, and the offsets are below 70.
            unsafe { store_copy(source.as_ptr().add(from), target.as_mut_ptr().add(to), length) };
            prop_assert!(target[..to].iter().all(|&byte| byte == 0xA5));
            prop_assert_eq!(&target[to..to + length], &source[from..from + length]);
            prop_assert!(target[to + length..].iter().all(|&byte| byte == 0xA5));
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_copy_that_may_be_memcpy_asks_for_fences() {
        assert_eq!(stores_of(MEMCPY_FROM - 1), Stores::Ordinary);
        assert_eq!(stores_of(MEMCPY_FROM), Stores::MayStream);
    }
}
