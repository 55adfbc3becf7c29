//! Streams whose frames are pictures: recognises them, and renders a frame as pixels.

use dora_shm_ring::internal::picture::{self, PixelFormat};
use dora_shm_ring::{Attr, Axis, Description, Dtype, Format, Frames};

use super::numbers::{self, Visitor};
use super::range::ValueRange;

/// The layout of a frame that is a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureFormat {
    pub width: usize,
    pub height: usize,
    dtype: Dtype,
    layout: Layout,
}

/// Where a pixel's samples are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// Steps from one row, column and colour to the next, and which colour comes where.
    Samples { row: usize, column: usize, colour: usize, colours: Colours },
    /// Brightness, then two planes of a quarter of the size.
    Yuv420,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Colours {
    Gray,
    Rgb,
    Bgr,
}

/// Pixels, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<[u8; 3]>,
}

impl Pixels {
    pub fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.rgb[y * self.width + x]
    }
}

const COLOUR_DIMS: [&str; 5] = ["c", "channel", "channels", "colour", "color"];
const PLANE_DIMS: [(&str, &str); 5] =
    [("y", "x"), ("height", "width"), ("h", "w"), ("row", "column"), ("rows", "columns")];
/// Least width and height of a frame that is taken for a picture without any hint.
const LEAST_PICTURE: u64 = 16;

/// Hints of a description that frames are pictures.
struct Hints<'a> {
    encoding: String,
    /// The samples of that encoding, if it is known.
    pixels: Option<PixelFormat>,
    /// Whether the source calls it a picture.
    named: bool,
    width: Option<u64>,
    height: Option<u64>,
    dims: &'a [String],
    /// Whether a dimension of the frame has labels or a unit, as channels have and pixels have not.
    labelled: bool,
}

