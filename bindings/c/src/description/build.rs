//! How a description is made.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

use dora_shm_ring::{Attr, Axis, Description};
use serde_json::Value;

use super::dora_shm_description;
use crate::call::{Out, borrow, call, check, give};
use crate::result::{Failure, dora_shm_result};
use crate::text::{list, string, string_or_empty, strings};
use dora_shm_result::*;

/// Creates an empty description.
///
/// @param description out. Owner: the caller, who closes it with dora_shm_description_close()
/// @return DORA_SHM_OK
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_create(description: *mut *mut dora_shm_description) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        give(&unsafe { Out::new(description, "description") }?, dora_shm_description::new(Arc::default()));
        Ok(DORA_SHM_OK)
    })
}

/// Creates a description from JSON, in the form that SPEC.md defines (metadata segment).
///
/// @param json UTF-8; need not end in a NUL
/// @param json_size its bytes, without a NUL
/// @param description out. Owner: the caller, who closes it with dora_shm_description_close(). Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: the message states what is wrong
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_from_json(
    json: *const c_char,
    json_size: usize,
    description: *mut *mut dora_shm_description,
) -> dora_shm_result {
    call(|| {
        check(json, "json")?;
        // SAFETY: the convention for arguments.
        let (json, out) =
            unsafe { (list(json.cast::<u8>(), json_size, "json")?, Out::new(description, "description")?) };
        let parsed = Description::from_json(json)?;
        give(&out, dora_shm_description::new(Arc::new(parsed)));
        Ok(DORA_SHM_OK)
    })
}

/// Changes a description. Strings that it returned are no longer valid.
///
/// # Safety
/// The convention for arguments.
unsafe fn change(
    description: *mut dora_shm_description,
    change: impl FnOnce(&mut Description) -> Result<(), Failure>,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the caller's promise.
        let mut inside = unsafe { borrow(description, "description") }?.write()?;
        // The reader's own description does not change.
        let mut changed = (*inside.description).clone();
        change(&mut changed)?;
        inside.description = Arc::new(changed);
        inside.texts = OnceLock::new();
        Ok(DORA_SHM_OK)
    })
}

/// Names the dimensions.
///
/// @param dims UTF-8 strings, all different: the buffered axis, then the dimensions of a frame. They are copied
/// @param count the rank of a frame plus 1; 0: unknown. It is checked when a writer gets the description
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_dims(
    description: *mut dora_shm_description,
    dims: *const *const c_char,
    count: usize,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe {
        change(description, |description| {
            description.dims = strings(dims, count, "dims")?;
            Ok(())
        })
    }
}

/// Gives a dimension evenly spaced coordinates.
///
/// @param dim name of the dimension, UTF-8
/// @param unit of the coordinates, UTF-8; NULL: unknown
/// @param gain step from one index to the next; for a time axis, the inverse of the rate
/// @param offset coordinate of the first index; NaN: unknown, as for the buffered axis, whose coordinates are the
///        frames' times
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_linear_axis(
    description: *mut dora_shm_description,
    dim: *const c_char,
    unit: *const c_char,
    gain: f64,
    offset: f64,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe {
        change(description, |description| {
            let (dim, unit) = (string(dim, "dim")?.to_owned(), string_or_empty(unit, "unit")?.to_owned());
            description.axes.insert(dim, Axis::Linear { unit, gain, offset: Some(offset).filter(|it| !it.is_nan()) });
            Ok(())
        })
    }
}

/// Gives a dimension one coordinate per index.
///
/// @param dim name of the dimension, UTF-8
/// @param unit of the coordinates, UTF-8; NULL: unknown
/// @param coordinates `count` of them; they are copied
/// @param count length of the dimension; 0 for the buffered axis, whose coordinates are the frames' times
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: one of them is infinite or NaN, which JSON cannot express
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_coordinates(
    description: *mut dora_shm_description,
    dim: *const c_char,
    unit: *const c_char,
    coordinates: *const f64,
    count: usize,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe {
        change(description, |description| {
            let (dim, unit) = (string(dim, "dim")?.to_owned(), string_or_empty(unit, "unit")?.to_owned());
            let value = |(i, &coordinate): (usize, &f64)| match serde_json::Number::from_f64(coordinate) {
                Some(number) => Ok(Value::Number(number)),
                None => {
                    Err(Failure::bad_argument(format!("coordinates[{i}] is {coordinate}, expected a finite number")))
                }
            };
            let data = list(coordinates, count, "coordinates")?.iter().enumerate().map(value);
            let data = data.collect::<Result<Vec<_>, _>>()?;
            description.axes.insert(dim, Axis::Coord { unit, data: Some(data).filter(|data| !data.is_empty()) });
            Ok(())
        })
    }
}

