//! Conversion between element types, for columns of several types in one ring.

use dora_shm_ring::Dtype;
use half::f16;

/// The smallest type that represents every value of both, by numpy's rule (`result_type`).
///
/// 64-bit integers together with floats, or signed together with unsigned, become `float64`, which is exact up to 2^53.
pub(crate) fn common(a: Dtype, b: Dtype) -> Dtype {
    use Dtype::*;
    if a == b {
        return a;
    }
    let float_bits = |dtype| match dtype {
        Bool => 0,
        I8 | U8 | F16 => 16,
        I16 | U16 | F32 => 32,
        I32 | U32 | I64 | U64 | F64 => 64,
    };
    let is_float = |dtype| matches!(dtype, F16 | F32 | F64);
    let is_signed = |dtype| matches!(dtype, I8 | I16 | I32 | I64);
    if a == Bool || b == Bool {
        return if a == Bool { b } else { a };
    }
    if is_float(a) || is_float(b) {
        return match float_bits(a).max(float_bits(b)) {
            16 => F16,
            32 => F32,
            _ => F64,
        };
    }
    if is_signed(a) == is_signed(b) {
        return if a.size() >= b.size() { a } else { b };
    }
    let (signed, unsigned) = if is_signed(a) { (a, b) } else { (b, a) };
    match signed.size().max(2 * unsigned.size()) {
        2 => I16,
        4 => I32,
        8 => I64,
        _ => F64,
    }
}

/// The bytes of a NaN and their number, if the type has a NaN.
pub(crate) fn nan(dtype: Dtype) -> Option<([u8; 8], usize)> {
    let mut bytes = [0; 8];
    match dtype {
        Dtype::F16 => bytes[..2].copy_from_slice(&f16::NAN.to_ne_bytes()),
        Dtype::F32 => bytes[..4].copy_from_slice(&f32::NAN.to_ne_bytes()),
        Dtype::F64 => bytes = f64::NAN.to_ne_bytes(),
        _ => return None,
    }
    Some((bytes, dtype.size()))
}

/// Converts the numbers in `source` into `target`, as many as both have room for.
///
/// A value that the target type cannot represent becomes its nearest value, fractions are cut off, and NaN becomes 0 in
/// an integer. [`unfit`] finds such values beforehand.
pub(crate) fn convert(from: Dtype, source: &[u8], to: Dtype, target: &mut [u8]) {
    match from {
        Dtype::Bool => convert_from::<Truth>(source, to, target),
        Dtype::I8 => convert_from::<i8>(source, to, target),
        Dtype::U8 => convert_from::<u8>(source, to, target),
        Dtype::I16 => convert_from::<i16>(source, to, target),
        Dtype::U16 => convert_from::<u16>(source, to, target),
        Dtype::I32 => convert_from::<i32>(source, to, target),
        Dtype::U32 => convert_from::<u32>(source, to, target),
        Dtype::I64 => convert_from::<i64>(source, to, target),
        Dtype::U64 => convert_from::<u64>(source, to, target),
        Dtype::F16 => convert_from::<f16>(source, to, target),
        Dtype::F32 => convert_from::<f32>(source, to, target),
        Dtype::F64 => convert_from::<f64>(source, to, target),
    }
}

fn convert_from<S: Number>(source: &[u8], to: Dtype, target: &mut [u8]) {
    match to {
        Dtype::Bool => convert_all::<S, Truth>(source, target),
        Dtype::I8 => convert_all::<S, i8>(source, target),
        Dtype::U8 => convert_all::<S, u8>(source, target),
        Dtype::I16 => convert_all::<S, i16>(source, target),
        Dtype::U16 => convert_all::<S, u16>(source, target),
        Dtype::I32 => convert_all::<S, i32>(source, target),
        Dtype::U32 => convert_all::<S, u32>(source, target),
        Dtype::I64 => convert_all::<S, i64>(source, target),
        Dtype::U64 => convert_all::<S, u64>(source, target),
        Dtype::F16 => convert_all::<S, f16>(source, target),
        Dtype::F32 => convert_all::<S, f32>(source, target),
        Dtype::F64 => convert_all::<S, f64>(source, target),
    }
}

fn convert_all<S: Number, T: Number>(source: &[u8], target: &mut [u8]) {
    for (from, to) in source.chunks_exact(S::SIZE).zip(target.chunks_exact_mut(T::SIZE)) {
        let number = S::load(from);
        // Integers are converted through i128, because a double would round those of 64 bits.
        let converted =
            if S::FLOAT || T::FLOAT { T::from_f64(number.to_f64()) } else { T::from_i128(number.to_i128()) };
        converted.store(to);
    }
}

/// Whether `to` represents every value of `from`, other than by rounding fractions between floats.
pub(crate) fn holds_all(from: Dtype, to: Dtype) -> bool {
    common(from, to) == to && !(matches!(from, Dtype::I64 | Dtype::U64) && to == Dtype::F64)
}

