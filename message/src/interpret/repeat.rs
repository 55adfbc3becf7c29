//! The fast path: a message that is like the one before, which is read without allocating.
//!
//! It must agree with the slow path in [`fresh`](super::fresh): every message accepted here would have the same plan
//! there. The test `messages_of_any_length_are_read_as_if_each_were_the_first` compares the two.
//!
//! The functions that it calls in other files are marked `#[inline]`: otherwise the calls take a tenth of the time for
//! a short message.

use arrow::array::Array;
use dora_node_api::{MetadataParameters, Parameter};

use crate::copy::columns::Columns;
use crate::describe::history::History;
use crate::interpret::form::Form;
use crate::interpret::sibling_columns::SiblingColumns;
use crate::params::attr::same;
use crate::params::keys::{AXES, SHAPE};

impl Form {
    /// Whether the message is of this form. If so, the form has its number of frames and their places, and its columns
    /// are bound to `columns`.
    #[inline]
    pub(crate) fn takes(
        &mut self,
        array: &dyn Array,
        parameters: &MetadataParameters,
        history: &History,
        columns: &mut Columns,
    ) -> bool {
        if self.data_type != *array.data_type() {
            return false;
        }
        let Some((frames, open)) = self.frame_count.of(&self.payload, array) else { return false };
        let is_alike = self.has_parameters(parameters, frames, history)
            && history.has_times(parameters)
            && self.placed.is_of(frames)
            && (!history.sends_overruled_axes() || self.placed.holds(parameters) != self.is_overruled)
            && self.sizes.are(parameters)
            && self.has_siblings(array, history)
            && columns.bind(&self.payload, array, open);
        if is_alike {
            self.roll.frames = frames as usize;
        }
        is_alike
    }

    /// Whether the parameters equal those of the message before. Takes the places of the frames from `axes`.
    #[inline]
    fn has_parameters(&mut self, parameters: &MetadataParameters, frames: u64, history: &History) -> bool {
        let frames_before = self.roll.frames as u64;
        let Self { frame_count, axes, placed, .. } = self;
        history.params.is_unchanged(parameters, |key, before, now| match (key, axes.as_ref(), now) {
            (SHAPE, _, Parameter::ListInt(_) | Parameter::ListFloat(_)) if frame_count.shape_sent.is_some() => {
                frame_count.is_shape(now, frames)
            }
            // A shape sent as text is known only for exactly that text.
            (SHAPE, ..) => frames == frames_before && same(before, now),
            (AXES, Some(axes), Parameter::String(text)) => axes.read(text, placed),
            _ => same(before, now),
        })
    }

    /// Whether the columns next to the samples have the same values as in the message before.
    #[inline]
    fn has_siblings(&self, array: &dyn Array, history: &History) -> bool {
        SiblingColumns::read(&self.payload, array)
            .are(&self.siblings, |name| self.sizes.matters(name) || history.columns.is_static(name))
    }
}
