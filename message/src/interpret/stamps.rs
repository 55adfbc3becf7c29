//! What the setting `TIME` names: a parameter, or a field of the array.

use std::ops::Range;

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use dora_node_api::{MetadataParameters, Parameter};

use crate::array::payload::offset_range;
use crate::array::select::{join, rest_of};
use crate::params::keys::TIMESTAMP;
use crate::refusal::Reason;
use crate::settings::TimestampUnit;

const NS_PER_SECOND: i64 = 1_000_000_000;

/// Units of a second, by the kind of a number, if the number does not state its unit.
#[derive(Clone, Copy)]
struct Units {
    integers: i64,
    floats: i64,
}

impl Units {
    fn new(setting: Option<TimestampUnit>) -> Self {
        match setting {
            Some(unit) => Self { integers: unit.per_second(), floats: unit.per_second() },
            None => Self { integers: NS_PER_SECOND, floats: 1 },
        }
    }

    fn integer(self, value: impl Into<i128>) -> f64 {
        seconds(value.into(), self.integers)
    }

    fn float(self, value: f64) -> f64 {
        value / self.floats as f64
    }

    /// A number that came as text, as numpy's integers do.
    fn text(self, text: &str) -> Option<f64> {
        let text = text.trim();
        let integer = text.parse::<i64>().ok().map(|value| self.integer(value));
        integer.or_else(|| text.parse().ok().map(|value| self.float(value)))
    }
}

/// `count` units, `per_second` of which are a second, as seconds. The digits below the second are kept apart from those
/// above until the sum, so no digit is lost before it.
fn seconds(count: i128, per_second: i64) -> f64 {
    let per_second = i128::from(per_second);
    (count / per_second) as f64 + (count % per_second) as f64 / per_second as f64
}

/// Reads what `name` names into `values`, in seconds. A parameter of this name wins over a field. Returns false if the
/// message has neither, or if it is null, empty, or not finite. Allocates nothing once `values` has room.
///
/// # Errors
/// [`Reason::NotATime`] if it is something other than times.
pub(crate) fn read(
    name: &str,
    unit: Option<TimestampUnit>,
    array: &dyn Array,
    parameters: &MetadataParameters,
    values: &mut Vec<f64>,
) -> Result<bool, Reason> {
    values.clear();
    let units = Units::new(unit);
    let not_a_time = |found| Reason::NotATime { name: name.to_owned(), found };
    let is_there = match parameters.get(name) {
        Some(value) => {
            read_parameter(value, units, values).ok_or_else(|| not_a_time(shortened(&format!("{value:?}"))))?;
            true
        }
        None => match (Fields { units, values }).walk(array, 0..array.len(), name) {
            Step::Times => true,
            Step::Null | Step::Nowhere => false,
            Step::Other(found) => {
                return Err(not_a_time(format!("a column of type {}", shortened(&found.to_string()))));
            }
        },
    };
    Ok(is_there && !values.is_empty() && values.iter().all(|value| value.is_finite()))
}

/// The beginning of a text, enough to recognise it.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// `None`: it does not hold times.
fn read_parameter(value: &Parameter, units: Units, values: &mut Vec<f64>) -> Option<()> {
    match value {
        Parameter::Integer(value) => values.push(units.integer(*value)),
        Parameter::Float(value) => values.push(units.float(*value)),
        Parameter::String(text) => values.push(units.text(text)?),
        Parameter::Timestamp(time) => {
            let ns = i128::from(time.timestamp()) * i128::from(NS_PER_SECOND);
            values.push(seconds(ns + i128::from(time.timestamp_subsec_nanos()), NS_PER_SECOND));
        }
        Parameter::ListInt(list) => values.extend(list.iter().map(|value| units.integer(*value))),
        Parameter::ListFloat(list) => values.extend(list.iter().map(|value| units.float(*value))),
        Parameter::ListString(list) => {
            for text in list {
                values.push(units.text(text)?);
            }
        }
        Parameter::Bool(_) => return None,
    }
    Some(())
}

