//! Structures in shared memory, each declared once as a table of fields.
//!
//! Each table has the rows of the same table in `SPEC.md`: offset, name, type. [`fields!`] makes from it
//!
//! - a struct with the values of all fields, which is a private copy of the structure, with `encode` and `decode`;
//! - the module `at`, with the place of each field under the field's name;
//! - a method of [`InPlace`] for each word that is accessed in place, as an atomic;
//! - checks at compile time: no field overlaps the one before it or leaves the structure, and the atomic words are
//!   aligned to their size;
//! - `TABLE`, which a test compares with `SPEC.md`.
//!
//! All numbers are little-endian. The bytes between the fields are zero.

use std::marker::PhantomData;

/// Declares a structure. A row is `offset name: type`. `as atomic` marks a word that changes while other processes load
/// it, `as last` the word whose Release store makes the whole structure valid.
macro_rules! fields {
    (
        $(#[$attribute:meta])*
        pub(crate) struct $Structure:ident, $length:literal bytes;
        $($(#[$doc:meta])* $offset:literal $field:ident: $type:ty $(as $kind:ident)?,)+
    ) => {
        $(#[$attribute])*
        pub(crate) struct $Structure {
            $($(#[$doc])* pub $field: $type,)+
        }

        /// The place of each field, under the field's name.
        #[allow(non_upper_case_globals, dead_code, unused_imports)]
        pub(crate) mod at {
            use super::*;
            $(pub const $field: $crate::layout::fields::Field<$type> = $crate::layout::fields::Field::at($offset);)+
        }

        impl $Structure {
            /// Bytes of the structure.
            pub const LENGTH: usize = $length;

            /// Every field, in order.
            pub const TABLE: &[$crate::layout::fields::Row] = &[$(
                $crate::layout::fields::Row {
                    name: stringify!($field),
                    offset: at::$field.offset(),
                    bytes: at::$field.bytes(),
                    kind: fields!(@kind $($kind)?),
                    #[cfg(test)]
                    type_name: <$type as $crate::layout::fields::Value>::type_name,
                },
            )+];

            #[inline]
            #[allow(dead_code)]
            pub fn decode(bytes: &[u8; Self::LENGTH]) -> Self {
                Self { $($field: at::$field.get(bytes),)+ }
            }

            #[inline]
            #[allow(dead_code)]
            pub fn encode(&self) -> [u8; Self::LENGTH] {
                let mut bytes = [0; Self::LENGTH];
                $(at::$field.put(&mut bytes, self.$field);)+
                bytes
            }
        }

        impl Default for $Structure {
            /// All bytes zero.
            fn default() -> Self {
                Self::decode(&[0; Self::LENGTH])
            }
        }

        const _: () = $crate::layout::fields::check($Structure::TABLE, $Structure::LENGTH);

        #[cfg(not(loom))]
        impl $crate::layout::fields::InPlace<$Structure> {
            $($(fields!(@word $kind $field: $type);)?)+
        }
    };
    (@kind) => { $crate::layout::fields::Kind::Fixed };
    (@kind atomic) => { $crate::layout::fields::Kind::Atomic };
    (@kind last) => { $crate::layout::fields::Kind::Last };
    (@word $kind:ident $field:ident: $type:ty) => {
        #[inline]
        pub fn $field(&self) -> &<$type as $crate::layout::fields::Word>::Atomic {
            // SAFETY: `check` has found the field inside the structure and aligned, and `InPlace::new` promises that
            // the structure is there. Once other processes can reach the memory, the word is only accessed as an
            // atomic.
            unsafe { <$type as $crate::layout::fields::Word>::at(self.start().add(at::$field.offset())) }
        }
    };
}
pub(crate) use fields;

/// What a field can hold. It has `size_of` bytes in memory.
pub(crate) trait Value: Copy {
    /// The value in `bytes`, which are as long as the value.
    fn load(bytes: &[u8]) -> Self;
    /// Stores the value to `bytes`, which are as long as the value.
    fn store(self, bytes: &mut [u8]);
    /// The type as `SPEC.md` writes it.
    #[cfg(test)]
    fn type_name() -> String;
}

macro_rules! number {
    ($($number:ident)+) => {$(
        impl Value for $number {
            #[inline]
            fn load(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<Self>()];
                array.copy_from_slice(bytes);
                Self::from_le_bytes(array)
            }

            #[inline]
            fn store(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }

            #[cfg(test)]
            fn type_name() -> String {
                stringify!($number).to_owned()
            }
        }
    )+};
}
number!(u8 u16 u32 u64 i64 f64);

impl<T: Value, const N: usize> Value for [T; N] {
    #[inline]
    fn load(bytes: &[u8]) -> Self {
        std::array::from_fn(|i| T::load(&bytes[i * size_of::<T>()..(i + 1) * size_of::<T>()]))
    }

    #[inline]
    fn store(self, bytes: &mut [u8]) {
        for (value, bytes) in self.into_iter().zip(bytes.chunks_exact_mut(size_of::<T>())) {
            value.store(bytes);
        }
    }

    #[cfg(test)]
    fn type_name() -> String {
        match T::type_name().as_str() {
            "u8" => "bytes".to_owned(),
            item => format!("{item}[{N}]"),
        }
    }
}

/// The place of a field of type `T` in its structure.
pub(crate) struct Field<T> {
    offset: usize,
    value: PhantomData<T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> Field<T> {
    pub const fn at(offset: usize) -> Self {
        Self { offset, value: PhantomData }
    }

    pub const fn offset(self) -> usize {
        self.offset
    }

    pub const fn bytes(self) -> usize {
        size_of::<T>()
    }

    /// Where the field ends.
    pub const fn end(self) -> usize {
        self.offset + size_of::<T>()
    }
}

impl<T: Value> Field<T> {
    /// The field of the structure that `bytes` begin with.
    #[inline]
    pub fn get(self, bytes: &[u8]) -> T {
        T::load(&bytes[self.offset..self.end()])
    }

    #[inline]
    pub fn put(self, bytes: &mut [u8], value: T) {
        value.store(&mut bytes[self.offset..self.end()]);
    }
}

/// How a field may be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Fixed before other processes can reach the structure.
    Fixed,
    /// Changes while other processes load it.
    Atomic,
    /// Fixed, and stored after everything else.
    Last,
}

/// One row of a structure's table.
#[derive(Clone, Copy)]
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) struct Row {
    pub name: &'static str,
    pub offset: usize,
    pub bytes: usize,
    pub kind: Kind,
    #[cfg(test)]
    pub type_name: fn() -> String,
}

/// Fails the build when a field overlaps the one before it, leaves the structure or, being atomic, is not aligned.
pub(crate) const fn check(table: &[Row], length: usize) {
    let mut free = 0;
    let mut i = 0;
    while i < table.len() {
        let Row { offset, bytes, kind, .. } = table[i];
        assert!(offset >= free, "a field overlaps the one before it");
        assert!(matches!(kind, Kind::Fixed) || offset.is_multiple_of(bytes), "an atomic field is not aligned");
        free = offset + bytes;
        i += 1;
    }
    assert!(free <= length, "a field leaves the structure");
}

/// A value that is accessed as an atomic in place.
#[cfg(not(loom))]
pub(crate) trait Word {
    type Atomic;
    /// # Safety
    /// `start` is valid and aligned for the atomic as long as the reference lives, and nothing else accesses the memory
    /// in that time.
    unsafe fn at<'a>(start: *mut u8) -> &'a Self::Atomic;
}

#[cfg(not(loom))]
macro_rules! word {
    ($($number:ident $Atomic:ident)+) => {$(
        impl Word for $number {
            type Atomic = std::sync::atomic::$Atomic;

            #[inline]
            unsafe fn at<'a>(start: *mut u8) -> &'a Self::Atomic {
                // SAFETY: the caller's promise.
                unsafe { Self::Atomic::from_ptr(start.cast()) }
            }
        }
    )+};
}
#[cfg(not(loom))]
word!(u8 AtomicU8 u32 AtomicU32 u64 AtomicU64);

/// A structure in memory that other processes may access at the same time. Only its atomic words are accessed through
/// it.
#[cfg(not(loom))]
pub(crate) struct InPlace<S> {
    start: *mut u8,
    structure: PhantomData<S>,
}

#[cfg(not(loom))]
impl<S> Clone for InPlace<S> {
    fn clone(&self) -> Self {
        *self
    }
}

#[cfg(not(loom))]
impl<S> Copy for InPlace<S> {}

// SAFETY: only atomics are accessed through it.
#[cfg(not(loom))]
unsafe impl<S> Send for InPlace<S> {}
// SAFETY: as above.
#[cfg(not(loom))]
unsafe impl<S> Sync for InPlace<S> {}

#[cfg(not(loom))]
impl<S> InPlace<S> {
    /// # Safety
    /// `start` is valid for the structure's `LENGTH` bytes, aligned to 128, as long as the value or a copy of it is
    /// used.
    #[inline]
    pub unsafe fn new(start: *mut u8) -> Self {
        Self { start, structure: PhantomData }
    }

    /// Start of the structure.
    #[inline]
    pub fn start(&self) -> *mut u8 {
        self.start
    }
}

#[cfg(test)]
mod tests {
    use crate::ezmsg::header::RawMeta;
    use crate::layout::{RawFooter, RawHeader, RawTrailer, Record};

    use super::{Kind, Row, Value as _, check};

    /// `code` decodes and encodes again.
    fn survives<const N: usize>(table: &[Row], code: fn(&[u8; N]) -> [u8; N]) {
        let mut bytes = [0; N];
        for Row { offset, bytes: length, .. } in table.iter().copied() {
            for (i, byte) in bytes[offset..offset + length].iter_mut().enumerate() {
                *byte = (offset + 7 * i) as u8 | 1;
            }
        }
        assert_eq!(code(&bytes), bytes);
        let decoded_again = code(&[0xFF; N]);
        for (i, byte) in decoded_again.into_iter().enumerate() {
            let in_field = table.iter().any(|row| (row.offset..row.offset + row.bytes).contains(&i));
            assert_eq!(byte, if in_field { 0xFF } else { 0 }, "byte {i}");
        }
    }

    #[test]
    fn every_field_of_every_structure_survives_encoding_and_the_bytes_between_are_zero() {
        survives(RawHeader::TABLE, |bytes| RawHeader::decode(bytes).encode());
        survives(RawTrailer::TABLE, |bytes| RawTrailer::decode(bytes).encode());
        survives(RawFooter::TABLE, |bytes| RawFooter::decode(bytes).encode());
        survives(Record::TABLE, |bytes| Record::decode(bytes).encode());
        survives(RawMeta::TABLE, |bytes| RawMeta::decode(bytes).encode());
    }

    #[test]
    fn tables_with_fields_that_overlap_leave_the_structure_or_are_misaligned_are_refused() {
        let row = |offset, bytes, kind| Row { name: "field", offset, bytes, kind, type_name: u64::type_name };
        let passes = |table: &[Row]| std::panic::catch_unwind(|| check(table, 32)).is_ok();
        assert!(passes(&[row(0, 4, Kind::Fixed), row(4, 8, Kind::Fixed), row(24, 8, Kind::Atomic)]));
        assert!(!passes(&[row(0, 8, Kind::Fixed), row(4, 8, Kind::Fixed)]), "overlap");
        assert!(!passes(&[row(28, 8, Kind::Fixed)]), "beyond the end");
        assert!(!passes(&[row(4, 8, Kind::Atomic)]) && !passes(&[row(4, 8, Kind::Last)]), "misaligned");
    }
}
