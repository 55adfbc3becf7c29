//! What all functions share: checking arguments, refusing a handle that another thread uses, and stopping panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::result::{Failure, dora_shm_result, remember};
use dora_shm_result::*;

/// What the inside of a function returns.
pub(crate) type CallResult = Result<dora_shm_result, Failure>;

/// Runs the inside of a function.
pub(crate) fn call(inside: impl FnOnce() -> CallResult) -> dora_shm_result {
    let failure = match catch_unwind(AssertUnwindSafe(inside)) {
        Ok(Ok(result)) => return result,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            // A panic's payload may itself panic when it is dropped.
            std::mem::forget(panic);
            let text = text.as_deref().unwrap_or("without a message");
            Failure::new(
                DORA_SHM_ERROR_INTERNAL,
                format!("a defect of this library: {text}; please report it, and close the handle"),
            )
        }
    };
    remember(&failure.message);
    failure.code
}

fn null(name: &str) -> Failure {
    Failure::new(DORA_SHM_ERROR_NULL, format!("{name} is NULL"))
}

/// Whether `pointer` can be used as the argument `name`.
pub(crate) fn check<T>(pointer: *const T, name: &str) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(null(name));
    }
    if !pointer.is_aligned() {
        let alignment = align_of::<T>();
        return Err(Failure::bad_argument(format!(
            "{name} is not aligned to {alignment} bytes, as its type has to be"
        )));
    }
    Ok(())
}

/// What an argument points to.
///
/// # Safety
/// Unless it is NULL or not aligned, `pointer` is valid for reads while the answer is used.
pub(crate) unsafe fn borrow<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    check(pointer, name)?;
    // SAFETY: checked, and the caller's promise.
    Ok(unsafe { &*pointer })
}

/// As [`borrow`], for an argument that may be NULL.
///
/// # Safety
/// As there.
pub(crate) unsafe fn borrow_optional<'a, T>(pointer: *const T, name: &str) -> Result<Option<&'a T>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { borrow(pointer, name) }.map(Some)
}

/// An options struct. Its first member is its size, so that the library can read options of programs that were compiled
/// with an older or a newer version of the struct.
///
/// # Safety
/// The type is `repr(C)`, begins with a `usize`, and is valid for any bytes.
pub(crate) unsafe trait Options: Copy {
    /// The size of the first version that had this struct.
    const FIRST_SIZE: usize;
    /// The macro in the header that initialises it.
    const INIT: &str;
    /// The options for NULL, and the values of members that an older program does not have.
    const DEFAULT: Self;
}

/// More than any options struct has: a larger size was not initialised.
const MOST_OPTIONS_BYTES: usize = 4096;

/// # Safety
/// Unless it is NULL or not aligned, `pointer` is valid for reads of a `usize`, and of as many bytes as it states.
pub(crate) unsafe fn options<T: Options>(pointer: *const T, name: &str) -> Result<T, Failure> {
    const { assert!(size_of::<T>() >= T::FIRST_SIZE) };
    let mut found = T::DEFAULT;
    if pointer.is_null() {
        return Ok(found);
    }
    check(pointer, name)?;
    // SAFETY: the struct begins with its size, and the caller's promise.
    let size = unsafe { pointer.cast::<usize>().read() };
    if !(T::FIRST_SIZE..=MOST_OPTIONS_BYTES).contains(&size) {
        let message = format!("{name}->size is {size}, not the size of the struct; initialise it with {}", T::INIT);
        return Err(Failure::bad_argument(message));
    }
    // SAFETY: that many bytes are there, as the caller promises.
    let bytes = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), size) };
    let known = size.min(size_of::<T>());
    if bytes[known..].iter().any(|&byte| byte != 0) {
        let message =
            format!("{name} sets a member that this version of the library does not have; update the library");
        return Err(Failure::bad_argument(message));
    }
    // SAFETY: `known` bytes of both, which do not overlap; the type is valid for any bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut found).cast(), known) };
    Ok(found)
}

/// C's `bool` in a struct that C fills. A byte other than 0 and 1 must not be undefined behaviour here.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct flag(u8);

impl flag {
    pub const NO: Self = Self(0);

    pub fn of(set: bool) -> Self {
        Self(set.into())
    }

    pub fn is_set(self) -> bool {
        self.0 != 0
    }
}

/// Memory that receives a value. It is checked before the function does anything.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// # Safety
    /// Unless it is NULL or not aligned, `pointer` is valid for writes while the value is used.
    pub unsafe fn new(pointer: *mut T, name: &str) -> Result<Self, Failure> {
        check(pointer, name)?;
        Ok(Self(pointer))
    }

    pub fn set(&self, value: T) {
        // SAFETY: `new`'s promise. The previous content is plain C data, or uninitialised.
        unsafe { self.0.write(value) };
    }
}

/// Locks a handle for this thread.
pub(crate) fn enter<'a, T>(handle: &'a Mutex<T>, name: &str) -> Result<MutexGuard<'a, T>, Failure> {
    match handle.try_lock() {
        Ok(inside) => Ok(inside),
        // After a panic, which was reported, the content is still valid.
        Err(TryLockError::Poisoned(inside)) => Ok(inside.into_inner()),
        Err(TryLockError::WouldBlock) => Err(busy(name)),
    }
}