impl<'a> Hints<'a> {
    fn of(description: Option<&'a Description>) -> Self {
        let text = |name: &str| match description.and_then(|description| description.attrs.get(name)) {
            Some(Attr::String(text)) => text.trim().to_lowercase(),
            _ => String::new(),
        };
        let number = |name: &str| match description.and_then(|description| description.attrs.get(name)) {
            Some(Attr::Integer(number)) => u64::try_from(*number).ok(),
            Some(Attr::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        let dims = description.map_or(&[][..], |description| description.dims.get(1..).unwrap_or_default());
        let labelled = description.is_some_and(|description| {
            dims.iter().filter_map(|dim| description.axes.get(dim)).any(|axis| match axis {
                Axis::Linear { unit, .. } => !unit.is_empty(),
                Axis::Coord { data, .. } => data.is_some(),
            })
        });
        let encoding = text("encoding");
        let pixels = PixelFormat::of_encoding(&encoding).map(|(_, pixels)| pixels);
        let named = matches!(text("primitive").as_str(), "image" | "depth" | "masks") || pixels.is_some();
        Self { encoding, pixels, named, width: number("width"), height: number("height"), dims, labelled }
    }

    fn has_dims(&self, height: usize, width: usize) -> bool {
        let (Some(height), Some(width)) = (self.dims.get(height), self.dims.get(width)) else { return false };
        PLANE_DIMS.contains(&(height.to_lowercase().as_str(), width.to_lowercase().as_str()))
    }

    fn has_size(&self, height: u64, width: u64) -> bool {
        (self.height, self.width) == (Some(height), Some(width))
    }

    fn colours(&self, colours: u64) -> Option<Colours> {
        match colours {
            1 => Some(Colours::Gray),
            3 | 4 if matches!(self.pixels, Some(PixelFormat::Bgr | PixelFormat::Bgra)) => Some(Colours::Bgr),
            // An encoding of other numbers, such as `bgr16`.
            3 | 4 if self.encoding.starts_with("bgr") => Some(Colours::Bgr),
            3 | 4 => Some(Colours::Rgb),
            _ => None,
        }
    }
}

impl PictureFormat {
    /// The layout of a stream's frames if they are recognised as pictures: by what the sink found out and wrote into
    /// the description, or else by the shape and the source's attributes.
    pub fn of(format: &Format, description: Option<&Description>) -> Option<Self> {
        description
            .and_then(|description| Self::described(format, description))
            .or_else(|| Self::guess(format, description))
    }

    /// By the attribute in which a sink stores what it found out.
    fn described(format: &Format, description: &Description) -> Option<Self> {
        let Some(Attr::String(word)) = description.attrs.get(picture::ATTRIBUTE) else { return None };
        let pixels = PixelFormat::of_name(word)?;
        let colours = match pixels {
            PixelFormat::Gray => Colours::Gray,
            PixelFormat::Rgb | PixelFormat::Rgba => Colours::Rgb,
            PixelFormat::Bgr | PixelFormat::Bgra => Colours::Bgr,
            PixelFormat::Yuv420 => return Self::yuv420(format),
        };
        let count = pixels.channels()?;
        match *format.frame_shape() {
            [height, width] if count == 1 => Some(Self::interleaved(format, height, width, 1, colours)),
            [height, width, n] if n == count => Some(Self::interleaved(format, height, width, n, colours)),
            [n, height, width] if n == count => Some(Self::planes(format, height, width, colours)),
            _ => None,
        }
    }

    /// By the shape and the source's attributes, for writers that describe nothing more.
    fn guess(format: &Format, description: Option<&Description>) -> Option<Self> {
        let hints = Hints::of(description);
        let large = |height: u64, width: u64| height >= LEAST_PICTURE && width >= LEAST_PICTURE && !hints.labelled;
        let interleaved = |height: u64, width: u64, count: u64| {
            Some(Self::interleaved(format, height, width, count, hints.colours(count)?))
        };
        match *format.frame_shape() {
            [_, _] if hints.pixels == Some(PixelFormat::Yuv420) && Self::yuv420(format).is_some() => {
                Self::yuv420(format)
            }
            [height, width]
                if hints.named || hints.has_dims(0, 1) || hints.has_size(height, width) || large(height, width) =>
            {
                interleaved(height, width, 1)
            }
            [colours, height, width]
                if hints.colours(colours).is_some()
                    && (hints.dims.first().is_some_and(|dim| COLOUR_DIMS.contains(&dim.to_lowercase().as_str()))
                        || hints.has_dims(1, 2)
                        || (hints.colours(width).is_none() && large(height, width))) =>
            {
                Some(Self::planes(format, height, width, hints.colours(colours)?))
            }
            [height, width, colours]
                if hints.named
                    || hints.has_dims(0, 1)
                    || hints.has_size(height, width)
                    || format.dtype() == Dtype::U8 && !hints.labelled
                    || large(height, width) =>
            {
                interleaved(height, width, colours)
            }
            [samples] if hints.named => {
                let (height, width) = (hints.height?, hints.width?);
                let colours = samples.checked_div(height.checked_mul(width)?)?;
                (colours * height * width == samples).then(|| interleaved(height, width, colours)).flatten()
            }
            _ => None,
        }
    }

    /// Pixels of `count` samples each.
    fn interleaved(format: &Format, height: u64, width: u64, count: u64, colours: Colours) -> Self {
        let layout = Layout::Samples { row: (width * count) as usize, column: count as usize, colour: 1, colours };
        Self::new(format, height, width, layout)
    }

    /// One plane after the other, each of one colour.
    fn planes(format: &Format, height: u64, width: u64, colours: Colours) -> Self {
        let layout = Layout::Samples { row: width as usize, column: 1, colour: (height * width) as usize, colours };
        Self::new(format, height, width, layout)
    }

    fn yuv420(format: &Format) -> Option<Self> {
        match *format.frame_shape() {
            [rows, width] if format.dtype() == Dtype::U8 && rows % 3 == 0 && width % 2 == 0 => {
                Some(Self::new(format, rows / 3 * 2, width, Layout::Yuv420))
            }
            _ => None,
        }
    }

    fn new(format: &Format, height: u64, width: u64, layout: Layout) -> Self {
        Self { width: width as usize, height: height as usize, dtype: format.dtype(), layout }
    }

    /// The largest size with the picture's proportions within `width` and `height`, at least one pixel.
    pub fn fit(&self, width: usize, height: usize) -> (usize, usize) {
        let scale = (width as f64 / self.width as f64).min(height as f64 / self.height as f64);
        let scaled = |length: usize, most: usize| ((length as f64 * scale).round() as usize).clamp(1, most.max(1));
        (scaled(self.width, width), scaled(self.height, height))
    }

    /// The first of `frames` as `width` times `height` pixels. A pixel that covers many is the mean of some of them.
    pub fn pixels(&self, frames: &Frames, width: usize, height: usize) -> Pixels {
        numbers::visit(frames, self.dtype, Render { format: self, width: width.max(1), height: height.max(1) })
    }
}

struct Render<'a> {
    format: &'a PictureFormat,
    width: usize,
    height: usize,
}

/// Most samples along each direction that a pixel is the mean of.
const MOST_MEAN: usize = 3;

impl Visitor for Render<'_> {
    type Result = Pixels;

