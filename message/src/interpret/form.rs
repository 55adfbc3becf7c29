//! What is worked out once for all messages of one form.

use std::sync::Arc;

use arrow::datatypes::DataType;

use crate::array::payload::Payload;
use crate::copy::gather::Gather;
use crate::copy::roll::Roll;
use crate::describe::plan::Plan;
use crate::describe::source_axes::Placed;
use crate::interpret::axes_template::AxesTemplate;
use crate::interpret::checks::Checks;
use crate::interpret::frame_count::FrameCount;
use crate::interpret::sibling_columns::SiblingColumns;
use crate::interpret::size_params::SizeParams;

/// How to read and copy messages of one form. Such messages differ only in the number of their frames and in where the
/// frames are: `roll` and `placed` hold both for the current message.
#[derive(Debug)]
pub(crate) struct Form {
    pub data_type: DataType,
    pub payload: Payload,
    pub siblings: SiblingColumns<String>,
    /// The size parameters, which affect what the samples mean.
    pub sizes: SizeParams,
    pub frame_count: FrameCount,
    pub checks: Checks,
    pub gather: Gather,
    pub roll: Roll,
    /// Step between frames along the buffered axis; 0: irregular or unknown.
    pub step: f64,
    /// Whether the buffered axis is time.
    pub is_time: bool,
    /// Where the frames are according to the parameter `axes`.
    pub placed: Placed,
    /// Whether `axis_offset` or `axis_values`, which win, place them elsewhere.
    pub is_overruled: bool,
    /// The parameter `axes` around that place.
    pub axes: Option<AxesTemplate>,
    pub plan: Arc<Plan>,
}
