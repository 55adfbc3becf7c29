//! Pictures: what a description states about their samples, and the names of their encodings.
//!
//! A sink and the command line share this table: the first describes pictures, the second draws them, also those of
//! writers that describe nothing but an encoding.

use super::dtype::Dtype;

/// The attribute by which a description states what the samples of a picture are: a [`PixelFormat`]'s name.
pub const ATTRIBUTE: &str = "_picture";

/// What the samples of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// One number per pixel: brightness, depth, or a mask.
    Gray,
    /// Red, green and blue.
    Rgb,
    /// Blue, green and red.
    Bgr,
    /// Red, green, blue and opacity.
    Rgba,
    /// Blue, green, red and opacity.
    Bgra,
    /// A plane of brightness, and below it two planes of colour, each of a quarter of its size.
    Yuv420,
}

/// The encodings of pictures that are plain arrays. `8UC3` and `8UC4` do not name the order of their channels: it is
/// that of OpenCV, where these names come from.
pub const ENCODINGS: [(&[&str], Dtype, PixelFormat); 8] = [
    (&["mono8", "gray8", "8UC1"], Dtype::U8, PixelFormat::Gray),
    (&["mono16", "z16", "16UC1"], Dtype::U16, PixelFormat::Gray),
    (&["32FC1"], Dtype::F32, PixelFormat::Gray),
    (&["rgb8"], Dtype::U8, PixelFormat::Rgb),
    (&["bgr8", "8UC3"], Dtype::U8, PixelFormat::Bgr),
    (&["rgba8"], Dtype::U8, PixelFormat::Rgba),
    (&["bgra8", "8UC4"], Dtype::U8, PixelFormat::Bgra),
    (&["yuv420"], Dtype::U8, PixelFormat::Yuv420),
];

impl PixelFormat {
    const ALL: [Self; 6] = [Self::Gray, Self::Rgb, Self::Bgr, Self::Rgba, Self::Bgra, Self::Yuv420];

    /// The element type and the samples of an encoding, in upper or lower case. `None` if it is unknown or compressed.
    pub fn of_encoding(encoding: &str) -> Option<(Dtype, Self)> {
        let is_named = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(encoding));
        ENCODINGS.iter().find(|(names, ..)| is_named(names)).map(|(_, dtype, pixels)| (*dtype, *pixels))
    }

    /// The word for it in a description.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gray => "gray",
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
            Self::Rgba => "rgba",
            Self::Bgra => "bgra",
            Self::Yuv420 => "yuv420",
        }
    }

    /// The one whose [`name`](Self::name) is `word`.
    pub fn of_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pixels| pixels.name() == word)
    }

    /// Numbers per pixel. `None`: the planes have different sizes.
    pub fn channels(self) -> Option<u64> {
        match self {
            Self::Gray => Some(1),
            Self::Rgb | Self::Bgr => Some(3),
            Self::Rgba | Self::Bgra => Some(4),
            Self::Yuv420 => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_found_in_any_case_and_its_pixel_format_by_its_name() {
        for (names, dtype, pixels) in ENCODINGS {
            for name in names {
                for written in [name.to_lowercase(), name.to_uppercase()] {
                    assert_eq!(PixelFormat::of_encoding(&written), Some((dtype, pixels)), "{written}");
                }
            }
            assert_eq!(PixelFormat::of_name(pixels.name()), Some(pixels));
        }
        assert_eq!(PixelFormat::of_encoding("jpeg"), None);
        assert_eq!(PixelFormat::of_name("RGB"), None);
    }
}
