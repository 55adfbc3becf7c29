//! numpy's archive: arrays by name; each further generation appends its number to the names.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::sync::Arc;

use dora_shm_ring::Description;
use tempfile::NamedTempFile;

use super::zip::{Archive, Open};
use super::{Exported, Sink, about, labels, npy};
use crate::recording::{Batch, Generation, Row};

/// The arrays with one value per message, and their types.
const COLUMNS: [(&str, &str); 8] = [
    ("message_chunk", "<i8"),
    ("message_position", "<u8"),
    ("message_frames", "<u8"),
    ("message_lost", "<u8"),
    ("message_sent", "<M8[ns]"),
    ("message_mono_ns", "<u8"),
    ("message_description", "<i8"),
    ("message_description_missed", "|b1"),
];

pub struct Npz {
    file: NamedTempFile,
    archive: Archive,
    current: Option<Current>,
    generations: usize,
}

/// The generation that is being written. Its samples go straight into the archive, the rest into temporary files, since
/// an archive's entries come one after the other.
struct Current {
    generation: Arc<Generation>,
    samples: Open,
    frames: u64,
    messages: u64,
    times: BufWriter<File>,
    columns: Vec<BufWriter<File>>,
    descriptions: Vec<Arc<Description>>,
}

impl Npz {
    pub fn new(file: NamedTempFile) -> eyre::Result<Self> {
        let archive = Archive::new(file.as_file().try_clone()?);
        Ok(Self { file, archive, current: None, generations: 0 })
    }

    /// The name of an array of the current generation.
    fn name(&self, array: &str) -> String {
        match self.generations {
            0 | 1 => format!("{array}.npy"),
            count => format!("{array}_{}.npy", count - 1),
        }
    }

    fn end(&mut self) -> eyre::Result<()> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let format = &current.generation.format;
        let shape = [&[current.frames], format.frame_shape()].concat();
        self.archive.end(current.samples, &npy::header(npy::descr(format.dtype()), &shape))?;
        self.copy("times", "<f8", current.frames, current.times)?;
        for ((name, descr), column) in COLUMNS.into_iter().zip(current.columns) {
            self.copy(name, descr, current.messages, column)?;
        }
        let json = |description: &Description| String::from_utf8_lossy(&description.to_json()).into_owned();
        let descriptions: Vec<String> = current.descriptions.iter().map(|description| json(description)).collect();
        self.texts("descriptions", &descriptions, false)?;
        self.texts("generation", &[about::generation(&current.generation).to_string()], true)?;
        let description = current.generation.description.as_ref();
        for (index, &length) in format.frame_shape().iter().enumerate() {
            let name = labels::dim(description, index + 1);
            if let Some(along) = labels::along(description, &name, length) {
                self.texts(&format!("labels_{}", name.replace('/', "_")), &along, false)?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, name: &str, descr: &str, length: u64, spooled: BufWriter<File>) -> eyre::Result<()> {
        let mut file = spooled.into_inner().map_err(|error| error.into_error())?;
        file.rewind()?;
        let mut entry = self.archive.begin(&self.name(name), npy::HEADER_BYTES)?;
        let mut source = BufReader::new(file);
        let mut piece = vec![0; 1 << 20];
        loop {
            let read = source.read(&mut piece)?;
            if read == 0 {
                break;
            }
            self.archive.write(&mut entry, &piece[..read])?;
        }
        Ok(self.archive.end(entry, &npy::header(descr, &[length]))?)
    }

    fn texts(&mut self, name: &str, texts: &[String], alone: bool) -> eyre::Result<()> {
        let (descr, bytes) = npy::texts(texts);
        let shape = [texts.len() as u64];
        let mut entry = self.archive.begin(&self.name(name), npy::HEADER_BYTES)?;
        self.archive.write(&mut entry, &bytes)?;
        Ok(self.archive.end(entry, &npy::header(&descr, if alone { &[] } else { &shape }))?)
    }
}

impl Current {
    fn write(&mut self, row: &Row<'_>) -> eyre::Result<()> {
        let description = match row.description {
            None => -1,
            Some(description) => self.index_of(description) as i64,
        };
        let info = &row.info;
        let words = [
            // A loss at the end has no number.
            info.chunk.map_or(-1, |chunk| chunk as i64).to_le_bytes(),
            info.position.to_le_bytes(),
            (row.times.len() as u64).to_le_bytes(),
            info.lost.to_le_bytes(),
            info.sent_ns.to_le_bytes(),
            info.mono_ns.to_le_bytes(),
            description.to_le_bytes(),
        ];
        let flag = [u8::from(info.description_missed)];
        let values = words.iter().map(|word| &word[..]).chain([&flag[..]]);
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.write_all(value)?;
        }
        for time in row.times {
            self.times.write_all(&time.to_le_bytes())?;
        }
        self.frames += row.times.len() as u64;
        self.messages += 1;
        Ok(())
    }

    fn index_of(&mut self, description: &Arc<Description>) -> usize {
        let same = |known: &Arc<Description>| Arc::ptr_eq(known, description) || known == description;
        self.descriptions.iter().rposition(same).unwrap_or_else(|| {
            self.descriptions.push(description.clone());
            self.descriptions.len() - 1
        })
    }
}

impl Sink for Npz {
    fn begin(&mut self, generation: &Arc<Generation>) -> eyre::Result<()> {
        self.end()?;
        self.generations += 1;
        let spool = || Ok::<_, std::io::Error>(BufWriter::new(tempfile::tempfile()?));
        self.current = Some(Current {
            generation: generation.clone(),
            samples: self.archive.begin(&self.name("samples"), npy::HEADER_BYTES)?,
            frames: 0,
            messages: 0,
            times: spool()?,
            columns: COLUMNS.iter().map(|_| spool()).collect::<Result<_, _>>()?,
            descriptions: Vec::new(),
        });
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> eyre::Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        for row in batch.rows() {
            current.write(&row)?;
        }
        Ok(self.archive.write(&mut current.samples, batch.samples())?)
    }

    fn finish(mut self: Box<Self>) -> eyre::Result<Vec<Exported>> {
        self.end()?;
        self.archive.finish()?;
        Ok(if self.generations > 0 { vec![self.file.into()] } else { Vec::new() })
    }
}
