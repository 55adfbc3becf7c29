//! Descriptions as plain Python values, and back.

use std::collections::BTreeMap;

use dora_shm_ring::{Attr, Axis, Description};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};
use serde_json::{Map, Number, Value};

/// The tag of numbers that JSON has no word for.
const FLOAT: &str = "$float";
const LINEAR: &str = "linear";
const COORD: &str = "coord";
/// Depth to which values are followed; the library refuses less deep ones, with a better message.
const MAX_DEPTH: usize = 200;

/// `{"dims", "axes": {name: (kind, unit, gain, offset) or (kind, unit, data)}, "attrs", "key", "stream_dim", "message"}`
pub fn description_to_python<'py>(py: Python<'py>, description: &Description) -> PyResult<Bound<'py, PyDict>> {
    let axes = PyDict::new(py);
    for (name, axis) in &description.axes {
        match axis {
            Axis::Linear { unit, gain, offset } => axes.set_item(name, (LINEAR, unit, gain, offset))?,
            Axis::Coord { unit, data } => {
                let data = data.as_ref().map(|data| list_to_python(py, data)).transpose()?;
                axes.set_item(name, (COORD, unit, data))?;
            }
        }
    }
    let attrs = PyDict::new(py);
    for (name, attr) in &description.attrs {
        attrs.set_item(name, attr_to_python(py, attr)?)?;
    }
    let message = description.message.as_ref().map(|message| value_to_python(py, message)).transpose()?;
    let made = PyDict::new(py);
    made.set_item("dims", &description.dims)?;
    made.set_item("axes", axes)?;
    made.set_item("attrs", attrs)?;
    made.set_item("key", &description.key)?;
    made.set_item("stream_dim", &description.stream_dim)?;
    made.set_item("message", message)?;
    Ok(made)
}

fn attr_to_python<'py>(py: Python<'py>, attr: &Attr) -> PyResult<Bound<'py, PyAny>> {
    static DATETIME64: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    Ok(match attr {
        Attr::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Attr::Integer(value) => value.into_pyobject(py)?.into_any(),
        Attr::Float(value) => value.into_pyobject(py)?.into_any(),
        Attr::String(value) => value.into_pyobject(py)?.into_any(),
        Attr::ListInt(values) => values.into_pyobject(py)?.into_any(),
        Attr::ListFloat(values) => values.into_pyobject(py)?.into_any(),
        Attr::ListString(values) => values.into_pyobject(py)?.into_any(),
        Attr::Timestamp(ns) => DATETIME64.import(py, "numpy", "datetime64")?.call1((ns, "ns"))?,
    })
}

fn list_to_python<'py>(py: Python<'py>, values: &[Value]) -> PyResult<Bound<'py, PyList>> {
    let values = values.iter().map(|value| value_to_python(py, value)).collect::<PyResult<Vec<_>>>()?;
    PyList::new(py, values)
}

fn value_to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => integer.into_pyobject(py)?.into_any(),
            (_, Some(integer), _) => integer.into_pyobject(py)?.into_any(),
            (.., float) => float.unwrap_or(f64::NAN).into_pyobject(py)?.into_any(),
        },
        Value::String(value) => PyString::new(py, value).into_any(),
        Value::Array(values) => list_to_python(py, values)?.into_any(),
        Value::Object(members) => {
            let special = members.get(FLOAT).filter(|_| members.len() == 1).and_then(Value::as_str);
            if let Some(float) = special.and_then(|text| text.parse::<f64>().ok()) {
                return Ok(PyFloat::new(py, float).into_any());
            }
            let made = PyDict::new(py);
            for (name, value) in members {
                made.set_item(name, value_to_python(py, value)?)?;
            }
            made.into_any()
        }
    })
}

/// What [`description_to_python`] made, or the package put together in the same form. A timestamp is
/// `{"$timestamp_ns": n}`.
pub fn description_from_python(made: &Bound<'_, PyDict>) -> PyResult<Description> {
    let member = |name: &str| {
        made.get_item(name)?.ok_or_else(|| PyValueError::new_err(format!("a description without {name:?}")))
    };
    let mut axes = BTreeMap::new();
    for (name, axis) in member("axes")?.cast::<PyDict>()?.iter() {
        axes.insert(name.extract::<String>()?, axis_from_python(&axis)?);
    }
    let mut attrs = BTreeMap::new();
    for (name, attr) in member("attrs")?.cast::<PyDict>()?.iter() {
        let name: String = name.extract()?;
        let attr = attr_from_python(&attr)
            .map_err(|_| PyTypeError::new_err(format!("attribute {name:?} is {}, {ATTRIBUTE_TYPES}", shown(&attr))))?;
        attrs.insert(name, attr);
    }
    let message = member("message")?;
    Ok(Description {
        dims: member("dims")?.extract()?,
        axes,
        attrs,
        key: member("key")?.extract()?,
        stream_dim: member("stream_dim")?.extract()?,
        message: if message.is_none() { None } else { Some(value_from_python(&message, 0)?) },
    })
}

