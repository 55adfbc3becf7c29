//! numpy's `dtype.char`, which ezmsg's header carries.

use crate::Dtype;

/// The character of a type. 64-bit integers are `q` and `Q`, which mean 64 bits everywhere.
pub(super) const fn char_of(dtype: Dtype) -> u8 {
    match dtype {
        Dtype::Bool => b'?',
        Dtype::I8 => b'b',
        Dtype::U8 => b'B',
        Dtype::I16 => b'h',
        Dtype::U16 => b'H',
        Dtype::I32 => b'i',
        Dtype::U32 => b'I',
        Dtype::I64 => b'q',
        Dtype::U64 => b'Q',
        Dtype::F16 => b'e',
        Dtype::F32 => b'f',
        Dtype::F64 => b'd',
    }
}

/// The type that this character means to numpy, if [`Dtype`] has it. C's long (`l`, `L`) has 64 bits on Linux.
pub(super) fn dtype_of(char: u8) -> Option<Dtype> {
    match char {
        b'l' => Some(Dtype::I64),
        b'L' => Some(Dtype::U64),
        _ => Dtype::ALL.into_iter().find(|&dtype| char_of(dtype) == char),
    }
}
