//! CSV: a header of labels, then one line per frame. A line of anything else would break programs that read it, so a
//! file beside it says what the times are.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;

use dora_shm_ring::Dtype;
use half::f16;
use tempfile::NamedTempFile;

use super::{Exported, Files, Sink, about, labels};
use crate::recording::{Batch, Generation};

type Writer = csv::Writer<BufWriter<File>>;

pub struct Csv<M> {
    files: Files<M, Writer>,
    /// The files beside those of `files`.
    beside: Vec<NamedTempFile>,
}

impl<M: Fn() -> eyre::Result<NamedTempFile>> Csv<M> {
    pub fn new(make: M) -> Self {
        Self { files: Files::new(make), beside: Vec::new() }
    }
}

fn end(mut writer: Writer) -> eyre::Result<()> {
    Ok(writer.flush()?)
}

impl<M: Fn() -> eyre::Result<NamedTempFile>> Sink for Csv<M> {
    fn begin(&mut self, generation: &Arc<Generation>) -> eyre::Result<()> {
        let description = generation.description.as_ref();
        let begin = |file| {
            let mut writer = csv::Writer::from_writer(BufWriter::with_capacity(1 << 20, file));
            writer.write_field(labels::dim(description, 0))?;
            for name in labels::of_samples(description, &generation.format) {
                writer.write_field(name)?;
            }
            writer.write_record(None::<&[u8]>)?;
            Ok(writer)
        };
        self.files.next(begin, end)?;
        let mut beside = self.files.make()?;
        writeln!(beside, "{:#}", about::generation_with_description(generation))?;
        self.beside.push(beside);
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> eyre::Result<()> {
        let Some((_, writer)) = &mut self.files.current else { return Ok(()) };
        let format = &batch.generation().format;
        let text = text_of(format.dtype());
        let mut field = String::new();
        for row in batch.rows() {
            for (time, frame) in row.times.iter().zip(row.samples.chunks_exact(format.frame_bytes() as usize)) {
                field.clear();
                float(&mut field, time);
                writer.write_field(&field)?;
                for sample in frame.chunks_exact(format.dtype().size()) {
                    field.clear();
                    text(&mut field, sample);
                    writer.write_field(&field)?;
                }
                writer.write_record(None::<&[u8]>)?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> eyre::Result<Vec<Exported>> {
        self.files.end(end)?;
        let pairs = self.files.done.into_iter().zip(self.beside);
        Ok(pairs.map(|(file, beside)| Exported { file, beside: Some(beside) }).collect())
    }
}

/// The shortest text that reads back as the same number.
fn float(text: &mut String, value: &impl std::fmt::Debug) {
    use std::fmt::Write as _;
    // Writing to a string cannot fail.
    let _ = write!(text, "{value:?}");
}

/// How a sample, given as its bytes, is written.
fn text_of(dtype: Dtype) -> fn(&mut String, &[u8]) {
    macro_rules! as_number {
        ($type:ty) => {
            |text, bytes| {
                let value = <$type>::from_le_bytes(bytes.try_into().expect("a sample's bytes"));
                float(text, &value);
            }
        };
    }
    match dtype {
        Dtype::Bool | Dtype::U8 => as_number!(u8),
        Dtype::I8 => as_number!(i8),
        Dtype::I16 => as_number!(i16),
        Dtype::U16 => as_number!(u16),
        Dtype::I32 => as_number!(i32),
        Dtype::U32 => as_number!(u32),
        Dtype::I64 => as_number!(i64),
        Dtype::U64 => as_number!(u64),
        Dtype::F16 => |text, bytes| {
            let value = f16::from_le_bytes(bytes.try_into().expect("a sample's bytes"));
            float(text, &f32::from(value));
        },
        Dtype::F32 => as_number!(f32),
        Dtype::F64 => as_number!(f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_so_that_they_read_back_the_same() {
        let written = |dtype: Dtype, bytes: &[u8]| {
            let mut text = String::new();
            text_of(dtype)(&mut text, bytes);
            text
        };
        assert_eq!(written(Dtype::F32, &0.1_f32.to_le_bytes()), "0.1");
        assert_eq!(written(Dtype::F64, &1e300_f64.to_le_bytes()), "1e300");
        assert_eq!(written(Dtype::F64, &f64::NAN.to_le_bytes()), "NaN");
        assert_eq!(written(Dtype::F16, &f16::from_f32(-1.5).to_le_bytes()), "-1.5");
        assert_eq!(written(Dtype::I64, &i64::MIN.to_le_bytes()), i64::MIN.to_string());
        assert_eq!(written(Dtype::Bool, &[1]), "1");
    }
}
