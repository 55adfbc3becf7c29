//! dora node: checks that its input `data` is the synthetic signal, sample by sample, and fails if it is not.
//!
//! The signal may begin in the middle, as from a mirror, but from the first message on no frame may be missing.

use arrow::array::{Array as _, Float32Array};
use dora_node_api::{DoraNode, Event, MetadataParameters, Parameter};
use dora_shm_dataflows::judge::Judge;
use dora_shm_dataflows::signal::{CHANNELS, axes_json};
use eyre::{OptionExt as _, bail, ensure};

fn main() -> eyre::Result<()> {
    let (_node, mut events) = DoraNode::init_from_env()?;
    let mut judge = Judge::default();
    let mut messages = 0_u64;
    // Inputs may arrive after Stop, until the event stream ends.
    while let Some(event) = events.recv() {
        match event {
            Event::Input { metadata, data, .. } => {
                let samples = data.as_array().as_any().downcast_ref::<Float32Array>();
                let samples = samples.ok_or_eyre("expected an array of Float32, as the source sends it")?;
                check_parameters(&metadata.parameters, samples.len())?;
                samples.values().chunks(CHANNELS).for_each(|frame| {
                    judge.check(frame);
                });
                messages += 1;
            }
            Event::Error(error) => bail!("{error}"),
            _ => {}
        }
    }
    println!(
        "signal-check: {messages} messages, {} frames, {} missing, {} wrong",
        judge.frames, judge.missing, judge.wrong
    );
    ensure!(judge.is_content(), "frames of the signal are missing or wrong");
    Ok(())
}

/// Checks that the parameters are those that the source sends.
fn check_parameters(parameters: &MetadataParameters, samples: usize) -> eyre::Result<()> {
    let expected = [
        ("shape", Parameter::ListInt(vec![(samples / CHANNELS) as i64, CHANNELS as i64])),
        ("dims", Parameter::ListString(vec!["time".to_owned(), "ch".to_owned()])),
        ("sample_rate", Parameter::Float(1000.0)),
        ("key", Parameter::String("synthetic signal".to_owned())),
        ("unit", Parameter::String("uV".to_owned())),
    ];
    for (key, value) in expected {
        let found = parameters.get(key);
        ensure!(found == Some(&value), "parameter {key}: expected {value:?}, found {found:?}");
    }
    let Some(Parameter::String(axes)) = parameters.get("axes") else {
        bail!("parameter axes: expected a string, found {:?}", parameters.get("axes"));
    };
    let parse = |text: &str| dora_node_api::serde_json::from_str::<dora_node_api::serde_json::Value>(text);
    let (found, expected) = (parse(axes)?, parse(&axes_json())?);
    ensure!(found["ch"] == expected["ch"], "axis ch: expected {}, found {}", expected["ch"], found["ch"]);
    Ok(())
}