/// Gives a dimension one label per index.
///
/// @param dim name of the dimension, UTF-8
/// @param labels `count` UTF-8 strings; they are copied
/// @param count length of the dimension
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_labels(
    description: *mut dora_shm_description,
    dim: *const c_char,
    labels: *const *const c_char,
    count: usize,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe {
        change(description, |description| {
            let dim = string(dim, "dim")?.to_owned();
            let data = strings(labels, count, "labels")?.into_iter().map(Value::String).collect();
            description.axes.insert(dim, Axis::Coord { unit: String::new(), data: Some(data) });
            Ok(())
        })
    }
}

/// Sets the source's own name for the signal.
///
/// @param key UTF-8; NULL: none
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_key(
    description: *mut dora_shm_description,
    key: *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe {
        change(description, |description| {
            description.key = string_or_empty(key, "key")?.to_owned();
            Ok(())
        })
    }
}

/// Sets the dimension along which messages accumulate.
///
/// @param dim UTF-8; NULL: not stated
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_stream_dim(
    description: *mut dora_shm_description,
    dim: *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe {
        change(description, |description| {
            description.stream_dim = if dim.is_null() { None } else { Some(string(dim, "dim")?.to_owned()) };
            Ok(())
        })
    }
}

/// # Safety
/// The convention for arguments.
unsafe fn set_attr(
    description: *mut dora_shm_description,
    name: *const c_char,
    value: impl FnOnce(&str) -> Result<Attr, Failure>,
) -> dora_shm_result {
    // SAFETY: the caller's promise.
    unsafe {
        change(description, |description| {
            let name = string(name, "name")?;
            description.attrs.insert(name.to_owned(), value(name)?);
            Ok(())
        })
    }
}

/// Sets an attribute to a string.
///
/// @param name UTF-8
/// @param value UTF-8
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_attr_string(
    description: *mut dora_shm_description,
    name: *const c_char,
    value: *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { set_attr(description, name, |_| Ok(Attr::String(string(value, "value")?.to_owned()))) }
}

/// Sets an attribute to an integer.
///
/// @param name UTF-8
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_attr_integer(
    description: *mut dora_shm_description,
    name: *const c_char,
    value: i64,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { set_attr(description, name, |_| Ok(Attr::Integer(value))) }
}

/// Sets an attribute to a float.
///
/// @param name UTF-8
/// @param value any value, including NaN and infinities
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_attr_float(
    description: *mut dora_shm_description,
    name: *const c_char,
    value: f64,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { set_attr(description, name, |_| Ok(Attr::Float(value))) }
}

/// Sets an attribute to any value that it can have, as JSON in the form that SPEC.md defines: `true`, `7`, `0.5`,
/// `"text"`, `["a", "b"]`, `{"$timestamp_ns": 0}`.
///
/// @param name UTF-8
/// @param json UTF-8
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: the message states what is wrong
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_set_attr_json(
    description: *mut dora_shm_description,
    name: *const c_char,
    json: *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { set_attr(description, name, |name| attr_of_json(name, string(json, "json")?)) }
}

/// The library reads attributes only as part of a whole description.
fn attr_of_json(name: &str, json: &str) -> Result<Attr, Failure> {
    let no_json = |error| Failure::bad_argument(format!("json cannot be parsed: {error}"));
    let value: Value = serde_json::from_str(json).map_err(no_json)?;
    let none = Description { attrs: BTreeMap::from([(name.to_owned(), Attr::Bool(false))]), ..Description::default() };
    let mut document: Value = serde_json::from_slice(&none.to_json()).map_err(no_json)?;
    document["attrs"][name] = value;
    let document = Description::from_json(document.to_string().as_bytes())?;
    let attr = document.attrs.into_values().next();
    attr.ok_or_else(|| Failure::bad_argument(format!("json is {json}, which is not a kind of attribute; see SPEC.md")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_attribute_comes_from_json() {
        let kinds = [
            Attr::Bool(true),
            Attr::Integer(i64::MIN),
            Attr::Float(0.1),
            Attr::Float(f64::NAN),
            Attr::String("ä\"b".into()),
            Attr::ListInt(vec![]),
            Attr::ListFloat(vec![1.0, f64::INFINITY]),
            Attr::ListString(vec!["a".into()]),
            Attr::Timestamp(1),
        ];
        for attr in kinds {
            let attrs = BTreeMap::from([("x".to_owned(), attr.clone())]);
            let document: Value =
                serde_json::from_slice(&Description { attrs, ..Description::default() }.to_json()).unwrap();
            assert_eq!(attr_of_json("x", &document["attrs"]["x"].to_string()).unwrap(), attr);
        }
    }

    #[test]
    fn json_that_is_not_an_attribute_is_refused() {
        for json in ["", "null", "[]", "{}", "[1, \"a\"]", "{\"$unknown\": 1}", "1, \"y\": 2", "1e999", "[[1]]"] {
            assert_eq!(attr_of_json("x", json).unwrap_err().code, DORA_SHM_ERROR_BAD_ARGUMENT, "{json:?}");
        }
    }
}
