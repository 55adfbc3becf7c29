//! Strings for C, which end in a NUL.

use std::ffi::CString;

/// `text` for C. A NUL inside becomes the replacement character, since it would end the string.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text)
        .or_else(|_| CString::new(text.replace('\0', "\u{FFFD}")))
        .expect("the last NUL has just been replaced")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_inside_does_not_cut_a_string() {
        assert_eq!(c_string("a\0b").to_str().unwrap(), "a\u{FFFD}b");
    }
}
