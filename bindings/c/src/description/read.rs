//! How a description is read.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

use dora_shm_ring::{Axis, Description};
use serde_json::Value;

use super::{Inside, dora_shm_description, inside};
use crate::c_string::c_string;
use crate::call::{CallResult, Out, call};
use crate::result::{Failure, dora_shm_result};
use crate::text::string;
use dora_shm_axis_kind::*;
use dora_shm_result::*;

/// How the coordinates along a dimension are given.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum dora_shm_axis_kind {
    /// They are not given.
    DORA_SHM_AXIS_NONE = 0,
    /// Evenly spaced: `offset` + `gain` * index.
    DORA_SHM_AXIS_LINEAR = 1,
    /// One label or coordinate per index.
    DORA_SHM_AXIS_COORD = 2,
}

/// The coordinates along one dimension.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_axis {
    /// How they are given.
    pub kind: dora_shm_axis_kind,
    /// Linear: coordinate of the first index. NaN: unknown, as for the buffered axis, whose coordinates are the frames'
    /// times.
    pub offset: f64,
    /// Linear: step from one index to the next.
    pub gain: f64,
    /// Coord: number of labels or coordinates; 0: they are not given, as for the buffered axis.
    pub count: usize,
    /// Unit of the coordinates, UTF-8, such as "s"; empty for labels, or if it is unknown. Never NULL. Owner: the
    /// description.
    pub unit: *const c_char,
}

/// The strings of a description, to which C may hold pointers.
pub(super) struct Texts {
    json: CString,
    attrs_json: CString,
    key: CString,
    stream_dim: Option<CString>,
    dims: Vec<CString>,
    units: Vec<CString>,
    /// For each dimension. Made on first use: there may be very many labels.
    labels: Vec<OnceLock<Vec<CString>>>,
    attrs: BTreeMap<String, CString>,
}

impl Texts {
    pub fn of(description: &Description) -> Self {
        let json = description.to_json();
        let attrs = match serde_json::from_slice(&json) {
            Ok(Value::Object(mut members)) => members.remove("attrs"),
            _ => None,
        };
        let Some(Value::Object(attrs)) = attrs else { unreachable!("the document has an object of that name") };
        let units = description.dims.iter().map(|dim| match description.axes.get(dim) {
            Some(Axis::Linear { unit, .. } | Axis::Coord { unit, .. }) => c_string(unit),
            None => CString::default(),
        });
        Self {
            units: units.collect(),
            json: c_string(&String::from_utf8_lossy(&json)),
            attrs_json: c_string(&Value::Object(attrs.clone()).to_string()),
            key: c_string(&description.key),
            stream_dim: description.stream_dim.as_deref().map(c_string),
            dims: description.dims.iter().map(|dim| c_string(dim)).collect(),
            labels: description.dims.iter().map(|_| OnceLock::new()).collect(),
            attrs: attrs.into_iter().map(|(name, value)| (name, c_string(&value.to_string()))).collect(),
        }
    }
}

/// The label of an entry of an axis.
fn label(entry: &Value) -> CString {
    match (entry, entry.get("label")) {
        (Value::String(text), _) | (_, Some(Value::String(text))) => c_string(text),
        _ => c_string(&entry.to_string()),
    }
}

/// The number of an entry of an axis, including those that JSON cannot express.
fn number(entry: &Value) -> Option<f64> {
    let special = || match entry.as_object().filter(|members| members.len() == 1)?.get("$float")?.as_str()? {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    entry.as_f64().or_else(special)
}

impl Inside {
    /// The axis of dimension `dim`, if it has one.
    fn axis(&self, dim: usize) -> Result<Option<&Axis>, Failure> {
        let dims = &self.description.dims;
        let Some(name) = dims.get(dim) else {
            return Err(Failure::bad_argument(format!("there is no dimension {dim}, but {} of them", dims.len())));
        };
        Ok(self.description.axes.get(name))
    }
}

fn beyond(index: usize, count: usize) -> Failure {
    Failure::bad_argument(format!("there is no index {index} on this axis, but {count} of them"))
}

/// Returns a string that belongs to the description.
///
/// # Safety
/// The convention for arguments.
unsafe fn give_text(
    description: *const dora_shm_description,
    text: *mut *const c_char,
    find: impl for<'a> FnOnce(&'a Inside) -> Result<Option<&'a CStr>, Failure>,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the caller's promise.
        let (inside, text) = unsafe { (inside(description)?, Out::new(text, "text")?) };
        give_found(&text, find(&inside)?)
    })
}

fn give_found(text: &Out<*const c_char>, found: Option<&CStr>) -> CallResult {
    text.set(found.map_or(std::ptr::null(), CStr::as_ptr));
    Ok(if found.is_some() { DORA_SHM_OK } else { DORA_SHM_NOTHING })
}

/// The whole description as JSON, in the form that SPEC.md defines (metadata segment).
///
/// @param text out: UTF-8. Owner: the description
/// @return DORA_SHM_OK
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_json(
    description: *const dora_shm_description,
    text: *mut *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { give_text(description, text, |inside| Ok(Some(&inside.texts().json))) }
}

/// All attributes as one JSON object by their names, in the form that SPEC.md defines.
///
/// @param text out: UTF-8. Owner: the description
/// @return DORA_SHM_OK
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_attrs_json(
    description: *const dora_shm_description,
    text: *mut *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { give_text(description, text, |inside| Ok(Some(&inside.texts().attrs_json))) }
}

