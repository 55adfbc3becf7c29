//! Samples whose values depend on their place, and how `expected.json` represents them.

use dora_shm_ring::Dtype;
use dora_shm_testkit::vectors::{integer, real};
use half::f16;
use serde_json::{Value, json};

macro_rules! counted {
    ($type:ty, $special:expr, $i:expr) => {{
        let special: &[$type] = &$special;
        let ordinary = $i.wrapping_mul(37).wrapping_sub(1000) as $type;
        let value = special.get($i as usize).copied().unwrap_or(ordinary);
        (value.to_le_bytes().to_vec(), integer(value))
    }};
}

macro_rules! measured {
    ($type:ident, $from:expr, $smallest:expr, $i:expr) => {{
        let special = [
            $type::MAX,
            $type::MIN,
            $type::MIN_POSITIVE,
            $smallest,
            $type::INFINITY,
            $type::NEG_INFINITY,
            $type::NAN,
            $from(-0.0),
        ];
        // Quarters up to 512 are exact in each of the types.
        let ordinary = $from(($i % 2000) as f64 * 0.25 - 8.0);
        let value = special.get($i as usize).copied().unwrap_or(ordinary);
        (value.to_le_bytes().to_vec(), real(f64::from(value)))
    }};
}

/// Sample `i` of a generation, in C order: its bytes, and its value in `expected.json`. The first samples are the
/// limits of the type.
pub fn sample(dtype: Dtype, i: u64) -> (Vec<u8>, Value) {
    match dtype {
        Dtype::Bool => {
            let value = i % 3 == 1;
            (vec![u8::from(value)], json!(value))
        }
        Dtype::I8 => counted!(i8, [i8::MIN, i8::MAX, -1, 0, 1], i),
        Dtype::U8 => counted!(u8, [u8::MIN, u8::MAX, 127, 128], i),
        Dtype::I16 => counted!(i16, [i16::MIN, i16::MAX, -1, 0, 1], i),
        Dtype::U16 => counted!(u16, [u16::MIN, u16::MAX, 0x7fff, 0x8000], i),
        Dtype::I32 => counted!(i32, [i32::MIN, i32::MAX, -1, 0, 1], i),
        Dtype::U32 => counted!(u32, [u32::MIN, u32::MAX, 0x7fff_ffff, 0x8000_0000], i),
        Dtype::I64 => {
            counted!(i64, [i64::MIN, i64::MAX, -1, 0, 1, 1 << 53, (1 << 53) + 1, -(1 << 53), -(1 << 53) - 1], i)
        }
        Dtype::U64 => counted!(u64, [u64::MIN, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 53, (1 << 53) + 1], i),
        Dtype::F16 => measured!(f16, f16::from_f64, f16::from_bits(1), i),
        Dtype::F32 => measured!(f32, |value: f64| value as f32, f32::from_bits(1), i),
        Dtype::F64 => measured!(f64, |value: f64| value, f64::from_bits(1), i),
    }
}
