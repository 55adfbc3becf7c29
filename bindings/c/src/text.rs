//! Strings from C and for C.

use std::ffi::{CStr, c_char};

use crate::c_string::c_string;
use crate::call::check;
use crate::result::{Failure, dora_shm_result};
use dora_shm_result::*;

/// The caller's string.
///
/// # Safety
/// Unless it is NULL, `text` points to bytes that end in a NUL and stay while the answer is used.
pub(crate) unsafe fn string<'a>(text: *const c_char, name: &str) -> Result<&'a str, Failure> {
    check(text, name)?;
    // SAFETY: not NULL, and the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|error| {
        let at = error.valid_up_to();
        Failure::new(
            DORA_SHM_ERROR_NOT_UTF8,
            format!("{name} is not UTF-8: byte {at} of {:?} is not part of a character", text),
        )
    })
}

/// Like [`string`], but NULL is an empty string.
///
/// # Safety
/// As there.
pub(crate) unsafe fn string_or_empty<'a>(text: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if text.is_null() {
        return Ok("");
    }
    // SAFETY: the caller's promise.
    unsafe { string(text, name) }
}

/// The caller's list: `count` values at `values`. Without values, NULL is allowed.
///
/// # Safety
/// Unless it is NULL or not aligned, `values` is valid for reads of `count` values while the answer is used.
pub(crate) unsafe fn list<'a, T>(values: *const T, count: usize, name: &str) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    check(values, name)?;
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(Failure::bad_argument(format!("{count} {name} are more than memory can hold")));
    }
    // SAFETY: checked, and the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(values, count) })
}

/// As [`list`], for values that the caller lets change.
///
/// # Safety
/// As there, also for writes, and nothing else uses them meanwhile.
pub(crate) unsafe fn list_mut<'a, T>(values: *mut T, count: usize, name: &str) -> Result<&'a mut [T], Failure> {
    // SAFETY: the caller's promise. The shared slice is not used.
    match unsafe { list(values.cast_const(), count, name) }?.len() {
        0 => Ok(&mut []),
        // SAFETY: checked there, and the caller's promise.
        count => Ok(unsafe { std::slice::from_raw_parts_mut(values, count) }),
    }
}

/// As [`list`], for strings.
///
/// # Safety
/// As there; each is a string as [`string`] requires.
pub(crate) unsafe fn strings(texts: *const *const c_char, count: usize, name: &str) -> Result<Vec<String>, Failure> {
    // SAFETY: the caller's promise.
    let texts = unsafe { list(texts, count, name) }?;
    let each = texts.iter().enumerate();
    // SAFETY: the caller's promise.
    each.map(|(i, &text)| unsafe { string(text, &format!("{name}[{i}]")) }.map(str::to_owned)).collect()
}

/// `text` in an array of C, cut at the end of a character if it is too long.
pub(crate) fn array<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    let mut length = text.len().min(N - 1);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    for (to, &from) in array.iter_mut().zip(&text.as_bytes()[..length]) {
        *to = from as c_char;
    }
    array
}

/// Copies `text` and its NUL to the caller's memory of `size` bytes.
///
/// # Safety
/// Unless it is NULL, `to` is valid for writes of `size` bytes.
pub(crate) unsafe fn copy(text: &str, to: *mut c_char, size: usize, name: &str) -> Result<(), Failure> {
    check(to, name)?;
    let text = c_string(text);
    let bytes = text.as_bytes_with_nul();
    if size < bytes.len() {
        let message = format!("{name} has {size} bytes, expected at least {}", bytes.len());
        return Err(Failure::new(DORA_SHM_ERROR_BUFFER_TOO_SMALL, message));
    }
    // SAFETY: at most `size` bytes, which the caller promises; they do not overlap with `text`.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), to, bytes.len()) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_end_in_a_nul_and_at_a_whole_character() {
        assert_eq!(array::<4>("ab"), [b'a' as c_char, b'b' as c_char, 0, 0]);
        assert_eq!(array::<4>("abcd"), [b'a' as c_char, b'b' as c_char, b'c' as c_char, 0]);
        assert_eq!(array::<4>("abß"), [b'a' as c_char, b'b' as c_char, 0, 0]);
    }
}