/// Where a path leads.
enum Step<'a> {
    /// To times, which have been read.
    Times,
    /// To nothing of this name.
    Nowhere,
    /// To a value that is null.
    Null,
    /// To something other than times.
    Other(&'a DataType),
}

/// Reads times from the columns of an array.
struct Fields<'v> {
    units: Units,
    values: &'v mut Vec<f64>,
}

impl Fields<'_> {
    /// Reads what is at `path` in `rows` of `array`. Lists add no level: their items are read one after the other.
    fn walk<'a>(&mut self, array: &'a dyn Array, rows: Range<usize>, path: &str) -> Step<'a> {
        if has_null(array, &rows) {
            return Step::Null;
        }
        match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                self.walk(list.values(), offset_range(list.value_offsets(), &rows), path)
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                self.walk(list.values(), offset_range(list.value_offsets(), &rows), path)
            }
            DataType::FixedSizeList(_, length) => {
                let length = usize::try_from(*length).unwrap_or(0);
                self.walk(array.as_fixed_size_list().values(), rows.start * length..rows.end * length, path)
            }
            DataType::Struct(fields) if !path.is_empty() => {
                // A name may contain dots: every column whose name begins the path is tried.
                let columns = fields.iter().zip(array.as_struct().columns());
                let leading = columns.filter_map(|(field, column)| Some((rest_of(path, field)?, column)));
                for (rest, column) in leading {
                    match self.walk(column, rows.clone(), rest) {
                        Step::Nowhere => {}
                        found => return found,
                    }
                }
                Step::Nowhere
            }
            _ if !path.is_empty() => Step::Nowhere,
            DataType::Struct(_) => self.seconds_and_nanoseconds(array.as_struct(), rows),
            data_type => self.numbers(array, data_type, rows),
        }
    }

    /// Structs of `sec` and `nanosec` or `nsec`, as ROS has them.
    fn seconds_and_nanoseconds<'a>(&mut self, stamps: &'a StructArray, rows: Range<usize>) -> Step<'a> {
        let Some((whole, rest)) = parts(stamps) else { return Step::Other(stamps.data_type()) };
        if has_null(whole, &rows) || has_null(rest, &rows) {
            return Step::Null;
        }
        for row in rows {
            let (Some(whole), Some(rest)) = (integer_at(whole, row), integer_at(rest, row)) else {
                return Step::Other(stamps.data_type());
            };
            self.values.push(seconds(whole * i128::from(NS_PER_SECOND) + rest, NS_PER_SECOND));
        }
        Step::Times
    }

    fn numbers<'a>(&mut self, array: &'a dyn Array, data_type: &'a DataType, rows: Range<usize>) -> Step<'a> {
        let units = self.units;
        let integers = |value: i128| units.integer(value);
        let values = &mut *self.values;
        match data_type {
            DataType::Null => return Step::Null,
            DataType::Int8 => extend::<Int8Type>(values, array, rows, |value| integers(value.into())),
            DataType::Int16 => extend::<Int16Type>(values, array, rows, |value| integers(value.into())),
            DataType::Int32 => extend::<Int32Type>(values, array, rows, |value| integers(value.into())),
            DataType::Int64 => extend::<Int64Type>(values, array, rows, |value| integers(value.into())),
            DataType::UInt8 => extend::<UInt8Type>(values, array, rows, |value| integers(value.into())),
            DataType::UInt16 => extend::<UInt16Type>(values, array, rows, |value| integers(value.into())),
            DataType::UInt32 => extend::<UInt32Type>(values, array, rows, |value| integers(value.into())),
            DataType::UInt64 => extend::<UInt64Type>(values, array, rows, |value| integers(value.into())),
            DataType::Float16 => extend::<Float16Type>(values, array, rows, |value| units.float(value.into())),
            DataType::Float32 => extend::<Float32Type>(values, array, rows, |value| units.float(value.into())),
            DataType::Float64 => extend::<Float64Type>(values, array, rows, |value| units.float(value)),
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => {
                    extend::<TimestampSecondType>(values, array, rows, |value| seconds(value.into(), 1))
                }
                TimeUnit::Millisecond => {
                    extend::<TimestampMillisecondType>(values, array, rows, |value| seconds(value.into(), 1_000));
                }
                TimeUnit::Microsecond => {
                    extend::<TimestampMicrosecondType>(values, array, rows, |value| seconds(value.into(), 1_000_000));
                }
                TimeUnit::Nanosecond => {
                    extend::<TimestampNanosecondType>(values, array, rows, |value| {
                        seconds(value.into(), NS_PER_SECOND)
                    });
                }
            },
            other => return Step::Other(other),
        }
        Step::Times
    }
}

