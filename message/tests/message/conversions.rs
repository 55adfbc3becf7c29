//! The setting `DTYPE` on numbers: every value arrives, or the message is refused.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, UInt64Array,
};
use dora_node_api::MetadataParameters;
use dora_shm_message::{Interpreter, MessageSettings};
use dora_shm_ring::Dtype;

use crate::support::*;

fn none() -> MetadataParameters {
    MetadataParameters::default()
}

fn to(dtype: Dtype) -> MessageSettings {
    MessageSettings { dtype: Some(dtype), ..MessageSettings::default() }
}

fn int32(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn int64(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn float64(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

#[test]
fn a_value_that_the_type_cannot_represent_is_refused_by_name() {
    let uint64 = Arc::new(UInt64Array::from(vec![u64::MAX])) as ArrayRef;
    for (array, dtype, found) in [
        (int32(&[1, 300]), Dtype::I8, "300"),
        (int32(&[-1]), Dtype::U8, "-1"),
        (int32(&[2]), Dtype::Bool, "2"),
        (int32(&[16_777_217]), Dtype::F32, "16777217"),
        (int32(&[2049]), Dtype::F16, "2049"),
        (int32(&[100_000]), Dtype::F16, "100000"),
        (int64(&[i64::MAX]), Dtype::F64, "9223372036854775807"),
        (int64(&[(1 << 53) + 1]), Dtype::F64, "9007199254740993"),
        (uint64.clone(), Dtype::I64, "18446744073709551615"),
        (uint64, Dtype::F32, "18446744073709551615"),
        (float64(&[0.0, f64::NAN]), Dtype::I32, "NaN"),
        (float64(&[f64::INFINITY]), Dtype::I32, "inf"),
        (float64(&[-1.5]), Dtype::U8, "-1.5"),
        (float64(&[0.5]), Dtype::I64, "0.5"),
        (float64(&[2.0_f64.powi(63)]), Dtype::I64, "9.22"),
        (float64(&[2.0_f64.powi(64)]), Dtype::U64, "1.84"),
        (float64(&[1e300]), Dtype::I8, "1e300"),
        (float64(&[1e39]), Dtype::F32, "1e39"),
        (float64(&[-1e5]), Dtype::F16, "-100000"),
    ] {
        let refusal = interpret(&array, &none(), to(dtype)).unwrap_err().to_string();
        for part in [found, dtype.name(), "DTYPE"] {
            assert!(refusal.contains(part), "{part:?} is not in: {refusal}");
        }
        // It is refused also among messages of the same form.
        let zero = array.slice(0, 0);
        let mut interpreter = Interpreter::new("data", to(dtype));
        let good = arrow::compute::cast(&int32(&vec![1; array.len()]), zero.data_type()).unwrap();
        store(&mut interpreter, &good, &none()).unwrap();
        store(&mut interpreter, &array, &none()).unwrap_err();
        store(&mut interpreter, &good, &none()).unwrap();
    }
}

#[test]
fn the_refusal_names_the_column_that_has_the_value() {
    let array = record(&[("a", int32(&[1])), ("b", int32(&[300]))]);
    let refusal = interpret(&array, &none(), to(Dtype::I8)).unwrap_err().to_string();
    assert!(refusal.contains("`b`") && refusal.contains("int32"), "{refusal}");
}

#[test]
fn values_that_the_type_represents_are_converted() {
    for (array, dtype, expected) in [
        (int32(&[-128, 127]), Dtype::I8, vec![0x80, 0x7f]),
        (int32(&[0, 1]), Dtype::Bool, vec![0, 1]),
        (int32(&[16_777_216, 33_554_432]), Dtype::F32, bytes_of(&Float32Array::from(vec![16_777_216.0, 33_554_432.0]))),
        (
            int64(&[1 << 53, i64::MIN]),
            Dtype::F64,
            bytes_of(&Float64Array::from(vec![2.0_f64.powi(53), i64::MIN as f64])),
        ),
        (float64(&[255.0, -0.0]), Dtype::U8, vec![255, 0]),
        (float64(&[i64::MIN as f64]), Dtype::I64, i64::MIN.to_ne_bytes().to_vec()),
        (Arc::new(BooleanArray::from(vec![true, false])), Dtype::I16, bytes_of(&Int16Array::from(vec![1, 0]))),
    ] {
        assert_eq!(interpret(&array, &none(), to(dtype)).unwrap().samples, expected);
    }
}

#[test]
fn fractions_are_rounded_and_not_a_number_is_kept_between_floats() {
    let values = [0.1, f64::NAN, f64::NEG_INFINITY, 1e-300, 16_777_217.0];
    let expected: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let stored = interpret(&float64(&values), &none(), to(Dtype::F32)).unwrap();
    assert_eq!(stored.samples, expected.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<_>>());
}

#[test]
fn the_number_under_a_null_is_not_a_value_of_the_message() {
    let holed: ArrayRef = Arc::new(Int32Array::new(vec![16_777_217, 5].into(), Some(vec![false, true].into())));
    let stored = interpret(&holed, &none(), to(Dtype::F32)).unwrap();
    assert_eq!(stored.samples[4..], 5.0_f32.to_ne_bytes());
    assert!(f32::from_ne_bytes(stored.samples[..4].try_into().unwrap()).is_nan());
    let other: ArrayRef = Arc::new(Int32Array::new(vec![5, 16_777_217].into(), Some(vec![false, true].into())));
    interpret(&other, &none(), to(Dtype::F32)).unwrap_err();
    // An integer type has no value for the null of a float.
    let holed: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.0), None]));
    let refusal = interpret(&holed, &none(), to(Dtype::I32)).unwrap_err().to_string();
    assert!(refusal.contains("nulls") && refusal.contains("int32"), "{refusal}");
}
