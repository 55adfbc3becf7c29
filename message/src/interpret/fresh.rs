//! The slow path: a message read as if it were the first of its source.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_ring::internal::picture::PixelFormat;
use dora_shm_ring::{Axis, Clock, ClockId, Description};

use crate::array::payload::Payload;
use crate::copy::columns::Columns;
use crate::copy::gather::Gather;
use crate::describe::history::{History, Pace, ShapeSent};
use crate::describe::plan::{self, Plan};
use crate::describe::source_axes::SourceAxes;
use crate::describe::wrapping::Wrapping;
use crate::interpret::axes_template::AxesTemplate;
use crate::interpret::checks::Checks;
use crate::interpret::form::Form;
use crate::interpret::frame_count::{FrameCount, Growth};
use crate::interpret::sibling_columns::SiblingColumns;
use crate::interpret::size_params::SizeParams;
use crate::interpret::timeline::Timeline;
use crate::interpret::times::{Stated, Stating, Timing};
use crate::params::axes::is_in_seconds;
use crate::params::keys::{AXES, SHAPE};
use crate::params::read::Hints;
use crate::rebuild::recipe::ParamType;
use crate::refusal::Reason;
use crate::settings::MessageSettings;
use crate::shape::arrangement::{Arrangement, Evidence};
use crate::shape::element_type::ElementType;
use crate::shape::picture;

/// A message whose form is not known.
pub(crate) struct Fresh<'a> {
    pub array: &'a ArrayRef,
    pub parameters: &'a MetadataParameters,
    pub settings: &'a MessageSettings,
    /// The times of the messages before.
    pub timeline: &'a Timeline,
    /// This machine's monotonic clock.
    pub clock_id: ClockId,
}

/// What is worked out of a message.
pub(crate) struct Read {
    pub form: Form,
    /// The history of the source, this message included.
    pub history: History,
    pub stated: Stated,
    pub timing: Timing,
}

/// What the array and the parameters of a message state, each on its own.
struct Facts {
    payload: Payload,
    siblings: SiblingColumns<String>,
    hints: Hints,
    element: ElementType,
    /// What the source has stated so far, this message included.
    history: History,
}