/// The text of a number in `source` that `to` cannot represent: a number out of range, NaN or a fraction if `to` is an
/// integer type, or an integer that the float type `to` would round. Numbers at indices that `is_null` are not checked.
pub(crate) fn unfit(from: Dtype, source: &[u8], to: Dtype, is_null: &dyn Fn(usize) -> bool) -> Option<String> {
    match from {
        Dtype::Bool => None,
        Dtype::I8 => unfit_from::<i8>(source, to, is_null),
        Dtype::U8 => unfit_from::<u8>(source, to, is_null),
        Dtype::I16 => unfit_from::<i16>(source, to, is_null),
        Dtype::U16 => unfit_from::<u16>(source, to, is_null),
        Dtype::I32 => unfit_from::<i32>(source, to, is_null),
        Dtype::U32 => unfit_from::<u32>(source, to, is_null),
        Dtype::I64 => unfit_from::<i64>(source, to, is_null),
        Dtype::U64 => unfit_from::<u64>(source, to, is_null),
        Dtype::F16 => unfit_from::<f16>(source, to, is_null),
        Dtype::F32 => unfit_from::<f32>(source, to, is_null),
        Dtype::F64 => unfit_from::<f64>(source, to, is_null),
    }
}

fn unfit_from<S: Number>(source: &[u8], to: Dtype, is_null: &dyn Fn(usize) -> bool) -> Option<String> {
    match to {
        Dtype::Bool => first_unfit::<S, Truth>(source, is_null),
        Dtype::I8 => first_unfit::<S, i8>(source, is_null),
        Dtype::U8 => first_unfit::<S, u8>(source, is_null),
        Dtype::I16 => first_unfit::<S, i16>(source, is_null),
        Dtype::U16 => first_unfit::<S, u16>(source, is_null),
        Dtype::I32 => first_unfit::<S, i32>(source, is_null),
        Dtype::U32 => first_unfit::<S, u32>(source, is_null),
        Dtype::I64 => first_unfit::<S, i64>(source, is_null),
        Dtype::U64 => first_unfit::<S, u64>(source, is_null),
        Dtype::F16 => first_unfit::<S, f16>(source, is_null),
        Dtype::F32 => first_unfit::<S, f32>(source, is_null),
        Dtype::F64 => first_unfit::<S, f64>(source, is_null),
    }
}

fn first_unfit<S: Number, T: Number>(source: &[u8], is_null: &dyn Fn(usize) -> bool) -> Option<String> {
    let mut numbers = source.chunks_exact(S::SIZE).map(S::load).enumerate();
    let (_, number) = numbers.find(|(index, number)| !fits::<S, T>(*number) && !is_null(*index))?;
    Some(if S::FLOAT { shortest(number.to_f64()) } else { number.to_i128().to_string() })
}

fn fits<S: Number, T: Number>(number: S) -> bool {
    match (S::FLOAT, T::FLOAT) {
        (false, false) => T::from_i128(number.to_i128()).to_i128() == number.to_i128(),
        (false, true) => T::from_f64(number.to_f64()).to_f64() as i128 == number.to_i128(),
        (true, true) => !number.to_f64().is_finite() || T::from_f64(number.to_f64()).to_f64().is_finite(),
        // Check the range first: a conversion from outside it saturates, and i64::MAX as a float is 2^63.
        (true, false) => {
            let number = number.to_f64();
            T::RANGE.contains(&number) && T::from_f64(number).to_f64() == number
        }
    }
}

/// The number as plain digits if all of them are significant, else in scientific notation.
fn shortest(number: f64) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_finite() && number.abs() > EXACT { format!("{number:e}") } else { number.to_string() }
}

trait Number: Copy {
    const SIZE: usize;
    const FLOAT: bool;
    /// The range of the type.
    const RANGE: std::ops::Range<f64>;
    fn load(bytes: &[u8]) -> Self;
    fn store(self, bytes: &mut [u8]);
    fn to_f64(self) -> f64;
    fn from_f64(value: f64) -> Self;
    fn to_i128(self) -> i128;
    fn from_i128(value: i128) -> Self;
}

macro_rules! number {
    ($($type:ty, $float:literal, $from_i128:expr;)*) => {$(
        impl Number for $type {
            const SIZE: usize = size_of::<$type>();
            const FLOAT: bool = $float;
            // For 64-bit types, the conversion rounds the largest value up to this bound.
            const RANGE: std::ops::Range<f64> = <$type>::MIN as f64..<$type>::MAX as f64 + 1.0;

            fn load(bytes: &[u8]) -> Self {
                Self::from_ne_bytes(bytes.try_into().expect("a chunk of the type's size"))
            }

            fn store(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_ne_bytes());
            }

            fn to_f64(self) -> f64 {
                self as f64
            }

            fn from_f64(value: f64) -> Self {
                value as Self
            }

            fn to_i128(self) -> i128 {
                self as i128
            }

            fn from_i128(value: i128) -> Self {
                $from_i128(value)
            }
        }
    )*};
}

macro_rules! clamped {
    ($type:ty) => {
        |value: i128| value.clamp(<$type>::MIN as i128, <$type>::MAX as i128) as $type
    };
}

