//! dora node: sends its arguments, each a YAML document of settings, on its output `settings`, one per `tick`, and
//! ends. It sends nothing at the first tick, which dora sends at the start.

use dora_node_api::{DoraNode, Event};
use eyre::WrapErr;

fn main() -> eyre::Result<()> {
    let mut documents = std::env::args().skip(1);
    let (mut node, mut events) = DoraNode::init_from_env()?;
    let mut started = false;
    while let Some(event) = events.recv() {
        let Event::Input { .. } = event else { continue };
        if !std::mem::replace(&mut started, true) {
            continue;
        }
        let Some(document) = documents.next() else { break };
        println!("settings-sender: {document}");
        node.send_output("settings".to_owned().into(), Default::default(), document)
            .wrap_err("cannot send settings")?;
    }
    Ok(())
}