const ATTRIBUTE_TYPES: &str = "expected a bool, an integer of 64 bits, a float, a string, a list of integers, floats or \
                               strings, or a time";

fn shown(value: &Bound<'_, PyAny>) -> String {
    value.repr().map_or_else(|_| "something".to_owned(), |repr| repr.to_string())
}

fn axis_from_python(axis: &Bound<'_, PyAny>) -> PyResult<Axis> {
    let kind: String = axis.get_item(0)?.extract()?;
    if kind == LINEAR {
        let (_, unit, gain, offset): (String, String, f64, Option<f64>) = axis.extract()?;
        return Ok(Axis::Linear { unit, gain, offset });
    }
    let unit = axis.get_item(1)?.extract()?;
    let data = axis.get_item(2)?;
    let data = if data.is_none() {
        None
    } else {
        Some(data.try_iter()?.map(|value| value_from_python(&value?, 0)).collect::<PyResult<_>>()?)
    };
    Ok(Axis::Coord { unit, data })
}

fn attr_from_python(attr: &Bound<'_, PyAny>) -> PyResult<Attr> {
    // A bool is an int, too.
    if attr.is_instance_of::<PyBool>() {
        return attr.extract().map(Attr::Bool);
    }
    if attr.is_instance_of::<PyInt>() {
        return attr.extract().map(Attr::Integer);
    }
    if attr.is_instance_of::<PyFloat>() {
        return attr.extract().map(Attr::Float);
    }
    if attr.is_instance_of::<PyString>() {
        return attr.extract().map(Attr::String);
    }
    if let Ok(tagged) = attr.cast::<PyDict>() {
        let ns = tagged.get_item("$timestamp_ns")?.ok_or_else(|| PyTypeError::new_err("no timestamp"))?;
        return ns.extract().map(Attr::Timestamp);
    }
    let list = attr.cast::<PyList>()?;
    let all = |test: fn(&Bound<'_, PyAny>) -> bool| list.iter().all(|value| test(&value));
    if list.is_empty() {
        return Ok(Attr::ListFloat(Vec::new()));
    }
    if all(|value| value.is_instance_of::<PyBool>()) {
        return Err(PyTypeError::new_err("a list of bools"));
    }
    if all(|value| value.is_instance_of::<PyInt>()) {
        return list.extract().map(Attr::ListInt);
    }
    if all(|value| value.is_instance_of::<PyString>()) {
        return list.extract().map(Attr::ListString);
    }
    list.extract().map(Attr::ListFloat)
}

fn value_from_python(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth > MAX_DEPTH {
        return Err(PyValueError::new_err("a value that is nested too deeply"));
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    if value.is_instance_of::<PyBool>() {
        return value.extract().map(Value::Bool);
    }
    if value.is_instance_of::<PyInt>() {
        return match value.extract::<i64>() {
            Ok(integer) => Ok(integer.into()),
            Err(_) => Ok(value.extract::<u64>()?.into()),
        };
    }
    if value.is_instance_of::<PyFloat>() {
        let float: f64 = value.extract()?;
        let special = || {
            let name = if float.is_nan() {
                "nan"
            } else if float > 0.0 {
                "inf"
            } else {
                "-inf"
            };
            Value::Object(Map::from_iter([(FLOAT.to_owned(), name.into())]))
        };
        return Ok(Number::from_f64(float).map_or_else(special, Value::Number));
    }
    if value.is_instance_of::<PyString>() {
        return value.extract().map(Value::String);
    }
    if let Ok(members) = value.cast::<PyDict>() {
        let member = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            Ok((name.extract()?, value_from_python(&value, depth + 1)?))
        };
        return members.iter().map(member).collect::<PyResult<Map<_, _>>>().map(Value::Object);
    }
    let list = value.cast::<PyList>().map_err(|_| {
        PyTypeError::new_err(format!("{} in a description, expected what JSON has words for", shown(value)))
    })?;
    list.iter().map(|value| value_from_python(&value, depth + 1)).collect::<PyResult<_>>().map(Value::Array)
}