number! {
    i8, false, clamped!(i8);
    u8, false, clamped!(u8);
    i16, false, clamped!(i16);
    u16, false, clamped!(u16);
    i32, false, clamped!(i32);
    u32, false, clamped!(u32);
    i64, false, clamped!(i64);
    u64, false, clamped!(u64);
    f32, true, |value| value as f32;
    f64, true, |value| value as f64;
}

impl Number for f16 {
    const SIZE: usize = 2;
    const FLOAT: bool = true;
    const RANGE: std::ops::Range<f64> = -65_504.0..65_505.0;

    fn load(bytes: &[u8]) -> Self {
        Self::from_ne_bytes(bytes.try_into().expect("a chunk of the type's size"))
    }

    fn store(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_ne_bytes());
    }

    fn to_f64(self) -> f64 {
        f16::to_f64(self)
    }

    fn from_f64(value: f64) -> Self {
        f16::from_f64(value)
    }

    fn to_i128(self) -> i128 {
        self.to_f64() as i128
    }

    fn from_i128(value: i128) -> Self {
        f16::from_f64(value as f64)
    }
}

/// A bool in the ring: one byte, 0 for false and anything else for true.
#[derive(Clone, Copy)]
struct Truth(bool);

impl Number for Truth {
    const SIZE: usize = 1;
    const FLOAT: bool = false;
    const RANGE: std::ops::Range<f64> = 0.0..2.0;

    fn load(bytes: &[u8]) -> Self {
        Self(bytes[0] != 0)
    }

    fn store(self, bytes: &mut [u8]) {
        bytes[0] = u8::from(self.0);
    }

    fn to_f64(self) -> f64 {
        f64::from(u8::from(self.0))
    }

    fn from_f64(value: f64) -> Self {
        Self(value != 0.0)
    }

    fn to_i128(self) -> i128 {
        i128::from(self.0)
    }

    fn from_i128(value: i128) -> Self {
        Self(value != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_type_is_numpys() {
        use Dtype::*;
        for (a, b, expected) in [
            (Bool, I8, I8),
            (U8, I8, I16),
            (U16, I8, I32),
            (U32, I8, I64),
            (U64, I8, F64),
            (U8, U32, U32),
            (I16, I64, I64),
            (U8, F16, F16),
            (I16, F16, F32),
            (U16, F32, F32),
            (I32, F32, F64),
            (I32, F16, F64),
            (U64, F32, F64),
            (F16, F32, F32),
            (F32, F64, F64),
            (Bool, F16, F16),
        ] {
            assert_eq!(common(a, b), expected, "{a} {b}");
            assert_eq!(common(b, a), expected, "{b} {a}");
        }
        for a in Dtype::ALL {
            assert_eq!(common(a, a), a);
        }
    }

    #[test]
    fn every_value_survives_a_round_trip_through_a_type_that_represents_it() {
        let there_and_back = |from: Dtype, bytes: &[u8], through: Dtype| {
            let numbers = bytes.len() / from.size();
            let (mut wide, mut back) = (vec![0; numbers * through.size()], vec![0; bytes.len()]);
            convert(from, bytes, through, &mut wide);
            convert(through, &wide, from, &mut back);
            assert_eq!(back, bytes, "{from} through {through}");
        };
        for from in Dtype::ALL {
            for other in Dtype::ALL {
                let through = common(from, other);
                let one = from.size();
                // All ones is a NaN in floats and -1 or the largest in integers; 64-bit integers are beyond 2^53.
                let ones = vec![0xff; one];
                let exact = match from {
                    Dtype::Bool => vec![1],
                    Dtype::I64 | Dtype::U64 if through == Dtype::F64 => (1_u64 << 53).to_ne_bytes().to_vec(),
                    Dtype::F16 => f16::from_f64(-1.5).to_ne_bytes().to_vec(),
                    Dtype::F32 => f32::MAX.to_ne_bytes().to_vec(),
                    Dtype::F64 => f64::MIN_POSITIVE.to_ne_bytes().to_vec(),
                    _ => ones,
                };
                there_and_back(from, &exact, through);
                there_and_back(from, &vec![0; one], through);
            }
        }
    }

    #[test]
    fn a_value_that_the_target_cannot_represent_becomes_its_nearest_value() {
        let convert_one = |from: Dtype, bytes: &[u8], to: Dtype| {
            let mut target = vec![0; to.size()];
            convert(from, bytes, to, &mut target);
            target
        };
        assert_eq!(convert_one(Dtype::I32, &(-5_i32).to_ne_bytes(), Dtype::U8), [0]);
        assert_eq!(convert_one(Dtype::U64, &u64::MAX.to_ne_bytes(), Dtype::I64), i64::MAX.to_ne_bytes());
        assert_eq!(convert_one(Dtype::F64, &1e300_f64.to_ne_bytes(), Dtype::I8), [127]);
        assert_eq!(convert_one(Dtype::F64, &f64::NAN.to_ne_bytes(), Dtype::I8), [0]);
        assert_eq!(convert_one(Dtype::F64, &1e300_f64.to_ne_bytes(), Dtype::F32), f32::INFINITY.to_ne_bytes());
        assert_eq!(convert_one(Dtype::Bool, &[7], Dtype::U8), [1]);
    }
}
