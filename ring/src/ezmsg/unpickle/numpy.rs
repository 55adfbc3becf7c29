//! Reproduces the few supported calls, and the states that they are given.

use super::dtype::{Dtype, shape_of};
use super::{Callable, Heap, Id, Object};

/// An array whose elements are not decoded yet.
pub(super) struct Array<'a> {
    /// `None` until its state is set.
    pub dtype: Option<Id>,
    pub shape: Vec<usize>,
    /// Whether the first dimension changes fastest.
    pub fortran: bool,
    pub data: Data<'a>,
}

/// The elements of an array.
pub(super) enum Data<'a> {
    Bytes(&'a [u8]),
    /// The entries of a list.
    Items(Id),
}

/// The object that `callable(*arguments)` makes.
pub(super) fn call<'a>(heap: &Heap<'a>, callable: Id, arguments: Id) -> Result<Object<'a>, String> {
    let Object::Callable(callable) = heap.get(callable) else {
        return Err(format!("it wants to call {}", heap.get(callable).kind()));
    };
    let arguments = heap.tuple(arguments, "the arguments of a call")?;
    match (callable, arguments) {
        (Callable::Dtype, arguments) => Dtype::called(heap, arguments).map(boxed),
        (Callable::StringDtype, _) => Ok(boxed(Dtype::of_objects())),
        (Callable::FromBuffer, &[buffer, dtype, shape, order]) => {
            heap.dtype(dtype, "the dtype of an array")?;
            let fortran = match heap.text(order, "the order of an array")? {
                "C" => false,
                "F" => true,
                other => return Err(format!("an array of order {:?}, expected C or F", super::shown(other))),
            };
            let data = Data::Bytes(heap.bytes(buffer, "the buffer of an array")?);
            let shape = shape_of(heap, shape)?;
            Ok(Object::Array(Box::new(Array { dtype: Some(dtype), shape, fortran, data })))
        }
        (Callable::Reconstruct, &[class, _, _]) => match heap.get(class) {
            Object::Callable(Callable::Ndarray) => Ok(Object::Array(Box::new(Array {
                dtype: None,
                shape: vec![0],
                fortran: false,
                data: Data::Bytes(&[]),
            }))),
            other => Err(super::wrong("the class of an array", "numpy.ndarray", other)),
        },
        (Callable::Scalar, &[dtype, bytes]) => {
            heap.dtype(dtype, "the dtype of a scalar")?;
            let data = Data::Bytes(heap.bytes(bytes, "the bytes of a scalar")?);
            Ok(Object::Array(Box::new(Array { dtype: Some(dtype), shape: Vec::new(), fortran: false, data })))
        }
        (Callable::Array, &[list, dtype]) => listed(heap, list, dtype),
        (Callable::Datetime, &[count, unit]) => match (heap.get(count), heap.text(unit, "the unit of a datetime")?) {
            (Object::Integer(ns), "ns") => Ok(Object::Timestamp(*ns)),
            _ => Err("numpy.datetime64 of other arguments than an integer and ns".to_owned()),
        },
        (Callable::Complex, &[_, _]) => Ok(Object::Other("a complex number")),
        (callable, arguments) => Err(format!("a call of {callable:?} with {} arguments", arguments.len())),
    }
}

fn boxed<'a>(dtype: Dtype) -> Object<'a> {
    Object::Dtype(Box::new(dtype))
}

/// `numpy.array(list, dtype)` in this library's pickles: values of one type, or tuples with a list of fields.
fn listed<'a>(heap: &Heap<'a>, list: Id, dtype: Id) -> Result<Object<'a>, String> {
    heap.list(list, "the values of an array")?;
    if let Object::Text(_) = heap.get(dtype) {
        return Ok(Object::Same { list });
    }
    heap.list(dtype, "the fields of an array")?;
    Ok(Object::Rows { list, fields: dtype })
}

/// Sets the state of `object`.
pub(super) fn build(heap: &mut Heap<'_>, object: Id, state: Id) -> Result<(), String> {
    let state = heap.tuple(state, "a state")?;
    if state.len() > 9 {
        return Err(format!("a state has {} parts", state.len()));
    }
    let state = state.to_vec();
    match heap.get(object) {
        Object::Dtype(_) => {
            // Taken out, so that the dtype cannot become a part of itself.
            let Object::Dtype(mut dtype) = std::mem::replace(heap.get_mut(object), Object::None) else { return Ok(()) };
            dtype.set_state(heap, &state)?;
            *heap.get_mut(object) = Object::Dtype(dtype);
        }
        Object::Array(array) if array.dtype.is_none() => {
            let &[_version, shape, dtype, fortran, data] = &state[..] else {
                return Err(format!("an array's state has {} parts, expected 5", state.len()));
            };
            heap.dtype(dtype, "the dtype of an array")?;
            let shape = shape_of(heap, shape)?;
            let Object::Bool(fortran) = *heap.get(fortran) else {
                return Err(super::wrong("the order of an array", "a boolean", heap.get(fortran)));
            };
            let data = match heap.get(data) {
                Object::Bytes(bytes) => Data::Bytes(bytes),
                Object::List(_) => Data::Items(data),
                other => return Err(super::wrong("the data of an array", "bytes or a list", other)),
            };
            *heap.get_mut(object) = Object::Array(Box::new(Array { dtype: Some(dtype), shape, fortran, data }));
        }
        other => return Err(format!("it puts a state into {}", other.kind())),
    }
    Ok(())
}
