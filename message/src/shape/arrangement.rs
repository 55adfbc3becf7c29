//! Shape of a message, names of its dims, and which of them is the buffered axis.

use dora_shm_ring::Dtype;
use dora_shm_ring::internal::MAX_RANK;

use crate::copy::roll::Roll;
use crate::params::read::Hints;
use crate::refusal::Reason;
use crate::settings::{FrameRule, MessageSettings};
use crate::shape::picture;

/// Name of the buffered axis if nothing names another.
const TIME: &str = "time";

/// How a message's samples are arranged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arrangement {
    /// Shape of the message in the source's order; its product is the number of samples.
    pub shape: Vec<u64>,
    /// A name for each of `shape`.
    pub dims: Vec<String>,
    /// Which of them is the buffered axis. `None`: the message is one frame.
    pub axis: Option<usize>,
    /// Name of the buffered axis.
    pub buffered: String,
    /// Whether the source's rate is that of the frames. It is not if the source's axis is a dim of the frame, if
    /// `SHAPE` groups the samples differently, or if `FRAMES` makes one frame of several.
    pub has_source_rate: bool,
}

impl Arrangement {
    pub(crate) fn frames(&self) -> u64 {
        self.axis.map_or(1, |axis| self.shape[axis])
    }

    /// Shape of a frame.
    pub(crate) fn frame_shape(&self) -> Vec<u64> {
        let is_frame = |index: &usize| Some(*index) != self.axis;
        (0..self.shape.len()).filter(is_frame).map(|index| self.shape[index]).collect()
    }

    /// Samples of a frame.
    pub(crate) fn frame_samples(&self) -> u64 {
        let dims = self.shape.iter().enumerate().filter(|(index, _)| Some(*index) != self.axis);
        dims.map(|(_, dim)| dim).product()
    }

    /// Names in the ring's order: the buffered axis first.
    pub(crate) fn ring_dims(&self) -> Vec<String> {
        let is_frame = |index: &usize| Some(*index) != self.axis;
        let frame = (0..self.dims.len()).filter(is_frame).map(|index| self.dims[index].clone());
        std::iter::once(self.buffered.clone()).chain(frame).collect()
    }

    pub(crate) fn roll(&self) -> Roll {
        let product = |dims: &[u64]| dims.iter().product::<u64>() as usize;
        match self.axis {
            None => Roll { outer: 1, frames: 1, inner: product(&self.shape) },
            Some(axis) => Roll {
                outer: product(&self.shape[..axis]),
                frames: self.shape[axis] as usize,
                inner: product(&self.shape[axis + 1..]),
            },
        }
    }
}

/// What is known of a message before its arrangement.
pub(crate) struct Evidence<'a> {
    pub settings: &'a MessageSettings,
    pub hints: &'a Hints,
    /// Length of the array; for a plain vector, in samples of `dtype`.
    pub rows: u64,
    /// Shape of one row, in samples of `dtype`.
    pub row: &'a [u64],
    /// Nothing in the array indicates that its rows are frames.
    pub is_vector: bool,
    pub dtype: Dtype,
    /// The source has sent a `sample_rate`, with this message or an earlier one: its plain vectors are runs of frames.
    pub has_rate: bool,
}

/// A shape, and what is known of its dims so far.
struct Draft {
    shape: Vec<u64>,
    names: Names,
    /// The dim that is buffered if no dim has the name of the buffered axis.
    rows: Option<usize>,
}

enum Names {
    /// A setting or the source names them.
    Given(Origin, Vec<String>),
    /// Placeholders, because nothing names them.
    Made(Vec<String>),
}

/// Where the names of the dims come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Setting,
    Source,
}

impl Origin {
    fn refuse(self, dims: &[String], shape: &[u64]) -> Reason {
        let origin = match self {
            Self::Setting => "DIMS",
            Self::Source => "the parameter `dims`",
        };
        Reason::Dims { origin, dims: dims.to_vec(), shape: shape.to_vec() }
    }
}

