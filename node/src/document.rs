//! The text of a message on the input `settings`.

use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, UInt8Type};

/// The YAML document that a message holds: one string, or the bytes of one.
///
/// # Errors
/// A message for the log, if it is neither.
pub fn document(array: &ArrayRef) -> Result<String, String> {
    let one_row = array.len() == 1 && array.is_valid(0);
    let text = match array.data_type() {
        DataType::Utf8 if one_row => Some(array.as_string::<i32>().value(0).to_owned()),
        DataType::LargeUtf8 if one_row => Some(array.as_string::<i64>().value(0).to_owned()),
        DataType::UInt8 if array.null_count() == 0 => {
            String::from_utf8(array.as_primitive::<UInt8Type>().values().to_vec()).ok()
        }
        _ => None,
    };
    text.ok_or_else(|| {
        format!(
            "input settings: expected one string with a YAML document such as `buf_dur: 5`, found {} of {} rows",
            array.data_type(),
            array.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float32Array, LargeStringArray, StringArray, UInt8Array};

    use super::*;

    #[test]
    fn a_string_or_the_bytes_of_one_are_a_document() {
        let arrays: [(ArrayRef, Option<&str>); 7] = [
            (Arc::new(StringArray::from(vec!["buf_dur: 5"])), Some("buf_dur: 5")),
            (Arc::new(LargeStringArray::from(vec!["buf_dur: 5"])), Some("buf_dur: 5")),
            (Arc::new(UInt8Array::from(b"buf_dur: 5".to_vec())), Some("buf_dur: 5")),
            (Arc::new(UInt8Array::from(vec![0xff])), None),
            (Arc::new(StringArray::from(vec!["a", "b"])), None),
            (Arc::new(StringArray::from(vec![None::<&str>])), None),
            (Arc::new(Float32Array::from(vec![1.0])), None),
        ];
        for (array, expected) in arrays {
            assert_eq!(document(&array).ok().as_deref(), expected, "{array:?}");
        }
    }
}
