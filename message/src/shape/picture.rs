//! Pictures: what `width`, `height` and `encoding` say of a vector, when its length fits them.

use dora_shm_ring::Dtype;

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
    COMPRESSED.iter().any(|name| name.eq_ignore_ascii_case(encoding))
}

/// The element type that an encoding means, when it is one of pictures that are not compressed.
pub(crate) fn dtype_of(encoding: &str) -> Option<Dtype> {
    known(encoding).map(|(dtype, _)| dtype)
}

enum Planes {
    /// Values per pixel.
    Channels(u64),
    /// A plane of brightness over two of a quarter each.
    Yuv420,
}

fn known(encoding: &str) -> Option<(Dtype, Planes)> {
    let is = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(encoding));
    if is(&["mono8", "gray8", "8UC1"]) {
        Some((Dtype::U8, Planes::Channels(1)))
    } else if is(&["bgr8", "rgb8", "8UC3"]) {
        Some((Dtype::U8, Planes::Channels(3)))
    } else if is(&["bgra8", "rgba8", "8UC4"]) {
        Some((Dtype::U8, Planes::Channels(4)))
    } else if is(&["mono16", "z16", "16UC1"]) {
        Some((Dtype::U16, Planes::Channels(1)))
    } else if is(&["32FC1"]) {
        Some((Dtype::F32, Planes::Channels(1)))
    } else if is(&["yuv420"]) {
        Some((Dtype::U8, Planes::Yuv420))
    } else {
        None
    }
}

/// The shape of the picture that a vector of `samples` samples is, if the hints fit it.
///
/// They may as well describe the picture that a detector's boxes were found in: then the length does not fit.
pub(crate) fn shape(hints: &Hints, dtype: Dtype, samples: u64) -> Option<Vec<u64>> {
    let (width, height) = (hints.width?, hints.height?);
    let pixels = width.checked_mul(height)?;
    match hints.encoding.as_deref().and_then(known) {
        Some((_, Planes::Yuv420)) if height % 2 == 0 && pixels.checked_add(pixels / 2)? == samples => {
            return Some(vec![height + height / 2, width]);
        }
        Some((_, Planes::Channels(1))) if pixels == samples => return Some(vec![height, width]),
        Some((_, Planes::Channels(n))) if n > 1 && pixels.checked_mul(n)? == samples => {
            return Some(vec![height, width, n]);
        }
        // Depth beside a picture carries the picture's encoding, masks none at all.
        Some(_) if dtype != Dtype::U8 && pixels == samples => return Some(vec![height, width]),
        Some(_) => return None,
        None => {}
    }
    if pixels == samples {
        return Some(vec![height, width]);
    }
    let channels = [3, 4].into_iter().find(|n| dtype == Dtype::U8 && pixels.checked_mul(*n) == Some(samples))?;
    Some(vec![height, width, channels])
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
    fn compressed_encodings_are_known_by_name() {
        for encoding in ["jpeg", "JPEG", "png", "webp", "bmp", "av1", "avif", "jpg", "jpe", "h264"] {
            assert!(is_compressed(encoding), "{encoding}");
            assert_eq!(dtype_of(encoding), None);
        }
        assert!(!is_compressed("bgr8") && !is_compressed("jointstate"));
    }
}
