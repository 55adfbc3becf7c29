//! dora node for the torture campaign `graph`: checks every frame that the mirror sends, and that the mirror's marks
//! account for all missing frames.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::datatypes::UInt64Type;
use dora_node_api::{DoraArray, DoraNode, Event, MetadataParameters, Parameter};
use dora_shm_torture::events::{Mark, NodeEvent, SOCKET};
use dora_shm_torture::sequence::{Frame, Sequence, number};
use eyre::{OptionExt as _, WrapErr as _};

/// Longest time between two reports while messages arrive.
const REPORT_EVERY: Duration = Duration::from_millis(50);

fn main() -> eyre::Result<()> {
    let socket = std::env::var_os(SOCKET).ok_or_eyre("DORA_SHM_TORTURE_SOCKET is not set")?;
    let mut socket = UnixStream::connect(socket).wrap_err("cannot connect to the campaign's socket")?;
    let (_node, mut events) = DoraNode::init_from_env()?;
    NodeEvent::Check.send(&mut socket);
    let mut check = Check::default();
    let mut reported = Instant::now();
    loop {
        // Reports everything before it waits without a timeout.
        let event = match check.is_reported() {
            true => events.recv(),
            false => match events.recv_timeout(REPORT_EVERY.saturating_sub(reported.elapsed())) {
                Some(Event::Error(error)) if error.contains("Timeout") => {
                    check.report(&mut socket);
                    reported = Instant::now();
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
            // The daemon has ended, and everything that it had queued has arrived.
            Some(Event::Error(error)) if error.starts_with("fatal") => break,
            Some(_) => {}
            None => break,
        }
    }
    check.report(&mut socket);
    Ok(())
}

/// The position and the number of frames of a message, from its parameters.
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
    /// Not reported yet: the frames that arrived, and those that were marked as lost.
    received: (u64, u64),
    /// Reports about the newest message that are not sent yet.
    remarks: Vec<NodeEvent>,
}

impl Check {
    fn is_reported(&self) -> bool {
        self.received.0 == 0
    }

    fn report(&mut self, socket: &mut UnixStream) {
        let (frames, lost) = std::mem::take(&mut self.received);
        NodeEvent::Received { frames, lost }.send(socket);
        if let Some(Frame { message, .. }) = self.sequence.last() {
            NodeEvent::Newest(message).send(socket);
        }
    }

    fn message(&mut self, parameters: &MetadataParameters, data: &DoraArray) -> Result<(), String> {
        let words = data.as_array().as_primitive_opt::<UInt64Type>().ok_or("the message is not an array of uint64")?;
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
        let failed = |defect: String| format!("the mirror's message {stand:?}: {defect}");
        for (index, frame) in bytes.chunks_exact(bytes.len() / frames as usize).enumerate() {
            let found = self.sequence.check(frame, offset + index as f64, false).map_err(failed)?;
            if (found.index, found.frames) != (index as u64, frames as u64) {
                return Err(failed(format!(
                    "its frame {index} is {found:?}, number {}",
                    number(found.message, found.index)
                )));
            }
        }
        if let Some(last) = self.last {
            let goes_on =
                stand.generation == last.generation && stand.position == last.position + last.frames + stand.lost;
            // If the message belongs to another ring, all frames before it must be marked as lost. The ring of the next
            // stream may have the same generation.
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
