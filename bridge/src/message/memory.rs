//! What is remembered from message to message, so that a source need not say it again.

use std::collections::BTreeMap;

use dora_node_api::MetadataParameters;
use dora_shm_ring::Axis;

use super::MessageSettings;
use super::axes::{Axes, Passing, is_in_seconds};
use super::geometry::Geometry;
use super::layout::{ArrowType, Layout, PerMessage, Sent, SentType};
use super::params::{self, AXES, AXIS_OFFSET, AXIS_VALUES, Hints, KEY, Role, SAMPLE_RATE, SHAPE, role};
use super::source_axes::SourceAxes;
use super::track::{Tracker, Watched};

/// What earlier messages said.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub tracker: Tracker,
    /// The same for columns beside the samples.
    pub columns: Tracker,
    /// The last `sample_rate`, as it was sent, and the `channels` with it.
    pub sample_rate: Option<(f64, Option<Sent>, Option<u64>)>,
    /// The last `key`, and as it was sent.
    pub key: Option<(String, Sent)>,
    /// The last rate that the source gave in any way.
    pub pace: Option<Pace>,
    /// Axes without what belongs to one message.
    pub axes: Option<Watched<Axes>>,
    /// The parameter `axes` where it is astray.
    pub astray: Option<Watched<Option<String>>>,
    /// Which of `axis_offset`, `axis_values` come with each message.
    pub timing: Option<Watched<Timing>>,
    /// Which of them have ever come, for when that keeps changing.
    pub times: Timing,
    /// Where the frames are was in `axes`, and a mirror does not send it.
    pub is_place_lost: bool,
    /// What the parameter `shape` is to the mirror.
    pub shape: Option<Watched<ShapeSent>>,
    /// The messages of which that is known: others may well have one, or none.
    pub shaped: Option<(ArrowType, Vec<Option<u64>>)>,
    /// As which type it has ever come with these, for when that keeps changing.
    pub shape_type: Option<SentType>,
    /// A `shape` that is not the message's has come: SHAPE overrules it.
    pub is_overruled: bool,
}

/// What a mirror has to make of the parameter `shape`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ShapeSent {
    Absent,
    /// The message's own shape.
    Own(SentType),
    /// Another, which the setting `SHAPE` overrules.
    Other(Option<Sent>),
}

impl ShapeSent {
    pub(super) fn of(parameters: &MetadataParameters, geometry: &Geometry) -> Self {
        let Some(value) = parameters.get(SHAPE) else { return Self::Absent };
        match SentType::of(value).filter(|_| params::shape(value).as_ref() == Some(&geometry.shape)) {
            Some(kind) => Self::Own(kind),
            None => Self::Other(Sent::of(value)),
        }
    }
}

/// What a mirror makes for each message, and as which types.
pub(super) struct Made {
    pub per_message: Vec<PerMessage>,
    pub types: BTreeMap<String, SentType>,
}

impl Made {
    fn add(&mut self, made: PerMessage, key: &str, sent: SentType, usual: SentType) {
        self.per_message.push(made);
        if sent != usual {
            self.types.insert(key.to_owned(), sent);
        }
    }
}

/// Rate, and step between frames along the buffered axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    pub rate_hz: Option<f64>,
    pub step: f64,
}

impl Pace {
    const UNKNOWN: Self = Self { rate_hz: None, step: 0.0 };

    pub(super) fn of_rate(rate_hz: f64) -> Self {
        let rate_hz = (rate_hz > 0.0).then_some(rate_hz);
        Self { rate_hz, step: rate_hz.map_or(0.0, |rate| 1.0 / rate) }
    }

    pub(super) fn of_axis(axis: &Axis) -> Self {
        match *axis {
            Axis::Linear { gain, .. } => {
                let rate = 1.0 / gain;
                Self { rate_hz: (rate.is_finite() && rate > 0.0).then_some(rate), step: gain }
            }
            Axis::Coord { .. } => Self { rate_hz: None, step: 0.0 },
        }
    }
}

