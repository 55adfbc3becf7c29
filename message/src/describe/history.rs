//! What is remembered from message to message, so that a source does not have to repeat it.

use std::collections::BTreeMap;

use dora_node_api::MetadataParameters;
use dora_shm_ring::internal::picture::PixelFormat;
use dora_shm_ring::{Attr, Axis, Clock, ClockId};

use crate::describe::source_axes::SourceAxes;
use crate::describe::static_params::{StaticParams, Watched};
use crate::params::attr::attr;
use crate::params::axes::{Axes, Passing, is_in_seconds};
use crate::params::keys::{
    AXES, AXIS_OFFSET, AXIS_VALUES, CLOCK, CLOCK_ID, HEIGHT, KEY, PICTURE, Role, SAMPLE_RATE, SHAPE, WIDTH, role,
};
use crate::params::read::{self, Hints};
use crate::rebuild::recipe::{ArrowType, ParamType, PerMessage, Recipe, sent};
use crate::settings::MessageSettings;
use crate::shape::arrangement::Arrangement;

/// What earlier messages of the source stated.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub params: StaticParams,
    /// The static columns next to the samples.
    pub columns: StaticParams,
    /// The last `sample_rate`: in Hz, as it was sent, and the `channels` that came with it.
    sample_rate: Option<(f64, Option<Attr>, Option<u64>)>,
    /// The last `key`, and as it was sent.
    key: Option<(String, Attr)>,
    /// What the samples of the frames are, if these are pictures.
    picture: Option<Watched<Option<PixelFormat>>>,
    /// The last rate that the source gave in any way.
    pace: Option<Pace>,
    /// The parameter `axes` without what belongs to one message.
    axes: Option<Watched<Axes>>,
    /// The parameter `axes` if `axis_offset` or `axis_values` override it.
    overruled_axes: Option<Watched<Option<String>>>,
    /// Which of `axis_offset`, `axis_values` come with each message.
    timing: Option<Watched<Timing>>,
    /// Which of them have ever come. Used once `timing` keeps changing.
    times: Timing,
    /// The places of the frames were in `axes`, and a mirror does not send `axes`.
    is_place_lost: bool,
    /// What a mirror has to make of the parameter `shape`.
    shape: Option<Watched<ShapeSent>>,
    /// The messages that `shape` holds for. Others may have another parameter `shape`, or none.
    shaped: Option<(ArrowType, Vec<Option<u64>>)>,
    /// The type that `shape` has had with these messages. Used once it keeps changing.
    shape_type: Option<ParamType>,
    /// A `shape` has come that is not the message's: the setting `SHAPE` overrides it.
    is_shape_overruled: bool,
}

/// What a mirror has to make of the parameter `shape`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ShapeSent {
    Absent,
    /// The message's own shape.
    Own(ParamType),
    /// Another shape, which the setting `SHAPE` overrides.
    Other(Option<Attr>),
}

impl ShapeSent {
    pub(crate) fn of(parameters: &MetadataParameters, arrangement: &Arrangement) -> Self {
        let Some(value) = parameters.get(SHAPE) else { return Self::Absent };
        match ParamType::of(value).filter(|_| read::shape(value).as_ref() == Some(&arrangement.shape)) {
            Some(kind) => Self::Own(kind),
            None => Self::Other(sent(value)),
        }
    }
}

/// Rate, and step between frames along the buffered axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    pub rate_hz: Option<f64>,
    pub step: f64,
}

impl Pace {
    const UNKNOWN: Self = Self { rate_hz: None, step: 0.0 };

    fn of_rate(rate_hz: f64) -> Self {
        let rate_hz = (rate_hz > 0.0).then_some(rate_hz);
        Self { rate_hz, step: rate_hz.map_or(0.0, |rate| 1.0 / rate) }
    }

    fn of_axis(axis: &Axis) -> Self {
        match *axis {
            Axis::Linear { gain, .. } => {
                let rate = 1.0 / gain;
                Self { rate_hz: (rate.is_finite() && rate > 0.0).then_some(rate), step: gain }
            }
            Axis::Coord { .. } => Self::UNKNOWN,
        }
    }
}

