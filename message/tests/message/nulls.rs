//! A null becomes NaN if the type has one, wherever it is. Otherwise the message is refused.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Int32Array, ListArray, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Field, Float32Type, Int32Type};
use dora_node_api::MetadataParameters;
use dora_shm_message::{Interpreter, MessageSettings, Reason};
use dora_shm_ring::Dtype;

use crate::support::*;

fn values(stored: &Stored) -> Vec<Option<f32>> {
    let (numbers, _) = stored.samples.as_chunks::<4>();
    numbers.iter().map(|bytes| Some(f32::from_ne_bytes(*bytes)).filter(|value| !value.is_nan())).collect()
}

fn auto() -> MessageSettings {
    MessageSettings::default()
}

fn none() -> MetadataParameters {
    MetadataParameters::default()
}

#[test]
fn a_null_in_floats_is_not_a_number() {
    let expected = [Some(1.5), None, Some(3.5), Some(4.0), None];
    let array: ArrayRef = Arc::new(Float32Array::from(expected.to_vec()));
    assert_eq!(values(&interpret(&array, &none(), auto()).unwrap()), expected);
    assert_eq!(values(&interpret(&array.slice(1, 3), &none(), auto()).unwrap()), expected[1..4]);
    // A slice without nulls of an array with some comes back as it was.
    let whole = array.slice(2, 2);
    assert_comes_back(&interpret(&whole, &none(), auto()).unwrap(), &whole, &none());
}

#[test]
fn a_null_row_is_not_a_number_throughout() {
    let inner: ArrayRef =
        Arc::new(Float32Array::from(vec![Some(0.0), Some(1.0), None, Some(3.0), Some(4.0), Some(5.0)]));
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let nulls = NullBuffer::from(vec![true, true, false]);
    let rows: ArrayRef = Arc::new(FixedSizeListArray::new(field, 2, inner, Some(nulls)));
    let expected = [Some(0.0), Some(1.0), None, Some(3.0), None, None];
    assert_eq!(values(&interpret(&rows, &none(), auto()).unwrap()), expected);
    assert_eq!(values(&interpret(&rows.slice(1, 2), &none(), auto()).unwrap()), expected[2..]);

    let x = Arc::new(Float32Array::from(vec![Some(1.0), Some(2.0), None])) as ArrayRef;
    let y = Arc::new(Float32Array::from(vec![4.0, 5.0, 6.0])) as ArrayRef;
    let fields = vec![Field::new("x", x.data_type().clone(), true), Field::new("y", y.data_type().clone(), true)];
    let nulls = NullBuffer::from(vec![true, false, true]);
    let rows: ArrayRef = Arc::new(StructArray::new(fields.into(), vec![x, y], Some(nulls)));
    let expected = [Some(1.0), Some(4.0), None, None, None, Some(6.0)];
    assert_eq!(values(&interpret(&rows, &none(), auto()).unwrap()), expected);
    assert_eq!(values(&interpret(&rows.slice(1, 2), &none(), auto()).unwrap()), expected[2..]);
}

#[test]
fn nulls_stay_in_place_when_the_axis_is_moved() {
    let array: ArrayRef = Arc::new(Float32Array::from(vec![Some(0.0), Some(1.0), None, Some(3.0), Some(4.0), None]));
    let parameters = parameters(&[("shape", integers(&[2, 3])), ("dims", names(&["ch", "time"]))]);
    let stored = interpret(&array, &parameters, auto()).unwrap();
    assert_eq!(values(&stored), [Some(0.0), Some(3.0), Some(1.0), Some(4.0), None, None]);
}

#[test]
fn nulls_are_refused_if_the_type_has_no_value_for_them() {
    let integers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let refusal = interpret(&integers, &none(), auto()).unwrap_err();
    assert!(matches!(refusal.reason(), Reason::Nulls { dtype: Dtype::I32, .. }));
    assert!(refusal.to_string().contains("DTYPE"), "{refusal}");
    let bits: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None]));
    assert!(interpret(&bits, &none(), auto()).is_err());
    let settings = MessageSettings { dtype: Some(Dtype::F32), ..auto() };
    assert_eq!(values(&interpret(&integers, &none(), settings).unwrap()), [Some(1.0), None]);

    // The refusal names the column.
    let array = record(&[("a", floats(2)), ("b", integers)]);
    assert!(interpret(&array, &none(), auto()).unwrap_err().to_string().contains("`b`"));
}