    fn visit<T: Copy>(self, samples: &[T], number: impl Fn(T) -> f64 + Copy) -> Pixels {
        let at = |index: usize| samples.get(index).map_or(f64::NAN, |&sample| number(sample));
        let Self { format, width, height } = self;
        let shade = Shade::of(format, samples.len(), at);
        let (columns, rows) = (spots(format.width, width), spots(format.height, height));
        let mut rgb = Vec::with_capacity(width * height);
        for ys in &rows {
            for xs in &columns {
                let (mut sum, mut count) = ([0.0; 3], 0.0);
                for &y in ys {
                    for &x in xs {
                        let colour = format.colour(x, y, at);
                        if colour.iter().all(|part| part.is_finite()) {
                            sum = std::array::from_fn(|i| sum[i] + colour[i]);
                            count += 1.0;
                        }
                    }
                }
                rgb.push(if count > 0.0 { shade.rgb(sum.map(|part| part / count)) } else { [0; 3] });
            }
        }
        Pixels { width, height, rgb }
    }
}

/// For each of `to` pixels along a direction, the `from` pixels of which it is the mean.
fn spots(from: usize, to: usize) -> Vec<Vec<usize>> {
    (0..to)
        .map(|i| {
            let start = i * from / to;
            let end = ((i + 1) * from / to).max(start + 1);
            let step = (end - start).div_ceil(MOST_MEAN);
            (start..end).step_by(step).collect()
        })
        .collect()
}

impl PictureFormat {
    /// Red, green and blue of a pixel, in the samples' own numbers.
    fn colour(&self, x: usize, y: usize, at: impl Fn(usize) -> f64) -> [f64; 3] {
        match self.layout {
            Layout::Samples { row, column, colour, colours } => {
                let start = y * row + x * column;
                let part = |i: usize| at(start + i * colour);
                match colours {
                    Colours::Gray => [part(0); 3],
                    Colours::Rgb => [part(0), part(1), part(2)],
                    Colours::Bgr => [part(2), part(1), part(0)],
                }
            }
            Layout::Yuv420 => {
                let (size, half) = (self.width * self.height, self.width / 2);
                let small = y / 2 * half + x / 2;
                let luma = at(y * self.width + x);
                let (u, v) = (at(size + small) - 128.0, at(size + size / 4 + small) - 128.0);
                [luma + 1.402 * v, luma - 0.344_136 * u - 0.714_136 * v, luma + 1.772 * u]
            }
        }
    }

    fn is_gray(&self) -> bool {
        matches!(self.layout, Layout::Samples { colours: Colours::Gray, .. })
    }
}

/// How samples become bytes.
enum Shade {
    /// A range from 0 to this value.
    Full(f64),
    /// A measured range; `true`: one sample per pixel, drawn as colours.
    Range(ValueRange, bool),
}

impl Shade {
    fn of(format: &PictureFormat, samples: usize, at: impl Fn(usize) -> f64) -> Self {
        match format.dtype {
            Dtype::U8 => return Self::Full(255.0),
            Dtype::Bool => return Self::Full(1.0),
            Dtype::U16 if !format.is_gray() => return Self::Full(65535.0),
            _ => {}
        }
        // Some thousand samples give the range; the most extreme hundredth at each end is left out.
        let mut some: Vec<f64> =
            (0..samples).step_by((samples / 4096).max(1)).map(at).filter(|value| value.is_finite()).collect();
        some.sort_by(f64::total_cmp);
        let (Some(&low), Some(&high)) = (some.get(some.len() / 100), some.get(some.len() - some.len().div_ceil(100)))
        else {
            return Self::Full(1.0);
        };
        if !format.is_gray() && low >= 0.0 && high <= 1.0 {
            return Self::Full(1.0);
        }
        let range = if high > low { ValueRange { low, high } } else { ValueRange::around(low, high) };
        Self::Range(range, format.is_gray())
    }

    fn rgb(&self, colour: [f64; 3]) -> [u8; 3] {
        let byte = |part: f64| (part * 255.0).round().clamp(0.0, 255.0) as u8;
        match self {
            Self::Full(full) => colour.map(|part| byte(part / full)),
            Self::Range(range, true) => heat(range.place(colour[0])),
            Self::Range(range, false) => colour.map(|part| byte(range.place(part))),
        }
    }
}

/// Dark blue over green to yellow, for 0 to 1: equal steps look equal, and the scale is readable without colours.
pub fn heat(place: f64) -> [u8; 3] {
    const STOPS: [[f64; 3]; 6] = [
        [68.0, 1.0, 84.0],
        [65.0, 68.0, 135.0],
        [42.0, 120.0, 142.0],
        [34.0, 168.0, 132.0],
        [122.0, 209.0, 81.0],
        [253.0, 231.0, 37.0],
    ];
    if place.is_nan() {
        return [0; 3];
    }
    let at = place.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let left = (at as usize).min(STOPS.len() - 2);
    let right = STOPS[left + 1];
    std::array::from_fn(|i| (STOPS[left][i] + (right[i] - STOPS[left][i]) * (at - left as f64)).round() as u8)
}

#[cfg(test)]
mod tests;
