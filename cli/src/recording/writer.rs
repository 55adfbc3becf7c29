//! Writes a recording: whole streams, batch by batch, so that the file can be read at any moment.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use arrow_buffer::Buffer;
use arrow_ipc::writer::StreamEncoder;
use arrow_schema::SchemaRef;

use super::{BatchBuilder, Generation};

/// A recording that is being written.
pub struct RecordingWriter {
    file: File,
    /// Where the last whole batch ends.
    bytes: u64,
    /// The encoder of the generation that is being written.
    encoder: Option<StreamEncoder>,
    /// Bytes of the generation that are still to be written besides its batches: its schema, and the mark of its end.
    owed: u64,
}

/// Bytes of the mark that ends a stream.
const END_BYTES: u64 = 8;

impl RecordingWriter {
    /// Writes into `file`, which is empty.
    pub fn new(file: File) -> Self {
        Self { file, bytes: 0, encoder: None, owed: 0 }
    }

    /// Ends the generation before, and begins the stream of `generation`. Returns where its rows are gathered.
    ///
    /// # Errors
    /// That of the file, or [`io::ErrorKind::Unsupported`] if its frames have more samples than can be recorded.
    pub fn begin(&mut self, generation: &Generation) -> io::Result<BatchBuilder> {
        self.end()?;
        let schema = generation.schema().map_err(|reason| io::Error::new(io::ErrorKind::Unsupported, reason))?;
        let schema: SchemaRef = Arc::new(schema);
        let encoder = || StreamEncoder::try_new(&schema).map_err(io::Error::other);
        self.owed = bytes_of(&encoder()?.finish().map_err(io::Error::other)?);
        self.encoder = Some(encoder()?);
        Ok(BatchBuilder::new(generation, schema))
    }

    /// Writes the gathered rows as one batch.
    ///
    /// # Errors
    /// That of the file, which then ends where it did before.
    pub fn write(&mut self, rows: &mut BatchBuilder) -> io::Result<()> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        if rows.rows() == 0 {
            return Ok(());
        }
        let batch = rows.take().map_err(io::Error::other)?;
        let encoded = encoder.encode(&batch).map_err(io::Error::other)?;
        self.append(&encoded)?;
        self.owed = END_BYTES;
        Ok(())
    }

    /// Ends the generation, if there is one.
    ///
    /// # Errors
    /// That of the file.
    pub fn end(&mut self) -> io::Result<()> {
        let Some(encoder) = self.encoder.take() else { return Ok(()) };
        self.owed = 0;
        self.append(&encoder.finish().map_err(io::Error::other)?)
    }

    /// Ends the recording. Returns its length once all of it is on the disk.
    ///
    /// # Errors
    /// That of the file.
    pub fn finish(mut self) -> io::Result<u64> {
        self.end()?;
        match self.file.sync_data() {
            // A pipe, or a file system that cannot sync.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            result => result?,
        }
        Ok(self.bytes)
    }

    /// Bytes that have been written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Length of the file if the generation ends after another batch of `batch` bytes.
    pub fn bytes_with(&self, batch: u64) -> u64 {
        self.bytes.saturating_add(self.owed).saturating_add(batch)
    }

    fn append(&mut self, buffers: &[Buffer]) -> io::Result<()> {
        if let Err(error) = write_all(&mut self.file, buffers) {
            // Removes a partial batch. If that fails, readers still stop before it.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += bytes_of(buffers);
        Ok(())
    }
}

fn bytes_of(buffers: &[Buffer]) -> u64 {
    buffers.iter().map(|buffer| buffer.len() as u64).sum()
}

/// Most buffers that one system call takes.
const MOST_SLICES: usize = 1024;

fn write_all(file: &mut File, buffers: &[Buffer]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = buffers.iter().map(|buffer| IoSlice::new(buffer)).collect();
    let mut left = &mut slices[..];
    // With empty buffers in front, a write of 0 bytes would look like a file that takes nothing.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        let some = left.len().min(MOST_SLICES);
        match file.write_vectored(&left[..some]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