#[test]
fn a_null_after_a_message_without_nulls_is_noticed() {
    let mut interpreter = Interpreter::new("data", auto());
    let whole: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let holed: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    store(&mut interpreter, &whole, &none()).unwrap();
    store(&mut interpreter, &holed, &none()).unwrap_err();
    store(&mut interpreter, &whole, &none()).unwrap();
}

#[test]
fn a_null_row_of_a_list_is_as_long_as_the_others() {
    let rows = |rows: &[Option<&[f32]>]| -> ArrayRef {
        let rows = rows.iter().map(|row| row.map(|row| row.iter().copied().map(Some).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
    };
    let array = rows(&[None, Some(&[1.0, 2.0]), None, Some(&[3.0, 4.0])]);
    let expected = [None, None, Some(1.0), Some(2.0), None, None, Some(3.0), Some(4.0)];
    let stored = interpret(&array, &none(), auto()).unwrap();
    assert_eq!((values(&stored), stored.frames), (expected.to_vec(), 4));
    assert_eq!(values(&interpret(&array.slice(1, 2), &none(), auto()).unwrap()), expected[2..6]);
    // In consecutive messages in either order, and in nested lists.
    let mut interpreter = Interpreter::new("data", auto());
    let whole = rows(&[Some(&[5.0_f32, 6.0][..]); 4]);
    for (array, expected) in
        [(&whole, [Some(5.0), Some(6.0)]), (&array, [None, None]), (&whole, [Some(5.0), Some(6.0)])]
    {
        assert_eq!(values(&store(&mut interpreter, array, &none()).unwrap())[..2], expected);
    }
    let nested = record(&[("a", fixed_lists(array.clone(), 2)), ("b", fixed_lists(whole, 2))]);
    let stored = interpret(&nested, &none(), auto()).unwrap();
    assert_eq!(stored.plan.frame_shape(), [2, 2, 2]);
    assert_eq!(values(&stored)[..6], [None, None, Some(1.0), Some(2.0), Some(5.0), Some(6.0)]);
    let lists = lists::<i64>(array.slice(0, 2), 2);
    assert_eq!(values(&interpret(&lists, &none(), auto()).unwrap()), expected[..4]);

    // Rows that differ apart from their nulls are ragged, and an array of nulls alone is empty.
    let ragged = interpret(&rows(&[None, Some(&[1.0]), Some(&[1.0, 2.0])]), &none(), auto()).unwrap_err();
    assert!(matches!(ragged.reason(), Reason::Ragged { shortest: 1, longest: 2, .. }), "{ragged}");
    let mut interpreter = Interpreter::new("data", auto());
    assert_eq!(interpreter.interpret(&rows(&[None, None]), &none(), SEND_NS).unwrap().frames(), 0);
}

#[test]
fn a_null_row_is_refused_as_null_if_the_type_has_no_value_for_it() {
    let rows = [Some(vec![Some(1), Some(2)]), None];
    let integers: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows.clone()));
    let refusal = interpret(&integers, &none(), auto()).unwrap_err();
    assert!(matches!(refusal.reason(), Reason::Nulls { dtype: Dtype::I32, .. }), "{refusal}");
    let settings = MessageSettings { dtype: Some(Dtype::F32), ..auto() };
    assert_eq!(values(&interpret(&integers, &none(), settings).unwrap()), [Some(1.0), Some(2.0), None, None]);
    let bytes: ArrayRef = Arc::new(arrow::array::BinaryArray::from_opt_vec(vec![Some(b"abcd"), None]));
    let settings = MessageSettings { dtype: Some(Dtype::U8), ..auto() };
    let refusal = interpret(&bytes, &none(), settings).unwrap_err();
    assert!(matches!(refusal.reason(), Reason::Nulls { .. }), "{refusal}");
}
