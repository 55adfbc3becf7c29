//! Messages on disk, which the recording node writes and the tests compare.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::ArrayRef;
use dora_node_api::{DoraArray, MetadataParameters, arrow_utils, serde_json};
use eyre::WrapErr as _;

/// The receipt of message `index`: a file in `folder` that shows that the message has arrived whole. A source whose
/// variable `AFTER` names the folder waits for it before it sends the next message.
pub fn receipt(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("{index:06}.json"))
}

/// One message as it arrived.
#[derive(Clone, Debug)]
pub struct Message {
    /// The array, with its Arrow type.
    pub data: ArrayRef,
    /// Its parameters.
    pub parameters: MetadataParameters,
}

impl Message {
    /// Writes the message as number `index` of `folder`. The file with the parameters is written last and is the
    /// receipt.
    ///
    /// # Errors
    /// When a file cannot be written or the array cannot be encoded.
    pub fn write(data: &DoraArray, parameters: &MetadataParameters, folder: &Path, index: usize) -> eyre::Result<()> {
        let encoded = arrow_utils::encode_arrow_ipc(data)?;
        fs::write(folder.join(format!("{index:06}.arrow")), encoded).wrap_err("cannot record a message")?;
        let path = receipt(folder, index);
        let unfinished = path.with_extension("part");
        fs::write(&unfinished, serde_json::to_vec(parameters)?).wrap_err("cannot record a message's parameters")?;
        fs::rename(unfinished, path).wrap_err("cannot record a message's parameters")
    }

    /// All messages recorded in `folder` so far, in the order of their numbers.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read_all(folder: &Path) -> eyre::Result<Vec<Message>> {
        let read = |index: usize| -> eyre::Result<Option<Message>> {
            let Ok(parameters) = fs::read(receipt(folder, index)) else { return Ok(None) };
            let encoded = fs::read(folder.join(format!("{index:06}.arrow")))?;
            let data = arrow_utils::decode_arrow_ipc(&encoded)?.into_inner();
            Ok(Some(Message { data, parameters: serde_json::from_slice(&parameters)? }))
        };
        (0..).map(read).map_while(Result::transpose).collect()
    }
}
