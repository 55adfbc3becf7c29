//! Pictures: what `width`, `height` and `encoding` mean for samples that fit them.

use dora_shm_ring::Dtype;
use dora_shm_ring::internal::picture::PixelFormat;

use crate::params::read::Hints;

/// Names of a picture's dims.
pub(crate) const DIM_NAMES: [&str; 3] = ["y", "x", "c"];

/// Encodings that have to be decoded before they are an array.
const COMPRESSED: [&str; 22] = [
    "jpeg", "jpg", "jpe", "jp2", "jpeg2000", "png", "webp", "bmp", "gif", "tiff", "tif", "av1", "avif", "heic", "h264",
    "h265", "hevc", "vp8", "vp9", "mjpeg", "mpeg4", "avc",
];

/// Whether `encoding` names a compressed picture.
pub(crate) fn is_compressed(encoding: &str) -> bool {
    COMPRESSED.iter().any(|known| known.eq_ignore_ascii_case(encoding))
}

/// The element type that an encoding stands for, if it is one of pictures that are not compressed.
pub(crate) fn dtype_of(encoding: &str) -> Option<Dtype> {
    PixelFormat::of_encoding(encoding).map(|(dtype, _)| dtype)
}

/// The shape of the picture that a vector of `samples` samples is, if the hints fit it.
///
/// The hints may also describe another array, such as the picture in which a detector found its boxes. Then the length
/// does not fit.
pub(crate) fn shape(hints: &Hints, dtype: Dtype, samples: u64) -> Option<Vec<u64>> {
    let (width, height) = (hints.width?, hints.height?);
    let pixels = width.checked_mul(height)?;
    let Some((_, encoded)) = hints.encoding.as_deref().and_then(PixelFormat::of_encoding) else {
        if pixels == samples {
            return Some(vec![height, width]);
        }
        let channels = [3, 4].into_iter().find(|n| dtype == Dtype::U8 && pixels.checked_mul(*n) == Some(samples))?;
        return Some(vec![height, width, channels]);
    };
    match encoded.channels() {
        None if height % 2 == 0 && pixels.checked_add(pixels / 2)? == samples => Some(vec![height + height / 2, width]),
        Some(1) if pixels == samples => Some(vec![height, width]),
        Some(n) if n > 1 && pixels.checked_mul(n)? == samples => Some(vec![height, width, n]),
        // A depth image sent with a picture has the picture's encoding; masks have none.
        _ if dtype != Dtype::U8 && pixels == samples => Some(vec![height, width]),
        _ => None,
    }
}