/// The types in which the times of a message came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Timing {
    offset: Option<ParamType>,
    values: Option<ParamType>,
}

impl Timing {
    fn of(parameters: &MetadataParameters) -> Self {
        let kind = |key| parameters.get(key).and_then(ParamType::of);
        Self { offset: kind(AXIS_OFFSET), values: kind(AXIS_VALUES) }
    }

    /// The same for places in `axes`.
    fn of_axes(passing: Passing) -> Self {
        match passing {
            Passing::Offset => Self { offset: Some(ParamType::Float), values: None },
            Passing::Data => Self { offset: None, values: Some(ParamType::ListFloat) },
        }
    }

    fn add(&mut self, other: Self) {
        self.offset = common(self.offset, other.offset, ParamType::Float);
        self.values = common(self.values, other.values, ParamType::ListFloat);
    }
}

/// The type that has come so far; `usual` once several have.
fn common(known: Option<ParamType>, sent: Option<ParamType>, usual: ParamType) -> Option<ParamType> {
    match (known, sent) {
        (Some(known), Some(sent)) if known != sent => Some(usual),
        _ => known.or(sent),
    }
}

fn watch<T: PartialEq>(watched: &mut Option<Watched<T>>, value: T) {
    match watched {
        Some(watched) => watched.set(value),
        None => *watched = Some(Watched::new(value)),
    }
}

impl History {
    /// The history of a source of which no message has come.
    pub(crate) fn of(settings: &MessageSettings) -> Self {
        let mut history = Self::default();
        history.set_time(settings);
        history
    }

    /// What `TIME` names belongs to one message.
    pub(crate) fn set_time(&mut self, settings: &MessageSettings) {
        self.params.set_passing(settings.time.as_deref());
    }

    /// The static attributes: the parameters, the columns next to the samples (a parameter of the same name wins), and
    /// what the samples of a picture are. `ours` is this machine's monotonic clock.
    pub(crate) fn attrs(&self, ours: ClockId) -> BTreeMap<String, Attr> {
        let names_our_clock = self.names_our_clock(ours);
        let present = self.columns.present().chain(self.params.present());
        let attrs = present.filter(|(key, value)| {
            role(key, value) == Role::Attr && !(names_our_clock && matches!(key.as_str(), CLOCK | CLOCK_ID))
        });
        let mut attrs: BTreeMap<_, _> = attrs.filter_map(|(key, value)| Some((key.clone(), attr(value)?))).collect();
        if let Some(Some(pixels)) = self.picture.as_ref().and_then(Watched::get) {
            attrs.insert(PICTURE.to_owned(), Attr::String(pixels.name().to_owned()));
        }
        attrs
    }

    /// Whether the newest message names this machine's monotonic clock. Then the two parameters are not attributes.
    fn names_our_clock(&self, ours: ClockId) -> bool {
        let find = |name: &str| self.params.present().find(|(key, _)| *key == name).map(|(_, value)| value);
        let (Some(clock), Some(id)) = (find(CLOCK), find(CLOCK_ID)) else { return false };
        let pair = [(CLOCK.to_owned(), clock.clone()), (CLOCK_ID.to_owned(), id.clone())];
        read::clock(&MetadataParameters::from(pair), ours) == Some(Clock::Monotonic)
    }

    /// Whether a change of width or height is noticed with the message that brings it.
    pub(crate) fn has_static_size(&self) -> bool {
        [WIDTH, HEIGHT].iter().all(|key| self.params.is_static(key) && self.columns.is_static(key))
    }

    /// Takes what the samples of the newest message are. Like a change of size, a change does not count if the frames'
    /// shape changes with it (`has_new_shape`).
    pub(crate) fn remember_picture(&mut self, pixels: Option<PixelFormat>, has_new_shape: bool) {
        match &mut self.picture {
            Some(picture) => picture.set_counted(pixels, !has_new_shape),
            None => self.picture = Some(Watched::new(pixels)),
        }
    }

    /// The last `key`.
    pub(crate) fn key(&self) -> Option<String> {
        self.key.as_ref().map(|(key, _)| key.clone())
    }