/// As which types the times came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Timing {
    pub offset: Option<SentType>,
    pub values: Option<SentType>,
}

impl Timing {
    pub(super) fn of(parameters: &MetadataParameters) -> Self {
        let kind = |key| parameters.get(key).and_then(SentType::of);
        Self { offset: kind(AXIS_OFFSET), values: kind(AXIS_VALUES) }
    }

    /// The same when the places are in `axes`.
    fn of_axes(passing: Passing) -> Self {
        match passing {
            Passing::Offset => Self { offset: Some(SentType::Float), values: None },
            Passing::Data => Self { offset: None, values: Some(SentType::ListFloat) },
        }
    }

    fn add(&mut self, other: Self) {
        self.offset = common(self.offset, other.offset, SentType::Float);
        self.values = common(self.values, other.values, SentType::ListFloat);
    }
}

/// The type that has come so far, `usual` after several.
fn common(known: Option<SentType>, sent: Option<SentType>, usual: SentType) -> Option<SentType> {
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

impl Memory {
    /// Whether `axes` may place the frames elsewhere than they are, and a mirror sends it nevertheless.
    pub(super) fn tells_astray(&self) -> bool {
        self.astray.as_ref().is_none_or(Watched::is_static)
    }

    /// An absent `sample_rate` keeps the last one, and the `channels` that came with it.
    pub(super) fn remember_rate(&mut self, hints: &mut Hints, parameters: &MetadataParameters) {
        match (hints.sample_rate_hz, &self.sample_rate) {
            (Some(rate_hz), _) => {
                // A rate that is a column beside the samples: a mirror sends the samples alone, and their rate with them.
                let sent = parameters.get(SAMPLE_RATE).map_or(Some(Sent::Float(rate_hz)), Sent::of);
                self.sample_rate = Some((rate_hz, sent, hints.channels));
            }
            (None, Some((.., channels))) => hints.channels = hints.channels.or(*channels),
            (None, None) => {}
        }
    }

    /// An absent `key` keeps the last one.
    pub(super) fn remember_key(&mut self, parameters: &MetadataParameters) {
        let sent = parameters.get(KEY).and_then(|value| Some((params::name(value)?, Sent::of(value)?)));
        self.key = sent.or_else(|| self.key.take());
    }

    /// The rate in force: the setting, else the newest word of the source, as far as it is about the frames.
    pub(super) fn remember_pace(
        &mut self,
        settings: &MessageSettings,
        hints: &Hints,
        geometry: &Geometry,
        axes: &Axes,
    ) -> Pace {
        let buffered = axes.get(&geometry.buffered);
        let spaced = buffered.filter(|_| geometry.has_source_rate).map(Pace::of_axis);
        // A rate says nothing of the steps along an axis that is no time.
        let is_time = buffered.is_none_or(is_in_seconds);
        let of_rate = |rate_hz| match Pace::of_rate(rate_hz) {
            pace if is_time => pace,
            pace => Pace { step: spaced.map_or(0.0, |spaced| spaced.step), ..pace },
        };
        let setting = settings.sample_rate_hz.map(of_rate);
        if !geometry.has_source_rate {
            return setting.unwrap_or(Pace::UNKNOWN);
        }
        let said = hints.sample_rate_hz.map(of_rate).or(spaced);
        self.pace = said.or(self.pace);
        setting.or(self.pace).unwrap_or(Pace::UNKNOWN)
    }

    /// The parameters that a mirror sends again as they were.
    pub(super) fn layout_parameters(
        &mut self,
        parameters: &MetadataParameters,
        axes: &SourceAxes,
        geometry: &Geometry,
        layout: &Layout,
    ) -> BTreeMap<String, Sent> {
        watch(&mut self.axes, axes.lasting.clone());
        watch(&mut self.astray, axes.astray.clone());
        self.watch_shape(ShapeSent::of(parameters, geometry), layout);
        let mut sent = BTreeMap::new();
        for (key, value) in self.tracker.present() {
            if role(key, value) == Role::Meaning && !matches!(key.as_str(), SHAPE | AXES) {
                sent.extend(Sent::of(value).map(|sent| (key.clone(), sent)));
            }
        }
        if let Some(ShapeSent::Other(other)) = self.shape.as_ref().and_then(Watched::get) {
            sent.extend(other.clone().map(|other| (SHAPE.to_owned(), other)));
        }
        if let Some((_, Some(rate), _)) = &self.sample_rate {
            sent.entry(SAMPLE_RATE.to_owned()).or_insert_with(|| rate.clone());
        }
        if let (Some((_, key)), false) = (&self.key, parameters.contains_key(KEY)) {
            sent.entry(KEY.to_owned()).or_insert_with(|| key.clone());
        }
        let astray = self.astray.as_ref().and_then(Watched::get).and_then(Option::as_ref);
        if let (Some(text), true) = (astray.or(axes.text.as_ref()), self.axes.as_ref().is_some_and(Watched::is_static))
        {
            sent.insert(AXES.to_owned(), Sent::String(text.clone()));
        }
        sent
    }

    fn watch_shape(&mut self, shape: ShapeSent, layout: &Layout) {
        let is_known =
            self.shaped.as_ref().is_some_and(|(arrow, dims)| *arrow == layout.arrow && *dims == layout.shape);
        if !is_known {
            self.shaped = Some((layout.arrow.clone(), layout.shape.clone()));
            (self.shape, self.shape_type, self.is_overruled) = (None, None, false);
        }
        match shape {
            ShapeSent::Absent => {}
            ShapeSent::Own(sent) => self.shape_type = common(self.shape_type, Some(sent), SentType::ListInt),
            ShapeSent::Other(_) => self.is_overruled = true,
        }
        watch(&mut self.shape, shape);
    }

    /// What a mirror makes of the frames. After [`layout_parameters`](Self::layout_parameters).
    pub(super) fn made(&mut self, parameters: &MetadataParameters, axes: &SourceAxes) -> Made {
        watch(&mut self.timing, Timing::of(parameters));
        let mut made = Made { per_message: Vec::new(), types: BTreeMap::new() };
        match self.shape.as_ref().map(Watched::get) {
            Some(Some(ShapeSent::Own(sent))) => made.add(PerMessage::Shape, SHAPE, *sent, SentType::ListInt),
            // It comes with some messages, or in several types: it is true of all of this type and these dims.
            Some(None) if !self.is_overruled => {
                let sent = self.shape_type.unwrap_or(SentType::ListInt);
                made.add(PerMessage::Shape, SHAPE, sent, SentType::ListInt);
            }
            _ => {}
        }
        let is_own = self.astray.as_ref().and_then(Watched::get).is_some_and(Option::is_none);
        let is_in_axes = is_own && self.axes.as_ref().is_some_and(Watched::is_static);
        self.times.add(Timing::of(parameters));
        if let (Some(passing), false) = (axes.passing, is_in_axes) {
            self.times.add(Timing::of_axes(passing));
            self.is_place_lost = true;
        }
        let timing = match self.timing.as_ref().and_then(Watched::get) {
            Some(timing) if *timing != Timing::default() || !self.is_place_lost => *timing,
            // The ring has the times of every message. Where they come with some messages they go with all: without them
            // a message would be placed by when the mirror sent it.
            _ => self.times,
        };
        match timing {
            // An offset beside the values need not be the first of them: it is left out.
            Timing { values: Some(sent), .. } => {
                made.add(PerMessage::AxisValues, AXIS_VALUES, sent, SentType::ListFloat);
            }
            Timing { offset: Some(sent), .. } => made.add(PerMessage::AxisOffset, AXIS_OFFSET, sent, SentType::Float),
            Timing { .. } => {}
        }
        if is_in_axes {
            made.per_message.extend(axes.passing.map(|passing| match passing {
                Passing::Offset => PerMessage::AxesOffset,
                Passing::Data => PerMessage::AxesData,
            }));
        }
        made
    }
}