/// One attribute as JSON: `true`, `7`, `0.5`, `"text"`, `[1, 2]`, or another form that SPEC.md defines.
///
/// @param name its name, UTF-8
/// @param text out: UTF-8; NULL: there is none. Owner: the description
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none of that name
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_attr(
    description: *const dora_shm_description,
    name: *const c_char,
    text: *mut *const c_char,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, name) = unsafe { (inside(description)?, string(name, "name")?) };
        // SAFETY: as above.
        give_found(&unsafe { Out::new(text, "text") }?, inside.texts().attrs.get(name).map(CString::as_c_str))
    })
}

/// The source's own name for the signal; empty if the source gives none.
///
/// @param text out: UTF-8. Owner: the description
/// @return DORA_SHM_OK
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_key(
    description: *const dora_shm_description,
    text: *mut *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { give_text(description, text, |inside| Ok(Some(&inside.texts().key))) }
}

/// The dimension along which messages accumulate, if the source states one.
///
/// @param text out: UTF-8; NULL: not stated. Owner: the description
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: not stated
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_stream_dim(
    description: *const dora_shm_description,
    text: *mut *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { give_text(description, text, |inside| Ok(inside.texts().stream_dim.as_deref())) }
}

/// Number of dimensions that have names: the rank of a frame plus 1, for the buffered axis; 0: the names are unknown.
///
/// @param count out
/// @return DORA_SHM_OK
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_dims(
    description: *const dora_shm_description,
    count: *mut usize,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, count) = unsafe { (inside(description)?, Out::new(count, "count")?) };
        count.set(inside.description.dims.len());
        Ok(DORA_SHM_OK)
    })
}

/// Name of a dimension.
///
/// @param dim 0: the buffered axis; from 1 on: the dimensions of a frame
/// @param text out: UTF-8. Owner: the description
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: there are fewer dimensions
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_dim(
    description: *const dora_shm_description,
    dim: usize,
    text: *mut *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe {
        give_text(description, text, |inside| {
            inside.axis(dim)?;
            Ok(inside.texts().dims.get(dim).map(CString::as_c_str))
        })
    }
}

/// The coordinates along a dimension.
///
/// @param dim as for dora_shm_description_dim()
/// @param axis out: its `unit` belongs to the description
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: none are given, and the kind of `axis` is DORA_SHM_AXIS_NONE;
///         DORA_SHM_ERROR_BAD_ARGUMENT: there are fewer dimensions
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_axis(
    description: *const dora_shm_description,
    dim: usize,
    axis: *mut dora_shm_axis,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, out) = unsafe { (inside(description)?, Out::new(axis, "axis")?) };
        let found = inside.axis(dim)?;
        let unit = inside.texts().units.get(dim).map_or(c"".as_ptr(), |unit| unit.as_ptr());
        let none = dora_shm_axis { kind: DORA_SHM_AXIS_NONE, offset: f64::NAN, gain: 0.0, count: 0, unit };
        out.set(match found {
            None => none,
            Some(Axis::Linear { gain, offset, .. }) => {
                dora_shm_axis { kind: DORA_SHM_AXIS_LINEAR, offset: offset.unwrap_or(f64::NAN), gain: *gain, ..none }
            }
            Some(Axis::Coord { data, .. }) => {
                dora_shm_axis { kind: DORA_SHM_AXIS_COORD, count: data.as_ref().map_or(0, Vec::len), ..none }
            }
        });
        Ok(if found.is_some() { DORA_SHM_OK } else { DORA_SHM_NOTHING })
    })
}

/// The label at an index of an axis. If the entry is an object, the label is its member `label`, or the whole object as
/// JSON. A number is written as in JSON.
///
/// @param dim as for dora_shm_description_dim()
/// @param index from 0
/// @param text out: UTF-8; NULL: there is none. Owner: the description
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: the axis has no labels or coordinates; DORA_SHM_ERROR_BAD_ARGUMENT: there are
///         fewer dimensions or entries
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_label(
    description: *const dora_shm_description,
    dim: usize,
    index: usize,
    text: *mut *const c_char,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe {
        give_text(description, text, |inside| {
            let Some(Axis::Coord { data: Some(data), .. }) = inside.axis(dim)? else { return Ok(None) };
            let labels = inside.texts().labels[dim].get_or_init(|| data.iter().map(label).collect());
            labels.get(index).map(|label| Some(label.as_c_str())).ok_or_else(|| beyond(index, data.len()))
        })
    }
}

/// The coordinate at an index of an axis, if the axis is linear or the entry is a number.
///
/// @param dim as for dora_shm_description_dim()
/// @param index from 0; on a linear axis, any
/// @param coordinate out: in the unit of the axis; NaN: there is none
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none, as on the buffered axis, whose coordinates are the frames'
///         times; DORA_SHM_ERROR_BAD_ARGUMENT: there are fewer dimensions or entries
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_coordinate(
    description: *const dora_shm_description,
    dim: usize,
    index: usize,
    coordinate: *mut f64,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, coordinate) = unsafe { (inside(description)?, Out::new(coordinate, "coordinate")?) };
        let found = match inside.axis(dim)? {
            Some(Axis::Linear { gain, offset: Some(offset), .. }) => Some(offset + gain * index as f64),
            Some(Axis::Coord { data: Some(data), .. }) => {
                number(data.get(index).ok_or_else(|| beyond(index, data.len()))?)
            }
            _ => None,
        };
        coordinate.set(found.unwrap_or(f64::NAN));
        Ok(if found.is_some() { DORA_SHM_OK } else { DORA_SHM_NOTHING })
    })
}
