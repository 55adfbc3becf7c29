//! The header of a numpy array, and its types.

use dora_shm_ring::Dtype;

/// Bytes of every header: room for the shape of any array.
pub const HEADER_BYTES: usize = 320;

/// numpy's name of a type, with its byte order.
pub fn descr(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "|b1",
        Dtype::I8 => "|i1",
        Dtype::U8 => "|u1",
        Dtype::I16 => "<i2",
        Dtype::U16 => "<u2",
        Dtype::I32 => "<i4",
        Dtype::U32 => "<u4",
        Dtype::I64 => "<i8",
        Dtype::U64 => "<u8",
        Dtype::F16 => "<f2",
        Dtype::F32 => "<f4",
        Dtype::F64 => "<f8",
    }
}

/// The header (version 1.0) of an array in C order.
pub fn header(descr: &str, shape: &[u64]) -> [u8; HEADER_BYTES] {
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    let lengths: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let members = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", lengths.trim_end());
    let mut header = [b' '; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&(HEADER_BYTES as u16 - 10).to_le_bytes());
    header[10..10 + members.len()].copy_from_slice(members.as_bytes());
    header[HEADER_BYTES - 1] = b'\n';
    header
}

/// An array of texts: its type, and its bytes.
pub fn texts(texts: &[String]) -> (String, Vec<u8>) {
    let length = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
    let mut bytes = Vec::with_capacity(4 * length * texts.len());
    for text in texts {
        let end = bytes.len() + 4 * length;
        bytes.extend(text.chars().flat_map(|char| u32::from(char).to_le_bytes()));
        bytes.resize(end, 0);
    }
    (format!("<U{length}"), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_that_numpy_writes_but_for_their_length() {
        let text = |shape: &[u64]| String::from_utf8_lossy(&header("<f4", shape)[10..]).trim_end().to_owned();
        assert_eq!(text(&[]), "{'descr': '<f4', 'fortran_order': False, 'shape': (), }");
        assert_eq!(text(&[7]), "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }");
        assert_eq!(text(&[7, 2]), "{'descr': '<f4', 'fortran_order': False, 'shape': (7, 2,), }");
        // The longest: a frame of eight dimensions.
        assert_eq!(header("<f4", &[u64::MAX; 9]).len() % 64, 0);
    }

    #[test]
    fn texts_are_padded_to_the_longest() {
        assert_eq!(texts(&["a".into(), "µV".into()]), ("<U2".into(), [97, 0, 181, 86].map(u32::to_le_bytes).concat()));
    }
}
