//! Documents of settings: the text of a message on the input `settings`, and the keys and values in it.

use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, UInt8Type};
use serde_yaml::{Mapping, Value};

use super::error::{Result, SettingsError};
use super::near_miss::{guessed, nearest};

/// The YAML document that a message holds: one string, or the bytes of one.
///
/// # Errors
/// A message for the log, if it is neither.
pub fn document(array: &ArrayRef) -> std::result::Result<String, String> {
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

/// The keys and values of a YAML document.
///
/// # Errors
/// If it is not a mapping.
pub(super) fn mapping(document: &str) -> Result<Mapping> {
    let not_a_document = |found: &str| SettingsError::NotADocument { found: found.to_owned() };
    match serde_yaml::from_str(document) {
        Ok(Value::Mapping(mapping)) => Ok(mapping),
        Ok(Value::Null) => Err(not_a_document("nothing")),
        Ok(_) => Err(not_a_document(&format!("{:?}", shortened(document)))),
        Err(error) => Err(not_a_document(&format!("{:?} ({error})", shortened(document)))),
    }
}

/// A key of a document as text, also if it is not a text.
pub(super) fn key_text(key: &Value) -> String {
    match key.as_str() {
        Some(key) => key.to_owned(),
        None => serde_yaml::to_string(key).unwrap_or_default().trim().to_owned(),
    }
}

/// The error for a key of a document that is none of `keys`.
pub(super) fn unknown(written: &str, keys: &[&'static str]) -> SettingsError {
    let meant = guessed(written, keys);
    if !meant.is_empty() {
        let keys = meant.iter().map(|key| key.to_ascii_lowercase()).collect();
        return SettingsError::Guessed { found: shortened(written), keys };
    }
    let known: Vec<String> = keys.iter().map(|key| key.to_ascii_lowercase()).collect();
    let candidates: Vec<&str> = known.iter().map(String::as_str).collect();
    let nearest = nearest(written, &candidates).map(str::to_owned);
    SettingsError::Unknown { found: shortened(written), nearest, known: known.join(", ") }
}

/// The beginning of a text, enough to recognise it.
fn shortened(text: &str) -> String {
    let mut shortened: String = text.chars().take(60).collect();
    if shortened.len() < text.len() {
        shortened.push('…');
    }
    shortened
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