pub(crate) fn busy(name: &str) -> Failure {
    Failure::new(
        DORA_SHM_ERROR_BUSY,
        format!("another thread is in a call with the same {name}; use it from one thread at a time"),
    )
}

/// Stores a new handle for the caller.
pub(crate) fn give<T>(out: &Out<*mut T>, value: T) {
    out.set(Box::into_raw(Box::new(value)));
}

/// Takes a handle back and sets the caller's pointer to NULL. `None`: it was NULL. `may_go` fails if the handle is in
/// use.
///
/// # Safety
/// Unless it is NULL or not aligned, `handle` is valid for reads and writes, and what it points to is NULL or came from
/// [`give`].
pub(crate) unsafe fn take<T>(
    handle: *mut *mut T,
    name: &str,
    may_go: impl FnOnce(&T) -> Result<(), Failure>,
) -> Result<Option<Box<T>>, Failure> {
    check(handle, name)?;
    // SAFETY: checked, and the caller's promise.
    let pointer = unsafe { handle.read() };
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so `give` made it.
    may_go(unsafe { borrow(pointer, name) }?)?;
    // SAFETY: as above.
    unsafe { handle.write(std::ptr::null_mut()) };
    // SAFETY: `give` made it from a box, and the pointer of the caller is NULL.
    Ok(Some(unsafe { Box::from_raw(pointer) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::dora_shm_last_error_message;
    use std::ffi::CStr;

    fn message() -> String {
        // SAFETY: never NULL, and no other error of this thread comes in between.
        unsafe { CStr::from_ptr(dora_shm_last_error_message()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_code_and_a_message() {
        assert_eq!(call(|| panic!("number {}", 7)), DORA_SHM_ERROR_INTERNAL);
        assert_eq!(message(), "a defect of this library: number 7; please report it, and close the handle");
        assert_eq!(call(|| std::panic::panic_any(7)), DORA_SHM_ERROR_INTERNAL);
        assert!(message().contains("without a message"));
    }

    #[test]
    fn a_handle_in_use_is_refused_and_a_handle_after_a_panic_is_not() {
        let handle = Mutex::new(1);
        let inside = enter(&handle, "thing").unwrap();
        assert_eq!(enter(&handle, "thing").unwrap_err().code, DORA_SHM_ERROR_BUSY);
        drop(inside);
        call(|| {
            let _inside = enter(&handle, "thing")?;
            panic!("inside")
        });
        assert_eq!(*enter(&handle, "thing").unwrap(), 1);
    }

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Two {
        size: usize,
        old: u32,
        new: u32,
    }

    // SAFETY: plain integers, the first of which is a usize.
    unsafe impl Options for Two {
        const FIRST_SIZE: usize = 12;
        const INIT: &str = "TWO_INIT";
        const DEFAULT: Self = Self { size: 0, old: 7, new: 8 };
    }

    #[test]
    fn options_of_older_and_newer_programs_are_read_and_uninitialised_ones_are_refused() {
        let read = |words: [u32; 6]| {
            let words = words.map(u32::to_ne_bytes).concat();
            let mut aligned = [0_u64; 3];
            for (to, from) in aligned.iter_mut().zip(words.chunks_exact(8)) {
                *to = u64::from_ne_bytes(from.try_into().unwrap());
            }
            // SAFETY: 24 bytes, and no size that is allowed is beyond them.
            unsafe { options(aligned.as_ptr().cast::<Two>(), "options") }
        };
        let known = |size: u32| read([size, 0, 1, 2, 0, 0]).map(|found| (found.old, found.new));
        assert_eq!(known(16).unwrap(), (1, 2));
        assert_eq!(known(12).unwrap(), (1, 8), "an older program's");
        assert_eq!(known(24).unwrap(), (1, 2), "a newer program's, with nothing that is new");
        for size in [0, 8, 11, 5000] {
            let failure = known(size).unwrap_err();
            assert_eq!(failure.code, DORA_SHM_ERROR_BAD_ARGUMENT);
            assert!(failure.message.contains("TWO_INIT"), "{}", failure.message);
        }
        let newer = read([24, 0, 1, 2, 0, 1]).unwrap_err();
        assert!(newer.message.contains("update the library"), "{}", newer.message);
        // SAFETY: NULL.
        assert_eq!(unsafe { options(std::ptr::null::<Two>(), "options") }.unwrap(), Two::DEFAULT);
    }

    #[test]
    fn pointers_that_are_null_or_not_aligned_are_refused_by_name() {
        let words = [0_u64; 2];
        assert_eq!(check(std::ptr::null::<u64>(), "thing").unwrap_err().message, "thing is NULL");
        let odd = words.as_ptr().cast::<u8>().wrapping_add(1).cast::<u64>();
        assert!(check(odd, "thing").unwrap_err().message.starts_with("thing is not aligned to 8 bytes"));
        assert!(check(words.as_ptr(), "thing").is_ok());
    }
}