    /// Whether the last `sample_rate` was above 0.
    pub(crate) fn has_rate(&self) -> bool {
        self.sample_rate.as_ref().is_some_and(|(rate_hz, ..)| *rate_hz > 0.0)
    }

    /// Whether `axes`, apart from the buffered one, belong in the description.
    pub(crate) fn has_static_axes(&self) -> bool {
        self.axes.as_ref().is_some_and(Watched::is_static)
    }

    /// Whether a mirror sends `axes` even if they place the frames elsewhere than they are.
    #[inline]
    pub(crate) fn sends_overruled_axes(&self) -> bool {
        self.overruled_axes.as_ref().is_none_or(Watched::is_static)
    }

    /// Whether the times of a message come in the same form as those of the message before.
    #[inline]
    pub(crate) fn has_times(&self, parameters: &MetadataParameters) -> bool {
        match self.timing.as_ref().and_then(Watched::get) {
            Some(timing) => *timing == Timing::of(parameters),
            // A mirror sends the times with each message, if need be one for each frame.
            None => self.times.values.is_some() || !parameters.contains_key(AXIS_VALUES),
        }
    }

    /// An absent `sample_rate` keeps the last one, and the `channels` that came with it.
    pub(crate) fn remember_rate(&mut self, hints: &mut Hints, parameters: &MetadataParameters) {
        match (hints.sample_rate_hz, &self.sample_rate) {
            (Some(rate_hz), _) => {
                // The rate may come from a column next to the samples: a mirror sends the samples without that column,
                // and the rate as a parameter.
                let as_sent = parameters.get(SAMPLE_RATE).map_or(Some(Attr::Float(rate_hz)), sent);
                self.sample_rate = Some((rate_hz, as_sent, hints.channels));
            }
            (None, Some((.., channels))) => hints.channels = hints.channels.or(*channels),
            (None, None) => {}
        }
    }

    /// An absent `key` keeps the last one.
    pub(crate) fn remember_key(&mut self, parameters: &MetadataParameters) {
        let new = parameters.get(KEY).and_then(|value| Some((read::name(value)?, sent(value)?)));
        self.key = new.or_else(|| self.key.take());
    }

    /// The rate in force: the setting, else the newest rate from the source if it is the rate of the frames.
    pub(crate) fn remember_pace(
        &mut self,
        settings: &MessageSettings,
        hints: &Hints,
        arrangement: &Arrangement,
        axes: &Axes,
    ) -> Pace {
        let buffered = axes.get(&arrangement.buffered);
        let spaced = buffered.filter(|_| arrangement.has_source_rate).map(Pace::of_axis);
        // A rate does not give the steps along an axis other than time.
        let is_time = buffered.is_none_or(is_in_seconds);
        let of_rate = |rate_hz| match Pace::of_rate(rate_hz) {
            pace if is_time => pace,
            pace => Pace { step: spaced.map_or(0.0, |spaced| spaced.step), ..pace },
        };
        let setting = settings.sample_rate_hz.map(of_rate);
        if !arrangement.has_source_rate {
            return setting.unwrap_or(Pace::UNKNOWN);
        }
        let said = hints.sample_rate_hz.map(of_rate).or(spaced);
        self.pace = said.or(self.pace);
        setting.or(self.pace).unwrap_or(Pace::UNKNOWN)
    }

    /// Completes the recipe with the parameters that a mirror sends: those that are the same with each message, and
    /// those that are made from its frames.
    pub(crate) fn complete(
        &mut self,
        mut recipe: Recipe,
        parameters: &MetadataParameters,
        axes: &SourceAxes,
        arrangement: &Arrangement,
    ) -> Recipe {
        watch(&mut self.axes, axes.lasting.clone());
        watch(&mut self.overruled_axes, axes.overruled.clone());
        watch(&mut self.timing, Timing::of(parameters));
        self.watch_shape(ShapeSent::of(parameters, arrangement), &recipe);
        recipe.parameters = self.same_parameters(parameters, axes);
        self.add_shape(&mut recipe);
        self.add_times(&mut recipe, parameters, axes);
        recipe
    }

    /// Whether a mirror sends `axes`, with the places of each message's frames in them.
    fn sends_places_in_axes(&self) -> bool {
        let overruled = self.overruled_axes.as_ref().and_then(Watched::get);
        overruled.is_some_and(Option::is_none) && self.has_static_axes()
    }

