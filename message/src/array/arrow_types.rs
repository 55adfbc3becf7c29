//! Element types as Arrow names them, and as the ring does.

use arrow::datatypes::DataType;
use dora_shm_ring::Dtype;

/// The element type of an Arrow type, if it is a fixed-size number.
pub(crate) fn number(data_type: &DataType) -> Option<Dtype> {
    Some(match data_type {
        DataType::Boolean => Dtype::Bool,
        DataType::Int8 => Dtype::I8,
        DataType::UInt8 => Dtype::U8,
        DataType::Int16 => Dtype::I16,
        DataType::UInt16 => Dtype::U16,
        DataType::Int32 => Dtype::I32,
        DataType::UInt32 => Dtype::U32,
        DataType::Int64 => Dtype::I64,
        DataType::UInt64 => Dtype::U64,
        DataType::Float16 => Dtype::F16,
        DataType::Float32 => Dtype::F32,
        DataType::Float64 => Dtype::F64,
        _ => return None,
    })
}

/// The Arrow type of an element type.
pub(crate) fn arrow_type(dtype: Dtype) -> DataType {
    match dtype {
        Dtype::Bool => DataType::Boolean,
        Dtype::I8 => DataType::Int8,
        Dtype::U8 => DataType::UInt8,
        Dtype::I16 => DataType::Int16,
        Dtype::U16 => DataType::UInt16,
        Dtype::I32 => DataType::Int32,
        Dtype::U32 => DataType::UInt32,
        Dtype::I64 => DataType::Int64,
        Dtype::U64 => DataType::UInt64,
        Dtype::F16 => DataType::Float16,
        Dtype::F32 => DataType::Float32,
        Dtype::F64 => DataType::Float64,
    }
}
