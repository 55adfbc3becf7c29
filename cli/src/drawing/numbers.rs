//! Samples of any type as numbers.

use dora_shm_ring::{Dtype, Frames};
use half::f16;

/// An operation on samples of any type.
pub trait Visitor {
    type Result;

    /// `samples` in their own type, and the conversion of one of them to a number.
    fn visit<T: Copy>(self, samples: &[T], number: impl Fn(T) -> f64 + Copy) -> Self::Result;
}

/// Passes all samples of `frames`, which are of type `dtype`, to the visitor.
pub fn visit<V: Visitor>(frames: &Frames, dtype: Dtype, visitor: V) -> V::Result {
    macro_rules! plain {
        ($rust:ty) => {
            visitor.visit(frames.samples_as::<$rust>().unwrap_or_default(), |sample| sample as f64)
        };
    }
    match dtype {
        Dtype::Bool => visitor.visit(frames.samples(), |byte| f64::from(u8::from(byte != 0))),
        Dtype::F16 => visitor.visit(frames.samples().as_chunks::<2>().0, |bytes| f16::from_le_bytes(bytes).to_f64()),
        Dtype::I8 => plain!(i8),
        Dtype::U8 => plain!(u8),
        Dtype::I16 => plain!(i16),
        Dtype::U16 => plain!(u16),
        Dtype::I32 => plain!(i32),
        Dtype::U32 => plain!(u32),
        Dtype::I64 => plain!(i64),
        Dtype::U64 => plain!(u64),
        Dtype::F32 => plain!(f32),
        Dtype::F64 => plain!(f64),
    }
}