    /// The parameters that are the same with each message.
    fn same_parameters(&self, parameters: &MetadataParameters, axes: &SourceAxes) -> BTreeMap<String, Attr> {
        let mut same = BTreeMap::new();
        for (key, value) in self.params.present() {
            if role(key, value) == Role::Meaning && !matches!(key.as_str(), SHAPE | AXES) {
                same.extend(sent(value).map(|sent| (key.clone(), sent)));
            }
        }
        if let Some(ShapeSent::Other(other)) = self.shape.as_ref().and_then(Watched::get) {
            same.extend(other.clone().map(|other| (SHAPE.to_owned(), other)));
        }
        if let Some((_, Some(rate), _)) = &self.sample_rate {
            same.entry(SAMPLE_RATE.to_owned()).or_insert_with(|| rate.clone());
        }
        if let (Some((_, key)), false) = (&self.key, parameters.contains_key(KEY)) {
            same.entry(KEY.to_owned()).or_insert_with(|| key.clone());
        }
        let overruled = self.overruled_axes.as_ref().and_then(Watched::get).and_then(Option::as_ref);
        if let (Some(text), true) = (overruled.or(axes.text.as_ref()), self.has_static_axes()) {
            same.insert(AXES.to_owned(), Attr::String(text.clone()));
        }
        same
    }

    fn watch_shape(&mut self, shape: ShapeSent, recipe: &Recipe) {
        let is_known =
            self.shaped.as_ref().is_some_and(|(arrow, dims)| *arrow == recipe.arrow && *dims == recipe.shape);
        if !is_known {
            self.shaped = Some((recipe.arrow.clone(), recipe.shape.clone()));
            (self.shape, self.shape_type, self.is_shape_overruled) = (None, None, false);
        }
        match shape {
            ShapeSent::Absent => {}
            ShapeSent::Own(kind) => self.shape_type = common(self.shape_type, Some(kind), ParamType::ListInt),
            ShapeSent::Other(_) => self.is_shape_overruled = true,
        }
        watch(&mut self.shape, shape);
    }

    fn add_shape(&self, recipe: &mut Recipe) {
        match self.shape.as_ref().map(Watched::get) {
            Some(Some(ShapeSent::Own(kind))) => recipe.make(PerMessage::Shape, SHAPE, *kind, ParamType::ListInt),
            // It comes with some messages only, or in several types: it is right for all messages of this type and
            // these dims.
            Some(None) if !self.is_shape_overruled => {
                let kind = self.shape_type.unwrap_or(ParamType::ListInt);
                recipe.make(PerMessage::Shape, SHAPE, kind, ParamType::ListInt);
            }
            _ => {}
        }
    }

    fn add_times(&mut self, recipe: &mut Recipe, parameters: &MetadataParameters, axes: &SourceAxes) {
        let is_in_axes = self.sends_places_in_axes();
        self.times.add(Timing::of(parameters));
        if let (Some(passing), false) = (axes.passing, is_in_axes) {
            self.times.add(Timing::of_axes(passing));
            self.is_place_lost = true;
        }
        let timing = match self.timing.as_ref().and_then(Watched::get) {
            Some(timing) if *timing != Timing::default() || !self.is_place_lost => *timing,
            // The ring has the times of every message. If they come with some messages only, a mirror sends them with
            // all: a message without them would be placed at the time when the mirror sent it.
            _ => self.times,
        };
        match timing {
            // If an offset comes with the values, it need not equal the first of them: it is left out.
            Timing { values: Some(kind), .. } => {
                recipe.make(PerMessage::AxisValues, AXIS_VALUES, kind, ParamType::ListFloat);
            }
            Timing { offset: Some(kind), .. } => {
                recipe.make(PerMessage::AxisOffset, AXIS_OFFSET, kind, ParamType::Float);
            }
            Timing { .. } => {}
        }
        if is_in_axes {
            recipe.per_message.extend(axes.passing.map(|passing| match passing {
                Passing::Offset => PerMessage::AxesOffset,
                Passing::Data => PerMessage::AxesData,
            }));
        }
    }
}