/// What the samples of a frame of this shape are, if it is certain to be a picture. `dims` are the names of the frame's
/// dims.
///
/// The width and the height decide; without them, dims called `y` and `x`. Colours in an order that is not stated are
/// not certain.
pub(crate) fn pixels(hints: &Hints, dtype: Dtype, frame: &[u64], dims: &[String]) -> Option<PixelFormat> {
    let is_size = |height: u64, width: u64, y: usize, x: usize| match (hints.height, hints.width) {
        (Some(known_height), Some(known_width)) => (height, width) == (known_height, known_width),
        _ => (dims[y].as_str(), dims[x].as_str()) == (DIM_NAMES[0], DIM_NAMES[1]),
    };
    let encoded = hints.encoding.as_deref().and_then(PixelFormat::of_encoding).map(|(_, pixels)| pixels);
    let channels = encoded.and_then(PixelFormat::channels);
    match *frame {
        [rows, width] if encoded == Some(PixelFormat::Yuv420) && dtype == Dtype::U8 => {
            let is_whole = rows % 3 == 0 && width % 2 == 0;
            (is_whole && is_size(rows / 3 * 2, width, 0, 1)).then_some(PixelFormat::Yuv420)
        }
        // A plane of other numbers sent with a picture has the picture's encoding.
        [height, width] if encoded.is_none() || channels == Some(1) || dtype != Dtype::U8 => {
            is_size(height, width, 0, 1).then_some(PixelFormat::Gray)
        }
        [height, width, n] if Some(n) == channels => encoded.filter(|_| is_size(height, width, 0, 1)),
        // Planes, one per channel.
        [n, height, width] if Some(n) == channels => encoded.filter(|_| is_size(height, width, 1, 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(encoding: Option<&str>) -> Hints {
        Hints { width: Some(6), height: Some(4), encoding: encoding.map(str::to_owned), ..Hints::default() }
    }

    #[test]
    fn an_encoding_that_fits_the_length_gives_the_shape() {
        for (encoding, dtype, samples, expected) in [
            (Some("bgr8"), Dtype::U8, 72, Some(vec![4, 6, 3])),
            (Some("rgb8"), Dtype::U8, 72, Some(vec![4, 6, 3])),
            (Some("rgba8"), Dtype::U8, 96, Some(vec![4, 6, 4])),
            (Some("mono8"), Dtype::U8, 24, Some(vec![4, 6])),
            (Some("mono16"), Dtype::U16, 24, Some(vec![4, 6])),
            (Some("z16"), Dtype::U16, 24, Some(vec![4, 6])),
            (Some("yuv420"), Dtype::U8, 36, Some(vec![6, 6])),
            (None, Dtype::F64, 24, Some(vec![4, 6])),
            (None, Dtype::Bool, 24, Some(vec![4, 6])),
            (None, Dtype::U8, 72, Some(vec![4, 6, 3])),
            (Some("bgr8"), Dtype::F64, 24, Some(vec![4, 6])),
            (Some("jointstate"), Dtype::F32, 7, None),
            (Some("bgr8"), Dtype::U8, 24, None),
            (Some("bgr8"), Dtype::F32, 18, None),
            (Some("yuv420"), Dtype::U8, 72, None),
            (None, Dtype::Bool, 72, None),
        ] {
            assert_eq!(shape(&hints(encoding), dtype, samples), expected, "{encoding:?} {dtype} {samples}");
        }
        assert_eq!(shape(&Hints { height: None, ..hints(None) }, Dtype::U8, 24), None);
        let huge = Hints { width: Some(u64::MAX), ..hints(Some("bgr8")) };
        assert_eq!(shape(&huge, Dtype::U8, 24), None);
    }

    #[test]
    fn a_frame_that_fits_its_size_and_encoding_is_certain_to_be_a_picture() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let (plane, colours, other) = (names(&["y", "x"]), names(&["y", "x", "c"]), names(&["a", "b", "c"]));
        let unsized_hints = |encoding| Hints { width: None, height: None, ..hints(encoding) };
        use Dtype::*;
        use PixelFormat::*;
        for (hints, dtype, frame, dims, expected) in [
            (hints(Some("bgr8")), U8, &[4, 6, 3][..], &other, Some(Bgr)),
            (hints(Some("RGB8")), U8, &[4, 6, 3], &colours, Some(Rgb)),
            (hints(Some("8UC3")), U8, &[4, 6, 3], &colours, Some(Bgr)),
            (hints(Some("rgba8")), U8, &[4, 6, 4], &colours, Some(Rgba)),
            (hints(Some("8UC4")), U8, &[4, 6, 4], &colours, Some(Bgra)),
            (hints(Some("rgb8")), U8, &[3, 4, 6], &other, Some(Rgb)),
            (hints(Some("mono8")), U8, &[4, 6, 1], &colours, Some(Gray)),
            (hints(Some("gray8")), U8, &[4, 6], &plane, Some(Gray)),
            (hints(Some("16UC1")), U16, &[4, 6], &plane, Some(Gray)),
            (hints(Some("yuv420")), U8, &[6, 6], &plane, Some(Yuv420)),
            (hints(Some("bgr8")), F64, &[4, 6], &plane, Some(Gray)),
            (hints(None), Bool, &[4, 6], &plane, Some(Gray)),
            (unsized_hints(Some("bgr8")), U8, &[5, 7, 3], &colours, Some(Bgr)),
            (unsized_hints(None), F32, &[5, 7], &plane, Some(Gray)),
            // A different size, a different count, and colours in an order that is not stated.
            (hints(Some("bgr8")), U8, &[5, 7, 3], &colours, None),
            (hints(Some("bgr8")), U8, &[4, 6], &plane, None),
            (hints(Some("bgr8")), F32, &[18], &other, None),
            (hints(None), U8, &[4, 6, 3], &colours, None),
            (unsized_hints(Some("bgr8")), U8, &[5, 7, 3], &other, None),
            (unsized_hints(None), F32, &[5, 7], &other, None),
        ] {
            assert_eq!(pixels(&hints, dtype, frame, dims), expected, "{hints:?} {dtype} {frame:?} {dims:?}");
        }
    }

    #[test]
    fn compressed_encodings_are_known_by_name() {
        for encoding in ["jpeg", "JPEG", "png", "webp", "bmp", "av1", "avif", "jpg", "jpe", "h264"] {
            assert!(is_compressed(encoding), "{encoding}");
            assert_eq!(dtype_of(encoding), None);
        }
        assert!(!is_compressed("bgr8") && !is_compressed("jointstate"));
    }
}