fn extend<T: ArrowPrimitiveType>(
    values: &mut Vec<f64>,
    array: &dyn Array,
    rows: Range<usize>,
    to_seconds: impl Fn(T::Native) -> f64,
) {
    values.extend(array.as_primitive::<T>().values()[rows].iter().map(|value| to_seconds(*value)));
}

fn has_null(array: &dyn Array, rows: &Range<usize>) -> bool {
    array.nulls().is_some_and(|nulls| nulls.null_count() > 0 && rows.clone().any(|row| nulls.is_null(row)))
}

/// The columns of seconds and of nanoseconds.
fn parts(stamps: &StructArray) -> Option<(&dyn Array, &dyn Array)> {
    let nanoseconds = stamps.column_by_name("nanosec").or_else(|| stamps.column_by_name("nsec"))?;
    Some((stamps.column_by_name("sec")?, nanoseconds))
}

/// `None`: the array does not hold integers.
fn integer_at(array: &dyn Array, row: usize) -> Option<i128> {
    fn at<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &dyn Array, row: usize) -> i128 {
        array.as_primitive::<T>().value(row).into()
    }
    Some(match array.data_type() {
        DataType::Int8 => at::<Int8Type>(array, row),
        DataType::Int16 => at::<Int16Type>(array, row),
        DataType::Int32 => at::<Int32Type>(array, row),
        DataType::Int64 => at::<Int64Type>(array, row),
        DataType::UInt8 => at::<UInt8Type>(array, row),
        DataType::UInt16 => at::<UInt16Type>(array, row),
        DataType::UInt32 => at::<UInt32Type>(array, row),
        DataType::UInt64 => at::<UInt64Type>(array, row),
        _ => return None,
    })
}

/// What `TIME` could name in such a message: the parameter `timestamp`, timestamps, and structs of `sec` and `nanosec`.
pub(crate) fn candidates(array: &dyn Array, parameters: &MetadataParameters) -> Vec<String> {
    let mut found = Vec::new();
    if parameters.contains_key(TIMESTAMP) {
        found.push(TIMESTAMP.to_owned());
    }
    collect(array.data_type(), "", 0, &mut found);
    found
}

