//! One message, ready to be copied.

use std::ops::Range;
use std::sync::Arc;

use crate::copy::columns::Columns;
use crate::describe::plan::Plan;
use crate::interpret::form::Form;
use crate::interpret::placement::{Placement, TimeNote};

/// One message as frames, ready to be copied into a ring.
///
/// It borrows the message's memory, which belongs to the sender: copy it soon, and drop it.
#[derive(Debug)]
pub struct Interpreted<'a> {
    pub(crate) frames: u64,
    pub(crate) form: Option<&'a Form>,
    pub(crate) columns: &'a mut Columns,
    pub(crate) placement: Placement<'a>,
    pub(crate) time_note: Option<TimeNote<'a>>,
    pub(crate) send_ns: i64,
    pub(crate) sequence: Option<i64>,
}

impl Interpreted<'_> {
    /// Number of frames. 0: the message is empty, or of Arrow's Null type, and does not describe the frames to come.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// What the frames are. It is the same [`Arc`] as before if nothing has changed. An empty message has the plan of
    /// the message before it. `None`: there has been no other message.
    pub fn plan(&self) -> Option<&Arc<Plan>> {
        self.form.map(|form| &form.plan)
    }

    /// Where the frames are on the buffered axis. If the message has no frames, it is [`Placement::Given`], without
    /// values.
    pub fn placement(&self) -> Placement<'_> {
        self.placement
    }

    /// Something about the times that the user may want to know.
    pub fn time_note(&self) -> Option<TimeNote<'_>> {
        self.time_note
    }

    /// When the message was sent, in nanoseconds since the Unix epoch.
    pub fn send_ns(&self) -> i64 {
        self.send_ns
    }

    /// The source's number for the message, which reveals gaps.
    pub fn sequence(&self) -> Option<i64> {
        self.sequence
    }

    /// Bytes of all frames.
    pub fn bytes(&self) -> u64 {
        self.plan().map_or(0, |plan| plan.frame_bytes()) * self.frames
    }

    /// Writes the samples of the frames `frames` of this message to `memory`, in C order.
    ///
    /// # Panics
    /// If `frames` is not within this message, or `memory` does not have exactly the length of these frames.
    pub fn fill(&self, frames: Range<u64>, memory: &mut [u8]) {
        assert!(frames.end <= self.frames, "frames {frames:?} of a message of {}", self.frames);
        let Some(form) = self.form else { return };
        let count = frames.end.saturating_sub(frames.start);
        let bytes = count * form.plan.frame_bytes();
        assert_eq!(memory.len() as u64, bytes, "memory for {count} frames");
        if count > 0 {
            form.gather.frames(self.columns, form.roll, frames.start as usize..frames.end as usize, memory);
        }
    }
}

impl Drop for Interpreted<'_> {
    fn drop(&mut self) {
        self.columns.clear();
    }
}
