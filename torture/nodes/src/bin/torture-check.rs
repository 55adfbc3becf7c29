//! dora node for the torture campaign `graph`: checks every frame that the mirror sends, and that the mirror's marks
//! account for all that is missing.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::datatypes::UInt64Type;
use dora_node_api::{DoraArray, DoraNode, Event, MetadataParameters, Parameter};
use dora_shm_torture::events::{Mark, NodeEvent, SOCKET};
use dora_shm_torture::sequence::{Frame, Sequence, number};
use eyre::{OptionExt as _, WrapErr as _};

/// Longest time between two news while messages come.
const TELL_EVERY: Duration = Duration::from_millis(50);

fn main() -> eyre::Result<()> {
    let socket = std::env::var_os(SOCKET).ok_or_eyre("the campaign's socket is not named")?;
    let mut socket = UnixStream::connect(socket).wrap_err("the campaign does not listen")?;
    let (_node, mut events) = DoraNode::init_from_env()?;
    NodeEvent::Check.send(&mut socket);
    let mut check = Check::default();
    let mut told = Instant::now();
    loop {
        // What it has, it tells before it waits.
        let event = match check.is_told() {
            true => events.recv(),
            false => match events.recv_timeout(TELL_EVERY.saturating_sub(told.elapsed())) {
                Some(Event::Error(error)) if error.contains("Timeout") => {
                    check.tell(&mut socket);
                    told = Instant::now();
                    continue;
                }
                event => event,
            },
        };
        match event {
            Some(Event::Input { metadata, data, .. }) => {
                if let Err(defect) = check.message(&metadata.parameters, &data) {
                    NodeEvent::Defect(defect).send(&mut socket);
                    break;
                }
                check.remarks.drain(..).for_each(|remark| remark.send(&mut socket));
            }
            // The daemon is gone, and all that it had queued has come.
            Some(Event::Error(error)) if error.starts_with("fatal") => break,
            Some(_) => {}
            None => break,
        }
    }
    check.tell(&mut socket);
    Ok(())
}

/// Where a message stands by its parameters, and how many frames it has.
#[derive(Clone, Copy, Debug)]
struct Stand {
    generation: i64,
    position: i64,
    frames: i64,
    lost: i64,
}

#[derive(Default)]
struct Check {
    sequence: Sequence,
    last: Option<Stand>,
    /// Not yet told: frames that came, and that were marked as lost.
    received: (u64, u64),
    /// What is to be told of the newest message.
    remarks: Vec<NodeEvent>,
}

impl Check {
    fn is_told(&self) -> bool {
        self.received.0 == 0
    }

    fn tell(&mut self, socket: &mut UnixStream) {
        let (frames, lost) = std::mem::take(&mut self.received);
        NodeEvent::Received { frames, lost }.send(socket);
        if let Some(Frame { message, .. }) = self.sequence.last() {
            NodeEvent::Stands(message).send(socket);
        }
    }

    fn message(&mut self, parameters: &MetadataParameters, data: &DoraArray) -> Result<(), String> {
        let words = data.as_array().as_primitive_opt::<UInt64Type>().ok_or("numbers came as something else")?;
        let frames = match parameters.get("shape") {
            Some(Parameter::ListInt(shape)) if shape.len() == 2 => shape[0],
            other => return Err(format!("parameter shape: {other:?}")),
        };
        let integer = |key: &str| match parameters.get(key) {
            Some(Parameter::Integer(number)) => Ok(*number),
            other => Err(format!("parameter {key}: {other:?}")),
        };
        let lost = if parameters.contains_key("lost") { integer("lost")? } else { 0 };
        let stand = Stand { generation: integer("generation")?, position: integer("position")?, frames, lost };
        let bytes = words.values().inner().as_slice();
        if frames <= 0 || !bytes.len().is_multiple_of(frames as usize) {
            return Err(format!("{} bytes for {frames} frames", bytes.len()));
        }
        let offset = match parameters.get("axis_offset") {
            Some(Parameter::Float(offset)) => *offset,
            other => return Err(format!("parameter axis_offset: {other:?}")),
        };
        let before = self.sequence.last();
        let told = |defect: String| format!("the mirror's message {stand:?}: {defect}");
        for (index, frame) in bytes.chunks_exact(bytes.len() / frames as usize).enumerate() {
            let found = self.sequence.check(frame, offset + index as f64, false).map_err(told)?;
            if (found.index, found.frames) != (index as u64, frames as u64) {
                return Err(told(format!(
                    "its frame {index} is {found:?}, number {}",
                    number(found.message, found.index)
                )));
            }
        }
        if let Some(last) = self.last {
            let goes_on =
                stand.generation == last.generation && stand.position == last.position + last.frames + stand.lost;
            // Of another ring, all before it must be lost. The next stream's may have the same number.
            if !goes_on && stand.position > stand.lost {
                self.remarks.push(NodeEvent::Jump(format!("{stand:?} came after {last:?}")));
            }
            if let Some((before, found)) = before.zip(self.sequence.last())
                && (stand.generation != last.generation || stand.lost > 0)
            {
                let (from, to, lost) = (before.message, found.message, stand.lost as u64);
                self.remarks.push(NodeEvent::Mark(Mark { from, frames: before.frames, to, lost }));
            }
        }
        self.last = Some(stand);
        self.received.0 += frames as u64;
        self.received.1 += stand.lost as u64;
        Ok(())
    }
}