fn collect(data_type: &DataType, path: &str, depth: usize, found: &mut Vec<String>) {
    const DEEPEST: usize = 16;
    match data_type {
        _ if depth > DEEPEST => {}
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            collect(item.data_type(), path, depth + 1, found);
        }
        DataType::Struct(fields) => {
            let has = |name: &str| fields.iter().any(|field| field.name() == name);
            if !path.is_empty() && has("sec") && (has("nanosec") || has("nsec")) {
                found.push(path.to_owned());
                return;
            }
            for field in fields {
                collect(field.data_type(), &join(path, field.name()), depth + 1, found);
            }
        }
        DataType::Timestamp(..) if !path.is_empty() => found.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, StringArray,
        TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array, UInt32Array, UInt64Array,
    };
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::Field;
    use proptest::prelude::*;

    use super::*;

    /// Nanoseconds since the Unix epoch that a double of nanoseconds does not hold.
    const NS: i64 = 1_700_000_000_123_456_789;

    fn record(columns: &[(&str, ArrayRef)]) -> ArrayRef {
        let columns = columns
            .iter()
            .map(|(name, array)| (Arc::new(Field::new(*name, array.data_type().clone(), true)), Arc::clone(array)));
        Arc::new(StructArray::from(columns.collect::<Vec<_>>()))
    }

    fn number(value: f64) -> ArrayRef {
        Arc::new(Float64Array::from(vec![value]))
    }

    fn in_array(name: &str, unit: Option<TimestampUnit>, array: &ArrayRef) -> Result<Option<Vec<f64>>, Reason> {
        let mut values = vec![7.0];
        let is_there = read(name, unit, array, &MetadataParameters::default(), &mut values)?;
        Ok(is_there.then_some(values))
    }

    fn in_parameter(unit: Option<TimestampUnit>, value: Parameter) -> Result<Option<Vec<f64>>, Reason> {
        let parameters = MetadataParameters::from([("t".to_owned(), value)]);
        let mut values = vec![7.0];
        let is_there = read("t", unit, &number(0.0), &parameters, &mut values)?;
        Ok(is_there.then_some(values))
    }

    #[test]
    fn a_parameter_is_nanoseconds_if_it_is_an_integer_and_seconds_if_it_is_a_float() {
        let text = |text: &str| Parameter::String(text.to_owned());
        let exact = 1_700_000_000.0 + 0.123_456_789;
        let time = chrono::DateTime::from_timestamp_nanos(NS);
        for (value, expected) in [
            (Parameter::Integer(NS), vec![exact]),
            (Parameter::Integer(-1), vec![-1e-9]),
            (Parameter::Float(2.5), vec![2.5]),
            (Parameter::Timestamp(time), vec![exact]),
            (text(" 1700000000123456789 "), vec![exact]),
            (text("2.5"), vec![2.5]),
            (text("1e3"), vec![1000.0]),
            (Parameter::ListInt(vec![NS, 500_000_000]), vec![exact, 0.5]),
            (Parameter::ListFloat(vec![0.25, 3.0]), vec![0.25, 3.0]),
            (Parameter::ListString(vec!["250000000".into(), "3.0".into()]), vec![0.25, 3.0]),
        ] {
            assert_eq!(in_parameter(None, value.clone()), Ok(Some(expected)), "{value:?}");
        }
    }

    #[test]
    fn the_unit_is_that_of_the_setting_unless_the_value_states_it() {
        use TimestampUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
        for (unit, count) in
            [(Seconds, 3), (Milliseconds, 3_000), (Microseconds, 3_000_000), (Nanoseconds, 3_000_000_000)]
        {
            let expected = Ok(Some(vec![3.0]));
            assert_eq!(in_parameter(Some(unit), Parameter::Integer(count)), expected, "{unit:?}");
            assert_eq!(in_parameter(Some(unit), Parameter::Float(count as f64)), expected, "{unit:?}");
            assert_eq!(in_parameter(Some(unit), Parameter::String(count.to_string())), expected, "{unit:?}");
            let column: ArrayRef = record(&[("t", Arc::new(Int64Array::from(vec![count])))]);
            assert_eq!(in_array("t", Some(unit), &column), expected, "{unit:?}");
            let stated: ArrayRef = record(&[("t", Arc::new(TimestampMillisecondArray::from(vec![3_000])))]);
            assert_eq!(in_array("t", Some(unit), &stated), expected, "{unit:?}");
            let time = chrono::DateTime::from_timestamp_nanos(3_000_000_000);
            assert_eq!(in_parameter(Some(unit), Parameter::Timestamp(time)), expected, "{unit:?}");
        }
    }

    #[test]
    fn a_field_is_found_by_its_path() {
        let stamp = record(&[
            ("sec", Arc::new(Int32Array::from(vec![1_700_000_000])) as ArrayRef),
            ("nanosec", Arc::new(UInt32Array::from(vec![123_456_789]))),
        ]);
        let short = record(&[
            ("sec", Arc::new(Int64Array::from(vec![-1])) as ArrayRef),
            ("nsec", Arc::new(Int64Array::from(vec![999_999_999]))),
        ]);
        let header = record(&[("stamp", stamp), ("frame_id", Arc::new(StringArray::from(vec!["map"])) as ArrayRef)]);
        let array = record(&[
            ("header", header),
            ("short", short),
            ("a.b", record(&[("c", number(2.5))])),
            ("time", Arc::new(TimestampNanosecondArray::from(vec![NS]).with_timezone("Europe/Berlin"))),
            ("ticks", Arc::new(UInt64Array::from(vec![u64::MAX]))),
            ("float", Arc::new(Float32Array::from(vec![0.5]))),
            ("small", Arc::new(UInt8Array::from(vec![200]))),
        ]);
        let exact = 1_700_000_000.0 + 0.123_456_789;
        for (path, expected) in [
            ("header.stamp", Some(exact)),
            ("short", Some(-1e-9)),
            ("a.b.c", Some(2.5)),
            ("time", Some(exact)),
            ("ticks", Some(18_446_744_073.709_553)),
            ("float", Some(0.5)),
            ("small", Some(200e-9)),
            ("header.sec", None),
            ("float.x", None),
            ("timestamp", None),
        ] {
            assert_eq!(in_array(path, None, &array), Ok(expected.map(|time| vec![time])), "{path}");
        }
    }

    #[test]
    fn rows_and_items_of_lists_have_one_time_each() {
        let rows: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1_000, 1_500, 2_250]));
        assert_eq!(in_array("t", None, &record(&[("t", rows.clone())])), Ok(Some(vec![1.0, 1.5, 2.25])));
        let sliced = record(&[("t", rows.clone())]).slice(1, 2);
        assert_eq!(in_array("t", None, &sliced), Ok(Some(vec![1.5, 2.25])));
        let points = record(&[("t", rows)]);
        let item = Arc::new(Field::new_list_field(points.data_type().clone(), true));
        let cloud = ListArray::new(item, OffsetBuffer::new(vec![0, 1, 3].into()), points, None);
        let message = record(&[("points", Arc::new(cloud.slice(1, 1)))]);
        assert_eq!(in_array("points.t", None, &message), Ok(Some(vec![1.5, 2.25])));
    }

    #[test]
    fn a_null_and_a_number_that_is_not_finite_are_as_good_as_absent() {
        let holed: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let array = record(&[("t", holed)]);
        assert_eq!(in_array("t", None, &array), Ok(None));
        assert_eq!(in_array("t", None, &array.slice(0, 1)), Ok(Some(vec![1e-9])));
        assert_eq!(in_array("t", None, &record(&[("t", number(f64::NAN))])), Ok(None));
        for value in [Parameter::Float(f64::INFINITY), Parameter::ListInt(vec![]), Parameter::String("nan".into())] {
            assert_eq!(in_parameter(None, value.clone()), Ok(None), "{value:?}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused_with_what_was_found() {
        for value in [Parameter::Bool(true), Parameter::String("noon".into()), Parameter::ListString(vec!["x".into()])]
        {
            let error = in_parameter(None, value.clone()).unwrap_err().to_string();
            assert!(error.contains("TIME is `t`"), "{value:?}: {error}");
        }
        let text: ArrayRef = record(&[("t", Arc::new(StringArray::from(vec!["noon"])))]);
        let error = in_array("t", None, &text).unwrap_err().to_string();
        assert!(error.contains("TIME is `t`") && error.contains("Utf8"), "{error}");
        let bits: ArrayRef = record(&[("t", Arc::new(BooleanArray::from(vec![true])))]);
        assert!(in_array("t", None, &bits).unwrap_err().to_string().contains("Boolean"));
        let pair: ArrayRef = record(&[("t", record(&[("sec", number(1.0)), ("nanosec", number(1.0))]))]);
        assert!(in_array("t", None, &pair).is_err());
        assert!(in_array("t", None, &record(&[("t", record(&[("x", number(1.0))]))])).is_err());
    }

    #[test]
    fn the_fields_that_could_be_times_are_named() {
        let stamp = record(&[("sec", number(1.0)), ("nanosec", number(1.0))]);
        let time: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![NS]));
        let array = record(&[("header", record(&[("stamp", stamp)])), ("x", number(1.0)), ("taken", time)]);
        let parameters = MetadataParameters::from([("timestamp".to_owned(), Parameter::Integer(1))]);
        assert_eq!(candidates(&array, &parameters), ["timestamp", "header.stamp", "taken"]);
        assert!(candidates(&number(1.0), &MetadataParameters::default()).is_empty());
    }

    proptest! {
        /// The same moment is the same time, whatever states it.
        #[test]
        fn a_moment_has_one_time_in_every_type_and_unit(ms in -5_000_000_000_000_i64..5_000_000_000_000, rows in 1_usize..5) {
            let moments: Vec<i64> = (0..rows as i64).map(|row| ms + row * 7).collect();
            let expected: Vec<f64> = moments.iter().map(|ms| seconds((*ms).into(), 1_000)).collect();
            let ns = || moments.iter().map(|ms| ms * 1_000_000);
            let of = |column: ArrayRef, unit| in_array("t", unit, &record(&[("t", column)])).unwrap().unwrap();
            prop_assert_eq!(&of(Arc::new(TimestampMillisecondArray::from(moments.clone())), None), &expected);
            prop_assert_eq!(&of(Arc::new(TimestampNanosecondArray::from_iter_values(ns())), None), &expected);
            prop_assert_eq!(&of(Arc::new(Int64Array::from_iter_values(ns())), None), &expected);
            let milliseconds = Some(TimestampUnit::Milliseconds);
            prop_assert_eq!(&of(Arc::new(Int64Array::from(moments.clone())), milliseconds), &expected);
            let floats = Float64Array::from_iter_values(moments.iter().map(|ms| *ms as f64));
            for (found, expected) in of(Arc::new(floats), milliseconds).iter().zip(&expected) {
                prop_assert!((found - expected).abs() <= expected.abs() * f64::EPSILON, "{} {}", found, expected);
            }
            let pairs = record(&[
                ("sec", Arc::new(Int64Array::from_iter_values(ns().map(|ns| ns.div_euclid(NS_PER_SECOND)))) as ArrayRef),
                ("nanosec", Arc::new(UInt32Array::from_iter_values(ns().map(|ns| ns.rem_euclid(NS_PER_SECOND) as u32)))),
            ]);
            prop_assert_eq!(&of(pairs, milliseconds), &expected);
            prop_assert_eq!(in_parameter(None, Parameter::ListInt(ns().collect())).unwrap().unwrap(), expected);
        }

        /// No moment of nanoseconds is off by more than the double nearest to it, and none overtakes another.
        #[test]
        fn nanoseconds_lose_nothing_before_the_double(ns in any::<i64>(), later in 0_i64..1000) {
            let time = seconds(ns.into(), NS_PER_SECOND);
            let whole = time.trunc();
            let back = i128::from(whole as i64) * i128::from(NS_PER_SECOND) + ((time - whole) * 1e9).round() as i128;
            let step = (time.abs().next_up() - time.abs()) * 1e9;
            prop_assert!((back - i128::from(ns)).abs() as f64 <= step / 2.0 + 1.0, "{} {}", back, ns);
            prop_assert!(seconds(i128::from(ns) + i128::from(later), NS_PER_SECOND) >= time);
        }
    }
}
