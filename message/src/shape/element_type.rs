//! The element type of a message's samples.

use dora_node_api::MetadataParameters;
use dora_shm_ring::Dtype;

use crate::array::payload::{Node, Payload};
use crate::copy::cast::common;
use crate::params::read::{self, Hints};
use crate::refusal::Reason;
use crate::settings::MessageSettings;
use crate::shape::picture;

/// The element type of the samples, and how the columns become it.
pub(crate) struct ElementType {
    pub dtype: Dtype,
    /// Length of the array; for a plain vector, in samples.
    pub rows: u64,
    /// Shape of a row, in samples.
    pub row: Vec<u64>,
    /// Bytes are read as numbers of a type that the array does not have.
    pub is_bytes: bool,
    /// These bytes are copied into the ring unchanged.
    pub is_read_as_is: bool,
    /// The type in which a mirror sends the columns, if it is not their own.
    pub comes_back_as: Option<Dtype>,
}

impl ElementType {
    pub(crate) fn new(
        payload: &Payload,
        hints: &Hints,
        parameters: &MetadataParameters,
        settings: &MessageSettings,
    ) -> Result<Self, Reason> {
        let (mut rows, mut row) = (payload.rows, payload.root.shape());
        let only = payload.only().filter(|column| column.dtype == Dtype::U8);
        if let (Some(_), Some(encoding)) = (only, &hints.encoding)
            && picture::is_compressed(encoding)
        {
            return Err(Reason::Compressed { encoding: encoding.clone() });
        }
        let is_vector = matches!(payload.root, Node::Number { .. });
        let Some(column) = only.filter(|_| is_vector || !row.is_empty()) else {
            let own = payload.columns.iter().map(|column| column.dtype).reduce(common);
            let dtype = settings.dtype.or(own).unwrap_or(Dtype::U8);
            let comes_back_as = converted(payload, settings.dtype);
            return Ok(Self { dtype, rows, row, is_bytes: false, is_read_as_is: false, comes_back_as });
        };
        let given = match settings.dtype {
            Some(dtype) => Some(dtype),
            None => read::dtype(parameters)?,
        };
        let dtype = match given {
            Some(dtype) => dtype,
            None if !column.bytes => Dtype::U8,
            None => hints
                .encoding
                .as_deref()
                .and_then(picture::dtype_of)
                .ok_or_else(|| Reason::BytesNeedDtype { path: column.path.clone() })?,
        };
        let is_bytes = column.bytes || dtype != Dtype::U8;
        let length = row.last_mut().unwrap_or(&mut rows);
        let size = dtype.size() as u64;
        if *length % size != 0 {
            return Err(Reason::PartialNumber { bytes: *length, dtype });
        }
        *length /= size;
        let comes_back_as = is_bytes.then_some(dtype);
        // In the ring, a bool is the byte 0 or 1, so other bytes have to be converted.
        Ok(Self { dtype, rows, row, is_bytes, is_read_as_is: is_bytes && dtype != Dtype::Bool, comes_back_as })
    }
}

/// The type in which a mirror sends the columns, if it is not their own. `asked` is the setting `DTYPE`.
fn converted(payload: &Payload, asked: Option<Dtype>) -> Option<Dtype> {
    let asked = asked?;
    payload.columns.iter().any(|column| column.dtype != asked || column.bytes).then_some(asked)
}
