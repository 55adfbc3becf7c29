//! Null rows of lists, whose number of items may differ from that of the other rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, OffsetSizeTrait, StructArray, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// The array with all rows of each list of the same length: null rows get the items of another row, and stay null.
/// `None`: the rows have the same length already, or those that are not null differ.
///
/// # Errors
/// If Arrow rejects the array, for example because it has more items than its offsets can count.
pub(crate) fn normalise(array: &dyn Array) -> Result<Option<ArrayRef>, ArrowError> {
    match array.data_type() {
        DataType::List(_) => list(array.as_list::<i32>()),
        DataType::LargeList(_) => list(array.as_list::<i64>()),
        DataType::FixedSizeList(item, length) => {
            let lists = array.as_fixed_size_list();
            let Some(items) = normalise(lists.values())? else { return Ok(None) };
            let lists = FixedSizeListArray::try_new(item.clone(), *length, items, lists.nulls().cloned())?;
            Ok(Some(Arc::new(lists)))
        }
        DataType::Struct(fields) => {
            let structs = array.as_struct();
            let mut columns: Option<Vec<ArrayRef>> = None;
            for (index, column) in structs.columns().iter().enumerate() {
                if let Some(column) = normalise(column)? {
                    columns.get_or_insert_with(|| structs.columns().to_vec())[index] = column;
                }
            }
            let Some(columns) = columns else { return Ok(None) };
            let structs = StructArray::try_new(fields.clone(), columns, structs.nulls().cloned())?;
            Ok(Some(Arc::new(structs)))
        }
        _ => Ok(None),
    }
}

fn list<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Result<Option<ArrayRef>, ArrowError> {
    let (DataType::List(item) | DataType::LargeList(item)) = lists.data_type() else { return Ok(None) };
    let Some(length) = length_to_give(lists) else {
        let Some(items) = normalise(lists.values())? else { return Ok(None) };
        let lists = GenericListArray::try_new(item.clone(), lists.offsets().clone(), items, lists.nulls().cloned())?;
        return Ok(Some(Arc::new(lists)));
    };
    let offsets = lists.value_offsets();
    let first_valid = (0..lists.len()).find(|row| lists.is_valid(*row)).unwrap_or(0);
    let items = (0..lists.len()).flat_map(|row| {
        let source = if lists.is_valid(row) { row } else { first_valid };
        let start = offsets[source].as_usize() as u64;
        start..start + length as u64
    });
    let items = take(lists.values(), &UInt64Array::from_iter_values(items), None)?;
    let items = normalise(&items)?.unwrap_or(items);
    if O::from_usize(length * lists.len()).is_none() {
        return Err(ArrowError::OffsetOverflowError(length * lists.len()));
    }
    let offsets = OffsetBuffer::<O>::from_repeated_length(length, lists.len());
    Ok(Some(Arc::new(GenericListArray::try_new(item.clone(), offsets, items, lists.nulls().cloned())?)))
}

/// The length of all rows that are not null, if the length of a null row differs from it.
fn length_to_give<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Option<usize> {
    let nulls = lists.nulls().filter(|nulls| nulls.null_count() > 0)?;
    let length = |row: usize| lists.value_length(row).as_usize();
    let common = nulls.valid_indices().next().map(length)?;
    let is_even = nulls.valid_indices().all(|row| length(row) == common);
    let has_other = (0..lists.len()).any(|row| length(row) != common);
    (is_even && has_other).then_some(common)
}