impl Fresh<'_> {
    /// Works out the form of the message, the history of its source including this message, and where its times come
    /// from. `None`: an empty message.
    ///
    /// `before` is the plan of the message before. The columns of the message are bound to `columns`, and times that
    /// have to be converted are put into `values`.
    ///
    /// # Errors
    /// The reason why the message cannot become frames.
    pub(crate) fn read(
        &self,
        history: &History,
        before: Option<&Arc<Plan>>,
        columns: &mut Columns,
        values: &mut Vec<f64>,
    ) -> Result<Option<Read>, Reason> {
        let Some(facts) = self.facts(history)? else { return Ok(None) };
        let arrangement = self.arrangement(&facts)?;
        let Facts { payload, siblings, hints, element, mut history } = facts;

        let gather = Gather::new(&payload, element.dtype, element.is_read_as_is)?;
        let checks = Checks::new(&payload, &element, self.settings.dtype);
        let is_bound = columns.bind(&payload, self.array, None);
        debug_assert!(is_bound, "the payload was made from this very array");
        checks.run(columns, &payload)?;

        let source_axes = SourceAxes::new(self.parameters, &arrangement)?;
        let is_time = source_axes.axes.get(&arrangement.buffered).is_none_or(is_in_seconds);
        let message = Stating { settings: self.settings, array: self.array, parameters: self.parameters };
        let stated = message.stated(&source_axes.placed, arrangement.frames(), values)?;
        let timing = Timing::new(message, stated, self.timeline, is_time, self.clock_id)?;
        let pace = history.remember_pace(self.settings, &hints, &arrangement, &source_axes.axes);
        let axes = plan::axes(&arrangement, &payload, &element.row, pace.step, &source_axes.axes)?;
        // From here on, nothing fails, so `history` and `form` change together.

        let has_new_shape = before.is_none_or(|plan| plan.frame_shape != arrangement.frame_shape());
        history.params.update(self.parameters, has_new_shape);
        history.columns.update(&siblings.parameters(), has_new_shape);
        let wrapping = Wrapping { payload: &payload, arrangement: &arrangement, element: &element };
        let sizes = SizeParams::new(self.settings, &hints, self.parameters);
        history.remember_picture(pixels(&hints, &arrangement, &element, &sizes, &history), has_new_shape);
        let frame_count = self.frame_count(&wrapping, &sizes);
        let recipe = history.complete(wrapping.recipe(), self.parameters, &source_axes, &arrangement);
        let description = self.description(axes, &arrangement, &hints, &history, Some(recipe.to_json()));
        let plan = self.plan(&arrangement, &element, pace, timing.clock, description, before);
        let form = Form {
            data_type: self.array.data_type().clone(),
            roll: arrangement.roll(),
            step: pace.step,
            is_time,
            is_overruled: source_axes.overruled.is_some(),
            axes: self.axes_template(&source_axes, &arrangement, &history),
            placed: source_axes.placed,
            payload,
            siblings,
            sizes,
            frame_count,
            checks,
            gather,
            plan,
        };
        Ok(Some(Read { form, history, stated, timing }))
    }

    fn facts(&self, history: &History) -> Result<Option<Facts>, Reason> {
        let Some(payload) = Payload::new(self.array, &self.settings.fields)? else { return Ok(None) };
        let siblings = SiblingColumns::read(&payload, self.array).to_owned();
        let mut hints = Hints::read(self.parameters, self.settings)?;
        siblings.complete(&mut hints);
        if self.settings.shape.is_none() && hints.shape.is_none() {
            hints.check_channels(self.parameters)?;
        }
        let mut history = history.clone();
        history.remember_rate(&mut hints, self.parameters);
        history.remember_key(self.parameters);
        let element = ElementType::new(&payload, &hints, self.parameters, self.settings)?;
        Ok(Some(Facts { payload, siblings, hints, element, history }))
    }

    fn arrangement(&self, facts: &Facts) -> Result<Arrangement, Reason> {
        let evidence = Evidence {
            settings: self.settings,
            hints: &facts.hints,
            rows: facts.element.rows,
            row: &facts.element.row,
            is_vector: facts.payload.is_vector(),
            dtype: facts.element.dtype,
            has_rate: facts.history.has_rate(),
        };
        evidence.arrangement()
    }

    fn frame_count(&self, message: &Wrapping<'_>, sizes: &SizeParams) -> FrameCount {
        let is_overruled = matches!(ShapeSent::of(self.parameters, message.arrangement), ShapeSent::Other(_));
        FrameCount {
            growth: match is_overruled {
                true => Growth::Fixed,
                false => Growth::of(message, sizes.give_shape(), sizes.may_be_picture()),
            },
            arrangement: message.arrangement.clone(),
            shape_sent: self.parameters.get(SHAPE).and_then(ParamType::of).filter(|_| !is_overruled),
            numbers_per_sample: if message.element.is_bytes { message.element.dtype.size() as u64 } else { 1 },
        }
    }

    fn description(
        &self,
        axes: BTreeMap<String, Axis>,
        arrangement: &Arrangement,
        hints: &Hints,
        history: &History,
        message: Option<serde_json::Value>,
    ) -> Description {
        Description {
            dims: arrangement.ring_dims(),
            axes: match history.has_static_axes() {
                true => axes,
                // The labels change with the messages, so only the buffered axis is described.
                false => axes.into_iter().filter(|(dim, _)| *dim == arrangement.buffered).collect(),
            },
            attrs: history.attrs(self.clock_id),
            key: self.settings.key.clone().or_else(|| history.key()).unwrap_or_default(),
            stream_dim: hints.stream_dim.clone(),
            message,
        }
    }

    /// The plan of the message: the one before, if it is equal.
    fn plan(
        &self,
        arrangement: &Arrangement,
        element: &ElementType,
        pace: Pace,
        clock: Clock,
        description: Description,
        before: Option<&Arc<Plan>>,
    ) -> Arc<Plan> {
        let (dtype, frame_shape, rate_hz) = (element.dtype, arrangement.frame_shape(), pace.rate_hz);
        let plan = Plan { dtype, frame_shape, rate_hz, clock, description };
        match before {
            Some(before) if **before == plan => Arc::clone(before),
            _ => Arc::new(plan),
        }
    }

    /// The parameter `axes` around the places of the frames, if it identifies messages that differ only in these.
    fn axes_template(&self, axes: &SourceAxes, arrangement: &Arrangement, history: &History) -> Option<AxesTemplate> {
        let Some(Parameter::String(text)) = self.parameters.get(AXES) else { return None };
        let passing = axes.passing.filter(|_| axes.overruled.is_none() || !history.sends_overruled_axes())?;
        AxesTemplate::new(text, &arrangement.buffered, passing, axes.unit)
    }
}

/// What the samples are, if the frames are pictures. A size whose changes would go unnoticed does not count.
fn pixels(
    hints: &Hints,
    arrangement: &Arrangement,
    element: &ElementType,
    sizes: &SizeParams,
    history: &History,
) -> Option<PixelFormat> {
    let mut hints = hints.clone();
    if !sizes.give_shape() && !history.has_static_size() {
        (hints.width, hints.height) = (None, None);
    }
    picture::pixels(&hints, element.dtype, &arrangement.frame_shape(), &arrangement.ring_dims()[1..])
}
