//! A metadata segment's footer: its last 64 bytes.

use super::fields::fields;

fields! {
    /// A private copy of a footer, unchecked.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct RawFooter, 64 bytes;
    0   magic: u64,
    8   major: u16,
    10  minor: u16,
    12  must_understand: u32,
    16  stream_id: u64,
    24  meta_generation: u32,
    /// Bytes of the pickle, with its padding.
    32  aux_len: u64,
    40  json_offset: u64,
    48  json_len: u64,
}

pub(crate) const LENGTH: u64 = RawFooter::LENGTH as u64;
pub(crate) const MAGIC_VALUE: u64 = u64::from_le_bytes(*b"DORASHMM");