impl Evidence<'_> {
    /// # Errors
    /// If settings, parameters and the number of samples contradict each other.
    pub(crate) fn arrangement(&self) -> Result<Arrangement, Reason> {
        let mut arrangement = match (&self.settings.shape, &self.hints.shape) {
            (Some(frame), _) => self.by_setting(frame)?,
            (None, Some(shape)) => self.find_axis(self.by_parameter(shape)?)?,
            (None, None) => self.find_axis(self.by_nature()?)?,
        };
        arrangement.has_source_rate &= !self.is_run_in_one_frame();
        let frame_shape = arrangement.frame_shape();
        if frame_shape.len() > MAX_RANK {
            return Err(Reason::Rank { shape: frame_shape });
        }
        let names = arrangement.ring_dims();
        if names.iter().enumerate().any(|(i, name)| name.is_empty() || names[..i].contains(name)) {
            return Err(Reason::DimNames { dims: names });
        }
        Ok(arrangement)
    }

    fn samples(&self) -> u64 {
        self.rows * self.row.iter().product::<u64>()
    }

    fn rule(&self) -> FrameRule {
        self.settings.frames
    }

    /// Whether the message is one frame only because of `FRAMES`: its rate is the rate of the frames that it would
    /// otherwise have.
    fn is_run_in_one_frame(&self) -> bool {
        let is_plain = self.hints.shape.is_none() && self.given_names().is_none();
        let is_run = match self.is_vector {
            true => picture::shape(self.hints, self.dtype, self.samples()).is_none(),
            false => self.rows > 1,
        };
        self.rule() == FrameRule::Message && is_plain && is_run
    }

    /// The name of the buffered axis: by the setting, the source, or the default.
    fn wanted_axis(&self) -> &str {
        self.settings.axis.as_deref().or(self.hints.stream_dim.as_deref()).unwrap_or(TIME)
    }

    /// Number of samples of `shape`, which comes from `origin`.
    ///
    /// # Errors
    /// [`Reason::ShapeTooLarge`].
    fn product(&self, origin: &'static str, shape: &[u64]) -> Result<u64, Reason> {
        if shape.contains(&0) {
            return Ok(0);
        }
        let product = shape.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim));
        product.ok_or_else(|| Reason::ShapeTooLarge { origin, shape: shape.to_vec(), samples: self.samples() })
    }

    /// `SHAPE`: the shape of one frame. None of its dims is the buffered axis, regardless of their names.
    fn by_setting(&self, frame: &[u64]) -> Result<Arrangement, Reason> {
        let samples = self.samples();
        let unit = self.product("the setting SHAPE", frame)?;
        let misfit = || Reason::Shape { origin: "the setting SHAPE", shape: frame.to_vec(), expected: unit, samples };
        if unit == 0 || !samples.is_multiple_of(unit) {
            return Err(misfit());
        }
        self.check_size(frame)?;
        let count = samples / unit;
        let wanted = self.wanted_axis();
        let given = self.given_names();
        if let Some((Origin::Setting, names)) = given
            && ![frame.len(), frame.len() + 1].contains(&names.len())
        {
            return Err(Origin::Setting.refuse(names, frame));
        }
        // Either names of the message's dims, the buffered one included, or names of the frame's dims.
        let names_all = given.filter(|(_, names)| names.len() == frame.len() + 1);
        let named = names_all.and_then(|(_, names)| names.iter().position(|name| name == wanted));
        let is_asked = named.is_some() || names_all.is_some_and(|(origin, _)| origin == Origin::Setting);
        let has_rows = match self.rule() {
            FrameRule::Rows => true,
            FrameRule::Message if count == 1 => false,
            FrameRule::Message => return Err(misfit()),
            FrameRule::Auto if is_asked || (self.is_vector && self.has_rate) => true,
            FrameRule::Auto if !self.is_vector && count == self.rows => true,
            FrameRule::Auto if count == 1 => false,
            FrameRule::Auto => return Err(misfit()),
        };
        if let (true, Some((origin, names))) = (has_rows, names_all) {
            let axis = named.unwrap_or(0);
            let mut shape = frame.to_vec();
            shape.insert(axis, count);
            let has_source_rate = origin == Origin::Setting || self.is_grouped_alike(&shape, axis)?;
            let buffered = names[axis].clone();
            return Ok(Arrangement { shape, dims: names.to_vec(), axis: Some(axis), buffered, has_source_rate });
        }
        let frame_names = match given {
            Some((_, names)) if names.len() == frame.len() => names.to_vec(),
            Some((_, names)) if is_asked => {
                let mut names = names.to_vec();
                names.remove(named.unwrap_or(0));
                names
            }
            _ => numbered(1..=frame.len()),
        };
        let is_inside = frame_names.iter().any(|name| name == wanted);
        if is_inside && self.settings.axis.is_some() && self.rule() != FrameRule::Message {
            return Err(Reason::AxisInFrame { axis: wanted.to_owned(), shape: frame.to_vec(), dims: frame_names });
        }
        let buffered = if is_inside { free_name(&frame_names) } else { wanted.to_owned() };
        let (mut shape, mut dims, mut axis) = (frame.to_vec(), frame_names, None);
        if has_rows {
            shape.insert(0, count);
            dims.insert(0, buffered.clone());
            axis = Some(0);
        }
        Ok(Arrangement { shape, dims, axis, buffered, has_source_rate: !is_inside })
    }

    /// # Errors
    /// [`Reason::Transposed`] if `frame`, which is from `SHAPE`, is a picture with the width of the metadata before their
    /// height. With `DIMS` the user has named the dims, so the order is intended.
    fn check_size(&self, frame: &[u64]) -> Result<(), Reason> {
        /// Most samples per pixel. If there are more, width and height describe another array.
        const MOST_COLOURS: u64 = 4;
        let (Some(width), Some(height)) = (self.hints.width, self.hints.height) else { return Ok(()) };
        let comes_before = |first: u64, second: u64| {
            let first = frame.iter().position(|&dim| dim == first);
            first.is_some_and(|first| frame[first + 1..].contains(&second))
        };
        let is_swapped = comes_before(width, height) && !comes_before(height, width);
        // The product of a frame's dims has been checked. That of two of them is not larger.
        let is_picture = || frame.iter().product::<u64>() / (width * height) <= MOST_COLOURS;
        if self.settings.dims.is_none() && is_swapped && is_picture() {
            return Err(Reason::Transposed { shape: frame.to_vec(), width, height });
        }
        Ok(())
    }

    /// Whether the source's number of frames along its axis equals that of `shape`, which comes from `SHAPE`, along
    /// `axis`.
    ///
    /// # Errors
    /// [`Reason::Regrouped`] if the numbers differ and the source's frames are not contiguous: each frame that `SHAPE`
    /// makes would mix samples from several of them.
    fn is_grouped_alike(&self, shape: &[u64], axis: usize) -> Result<bool, Reason> {
        let (Some(source), Some(dims)) = (&self.hints.shape, &self.hints.dims) else { return Ok(true) };
        let Some(place) = dims.iter().position(|name| name == self.wanted_axis()) else { return Ok(true) };
        let Some(&frames) = source.get(place) else { return Ok(true) };
        if frames == shape[axis] && place == axis {
            return Ok(true);
        }
        if place == 0 && axis == 0 {
            return Ok(false);
        }
        Err(Reason::Regrouped { shape: shape.to_vec(), source_shape: source.clone(), dims: dims.clone() })
    }

    /// The parameter `shape`: the shape of the message.
    fn by_parameter(&self, shape: &[u64]) -> Result<Draft, Reason> {
        let samples = self.samples();
        let expected = self.product("the parameter `shape`", shape)?;
        if expected != samples {
            return Err(Reason::Shape { origin: "the parameter `shape`", shape: shape.to_vec(), expected, samples });
        }
        let by_rows = self.rule() == FrameRule::Rows && !shape.is_empty();
        let names = match (self.given_names(), by_rows) {
            (Some((origin, names)), _) if names.len() == shape.len() => Names::Given(origin, names.to_vec()),
            (Some((origin, names)), _) => return Err(origin.refuse(names, shape)),
            (None, true) => self.with_rows(None, shape.len() - 1),
            (None, false) => Names::Made(numbered(1..=shape.len())),
        };
        let rows = by_rows.then_some(0);
        Ok(Draft { shape: shape.to_vec(), names, rows })
    }

    /// The shape of a picture, else that of the Arrow type.
    fn by_nature(&self) -> Result<Draft, Reason> {
        let mut natural: Vec<u64> = self.row.to_vec();
        match (self.is_vector, self.row) {
            (true, []) => natural.push(self.rows),
            (true, _) => {}
            (false, _) => natural.insert(0, self.rows),
        }
        let given = self.given_names();
        let fits = |rank: usize| given.is_none_or(|(_, names)| names.len() == rank);
        if let [.., length] = natural.as_slice()
            && natural.len() <= 2
            && let Some(picture) = picture::shape(self.hints, self.dtype, *length)
        {
            let frame_rank = picture.len();
            let shape: Vec<u64> = natural[..natural.len() - 1].iter().copied().chain(picture).collect();
            if fits(shape.len()) || fits(frame_rank) {
                return self.picture(shape, frame_rank);
            }
        }
        if self.is_vector {
            return self.vector(natural[0]);
        }
        let rank = natural.len();
        let names = match given {
            None if self.rule() == FrameRule::Message => Names::Made(numbered(1..=rank)),
            None => self.with_rows(None, rank - 1),
            Some((origin, names)) if names.len() == rank => Names::Given(origin, names.to_vec()),
            Some((Origin::Setting, names)) if names.len() + 1 == rank => self.with_rows(Some(names.to_vec()), rank - 1),
            Some((origin, names)) => return Err(origin.refuse(names, &natural)),
        };
        let rows = self.rows_of(&names, true);
        Ok(Draft { shape: natural, names, rows })
    }

    fn picture(&self, shape: Vec<u64>, frame_rank: usize) -> Result<Draft, Reason> {
        let has_rows = shape.len() > frame_rank;
        let frame_names = |names: Option<&[String]>| match names {
            Some(names) => names.to_vec(),
            None => picture::DIM_NAMES[..frame_rank].iter().map(|&name| name.to_owned()).collect(),
        };
        let names = match (self.given_names(), has_rows) {
            (Some((origin, names)), _) if names.len() == shape.len() => Names::Given(origin, names.to_vec()),
            (given, true) => self.with_rows(Some(frame_names(given.map(|(_, names)| names))), frame_rank),
            (_, false) => Names::Made(frame_names(None)),
        };
        let rows = self.rows_of(&names, has_rows);
        Ok(Draft { shape, names, rows })
    }

    /// A vector for which only dims, rate and channels are known.
    fn vector(&self, samples: u64) -> Result<Draft, Reason> {
        let channels = self.hints.channels.filter(|&n| n > 1);
        let split = |channels: Option<u64>| match channels {
            None => Ok(vec![samples]),
            Some(n) if samples.is_multiple_of(n) => Ok(vec![samples / n, n]),
            Some(channels) => Err(Reason::Channels { samples, channels }),
        };
        let runs = match self.rule() {
            FrameRule::Auto => self.has_rate,
            FrameRule::Rows => true,
            FrameRule::Message => false,
        };
        if let Some((origin, names)) = self.given_names() {
            let (shape, names) = match (names, channels) {
                // DIMS may name only the dims of a frame.
                ([frame], Some(_)) if origin == Origin::Setting && runs && frame != self.wanted_axis() => {
                    (split(channels)?, self.with_rows(Some(names.to_vec()), 1))
                }
                ([_], _) => (vec![samples], Names::Given(origin, names.to_vec())),
                ([_, last], Some(n)) => {
                    let mut shape = split(channels)?;
                    // Frames of `channels` values each, or channels of as many frames.
                    if last == self.wanted_axis() {
                        shape = vec![n, samples / n];
                    }
                    (shape, Names::Given(origin, names.to_vec()))
                }
                _ => return Err(origin.refuse(names, &[samples])),
            };
            let rows = self.rows_of(&names, runs);
            return Ok(Draft { shape, names, rows });
        }
        if !runs {
            return Ok(Draft { shape: vec![samples], names: Names::Made(numbered(1..=1)), rows: None });
        }
        let shape = split(channels)?;
        let names = self.with_rows(None, shape.len() - 1);
        Ok(Draft { shape, names, rows: Some(0) })
    }

    /// The dim that is buffered if no dim has the name of the buffered axis: the first, if it counts rows. Dims with
    /// other given names belong to a frame, regardless of the array.
    fn rows_of(&self, names: &Names, has_rows: bool) -> Option<usize> {
        let is_asked = self.rule() == FrameRule::Rows;
        match names {
            Names::Given(..) => is_asked.then_some(0),
            Names::Made(_) => (has_rows || is_asked).then_some(0),
        }
    }

    /// Given names of the message's dims, and where they come from.
    fn given_names(&self) -> Option<(Origin, &[String])> {
        match (&self.settings.dims, &self.hints.dims) {
            (Some(names), _) => Some((Origin::Setting, names)),
            (None, Some(names)) => Some((Origin::Source, names)),
            (None, None) => None,
        }
    }

    /// Names for rows of frames of rank `frame_rank`. `frame` are given names of the frame's dims; the rows have a
    /// placeholder.
    fn with_rows(&self, frame: Option<Vec<String>>, frame_rank: usize) -> Names {
        const ROW: &str = "row";
        let frame = frame.unwrap_or_else(|| numbered(1..=frame_rank));
        Names::Made(std::iter::once(ROW.to_owned()).chain(frame).collect())
    }

    fn find_axis(&self, draft: Draft) -> Result<Arrangement, Reason> {
        let Draft { shape, names, rows } = draft;
        let wanted = self.wanted_axis();
        let (mut dims, given) = match names {
            Names::Given(origin, dims) => (dims, Some(origin)),
            Names::Made(dims) => (dims, None),
        };
        let named = dims.iter().position(|dim| dim == wanted);
        let axis = match (self.rule(), named) {
            (FrameRule::Message, _) => None,
            (_, Some(axis)) => Some(axis),
            (_, None) if let Some(origin) = given => {
                // DIMS may name only the dims of a frame. An AXIS that names the axis that would be buffered anyway is
                // not a mistake.
                let is_usual = |axis: &String| axis == TIME || self.hints.stream_dim.as_ref() == Some(axis);
                if let (Origin::Source, Some(axis)) = (origin, self.settings.axis.as_ref().filter(|a| !is_usual(a))) {
                    return Err(Reason::UnknownAxis { axis: axis.clone(), dims });
                }
                if let (Origin::Source, Some(dim)) = (origin, &self.hints.stream_dim)
                    && wanted == dim
                    && dim != TIME
                    && !dims.is_empty()
                {
                    return Err(Reason::UnknownStreamDim { dim: dim.clone(), dims });
                }
                rows
            }
            (_, None) => {
                if let Some(row) = rows {
                    dims[row] = wanted.to_owned();
                }
                rows
            }
        };
        let axis = axis.filter(|_| !shape.is_empty());
        let buffered = match axis {
            Some(axis) => dims[axis].clone(),
            None if dims.iter().any(|dim| dim == wanted) => free_name(&dims),
            None => wanted.to_owned(),
        };
        let has_source_rate = axis.is_some() || buffered == wanted;
        Ok(Arrangement { shape, dims, axis, buffered, has_source_rate })
    }
}

/// A name for the buffered axis that no dim of the frame has, for use if one of them has the wanted name.
fn free_name(dims: &[String]) -> String {
    let mut name = "message".to_owned();
    while dims.contains(&name) {
        name.push('_');
    }
    name
}

fn numbered(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|number| format!("dim_{number}")).collect()
}
