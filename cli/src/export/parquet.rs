//! Parquet: one row per frame, one file per generation.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tempfile::NamedTempFile;

use super::{Exported, Files, Sink};
use crate::recording::{Batch, Generation, frame_field, frames_array, sent_type};

/// Encoded bytes of a row group, which is kept in memory.
const GROUP_BYTES: usize = 64 << 20;

struct Writer {
    schema: SchemaRef,
    rows: ArrowWriter<File>,
    /// Frames lost before the next one. A message without frames has no row, so its losses go to the next frame.
    owed: u64,
}

pub struct Parquet<M> {
    files: Files<M, Writer>,
}

impl<M: Fn() -> eyre::Result<NamedTempFile>> Parquet<M> {
    pub fn new(make: M) -> Self {
        Self { files: Files::new(make) }
    }
}

fn end(writer: Writer) -> eyre::Result<()> {
    writer.rows.close()?;
    Ok(())
}

impl<M: Fn() -> eyre::Result<NamedTempFile>> Sink for Parquet<M> {
    fn begin(&mut self, generation: &Arc<Generation>) -> eyre::Result<()> {
        let recorded = generation.schema().map_err(eyre::Report::msg)?;
        let schema = Arc::new(schema(generation, recorded.metadata().clone())?);
        let begin = |file| {
            let rows = ArrowWriter::try_new(file, schema.clone(), Some(properties(recorded.metadata())))?;
            Ok(Writer { schema, rows, owed: 0 })
        };
        self.files.next(begin, end)
    }

    fn write(&mut self, batch: &Batch) -> eyre::Result<()> {
        let Some((_, writer)) = &mut self.files.current else { return Ok(()) };
        writer.rows.write(&rows(batch, writer.schema.clone(), &mut writer.owed)?)?;
        if writer.rows.in_progress_size() >= GROUP_BYTES {
            writer.rows.flush()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> eyre::Result<Vec<Exported>> {
        self.files.end(end)?;
        Ok(self.files.done.into_iter().map(Exported::from).collect())
    }
}

fn schema(generation: &Generation, metadata: HashMap<String, String>) -> eyre::Result<Schema> {
    let frame = frame_field(&generation.format).map_err(eyre::Report::msg)?;
    let description = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fields = vec![
        Field::new("time", DataType::Float64, false),
        Field::new("position", DataType::UInt64, false),
        Field::new("chunk", DataType::UInt64, false),
        Field::new("lost", DataType::UInt64, false),
        Field::new("sent", sent_type(), false),
        Field::new("mono_ns", DataType::UInt64, false),
        Field::new("description", description, true),
        frame.as_ref().clone().with_name("samples"),
    ];
    Ok(Schema::new_with_metadata(fields, metadata))
}

fn properties(metadata: &HashMap<String, String>) -> WriterProperties {
    let members = metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    // Samples rarely repeat, and are not searched for.
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_column_dictionary_enabled(ColumnPath::from("description"), true)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_statistics_enabled(ColumnPath::from("time"), EnabledStatistics::Chunk)
        .set_column_statistics_enabled(ColumnPath::from("position"), EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(members))
        .build()
}

/// The frames of a batch's messages, each with the data of its message.
fn rows(batch: &Batch, schema: SchemaRef, owed: &mut u64) -> eyre::Result<RecordBatch> {
    let frames = batch.times().len();
    let (mut positions, mut chunks, mut lost) =
        (Vec::with_capacity(frames), Vec::with_capacity(frames), Vec::with_capacity(frames));
    let (mut sent, mut mono) = (Vec::with_capacity(frames), Vec::with_capacity(frames));
    let mut descriptions = StringDictionaryBuilder::<Int32Type>::new();
    let mut last: Option<(*const dora_shm_ring::Description, String)> = None;
    for row in batch.rows() {
        let (info, count) = (row.info, row.times.len());
        *owed = owed.saturating_add(info.lost);
        positions.extend((0..count as u64).map(|frame| info.position.wrapping_add(frame)));
        chunks.extend(std::iter::repeat_n(info.chunk.unwrap_or_default(), count));
        lost.extend((0..count).map(|_| std::mem::take(owed)));
        sent.extend(std::iter::repeat_n(info.sent_ns, count));
        mono.extend(std::iter::repeat_n(info.mono_ns, count));
        match row.description {
            None => descriptions.append_nulls(count),
            Some(description) => {
                let known = last.take().filter(|(of, _)| *of == Arc::as_ptr(description));
                let (of, json) = known.unwrap_or_else(|| {
                    let json = String::from_utf8_lossy(&description.to_json()).into_owned();
                    (Arc::as_ptr(description), json)
                });
                descriptions.append_n(&json, count)?;
                last = Some((of, json));
            }
        }
    }
    let samples = frames_array(schema.field(7).data_type(), batch.samples().clone(), frames)?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(batch.times().to_vec())),
        Arc::new(UInt64Array::from(positions)),
        Arc::new(UInt64Array::from(chunks)),
        Arc::new(UInt64Array::from(lost)),
        Arc::new(TimestampNanosecondArray::from(sent).with_timezone("UTC")),
        Arc::new(UInt64Array::from(mono)),
        Arc::new(descriptions.finish()),
        samples,
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}
