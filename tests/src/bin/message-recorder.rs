//! dora node for tests: writes every message of its input `data` to the folder `RECORD`.

use std::path::PathBuf;

use dora_node_api::{DoraNode, Event};
use dora_shm_tests::record::Message;
use eyre::{OptionExt as _, bail};

fn main() -> eyre::Result<()> {
    let folder = PathBuf::from(std::env::var_os("RECORD").ok_or_eyre("RECORD, the folder, is not set")?);
    std::fs::create_dir_all(&folder)?;
    let (_node, mut events) = DoraNode::init_from_env()?;
    let mut index = 0;
    while let Some(event) = events.recv() {
        match event {
            Event::Input { metadata, data, .. } => {
                Message::write(&data, &metadata.parameters, &folder, index)?;
                index += 1;
            }
            Event::Error(error) => bail!("{error}"),
            _ => {}
        }
    }
    println!("message-recorder: {index} messages");
    Ok(())
}
