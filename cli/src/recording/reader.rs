//! Reads a recording, batch by batch, as far as it goes: a file that ends anywhere is read up to its last whole batch.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::Buffer;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Message, MessageHeader};
use arrow_schema::SchemaRef;
use dora_shm_ring::Description;
use eyre::{WrapErr as _, bail, eyre};

use super::kind::kind_of;
use super::schema::VERSION_KEY;
use super::{Batch, Generation};

/// The first bytes of every message of an Arrow stream.
const CONTINUATION: [u8; 4] = [0xFF; 4];
/// Longest header of a message. A description has at most 16 MiB.
const MAX_HEADER_BYTES: u32 = 64 << 20;
/// Most memory that is reserved before the file has proved to be as long as its headers state.
const FIRST_ROOM: u64 = 16 << 20;
/// Bytes at the start of a file by which its kind is recognised.
const HEAD_BYTES: u64 = 64;

const NO_MESSAGE: &str = "there is no message of an Arrow stream";

/// The next part of a recording.
#[derive(Debug)]
pub enum Part {
    /// A generation begins.
    Generation(Arc<Generation>),
    /// Rows of it.
    Batch(Batch),
}

/// A recording that is being read.
pub struct RecordingReader {
    path: PathBuf,
    source: BufReader<File>,
    /// Where the last whole part ends.
    offset: u64,
    /// Where the file ended, if it was not finished.
    cut: Option<u64>,
    current: Option<Current>,
    begun: bool,
}

/// The stream that is being read.
struct Current {
    generation: Arc<Generation>,
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    last_description: Option<Arc<Description>>,
}

/// The next message of the file, or why there is none.
enum Framed {
    Message(Vec<u8>, Buffer),
    EndOfStream,
    /// The file ends within a message.
    Cut,
    /// The file ends before a message.
    End,
    /// There is something other than a message.
    Nonsense,
}

impl RecordingReader {
    /// Opens the recording at `path`.
    ///
    /// # Errors
    /// If it cannot be opened, or is not a recording; the error then names its kind.
    pub fn open(path: &Path) -> eyre::Result<Self> {
        let name = path.display();
        let file = File::open(path).wrap_err_with(|| format!("cannot open {name}"))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            bail!("{name} is not a recording: it is a folder");
        }
        let mut source = BufReader::with_capacity(64 << 10, file);
        let mut head = Vec::new();
        source.by_ref().take(HEAD_BYTES).read_to_end(&mut head).wrap_err_with(|| format!("cannot read {name}"))?;
        let marked = head.len().min(CONTINUATION.len());
        if marked == 0 || head[..marked] != CONTINUATION[..marked] {
            bail!("{name} is not a recording: it is {}; `dora-shm record` makes recordings", kind_of(&head));
        }
        source.seek_relative(-(head.len() as i64)).wrap_err_with(|| format!("cannot read {name}"))?;
        Ok(Self { path: path.to_owned(), source, offset: 0, cut: None, current: None, begun: false })
    }

    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read, or its content is not a recording.
    pub fn next(&mut self) -> eyre::Result<Option<Part>> {
        while self.cut.is_none() {
            let framed = self.framed().wrap_err_with(|| format!("cannot read {}", self.path.display()))?;
            match framed {
                Framed::Message(header, body) => {
                    let at = self.offset;
                    self.offset += 8 + (header.len() + body.len()) as u64;
                    let part = self.understand(&header, &body).map_err(|reason| self.broken(at, &reason))?;
                    if part.is_some() {
                        return Ok(part);
                    }
                }
                Framed::Nonsense => return Err(self.broken(self.offset, NO_MESSAGE)),
                Framed::EndOfStream if self.current.is_none() => {
                    return Err(self.broken(self.offset, "a stream ends that has not begun"));
                }
                Framed::EndOfStream => {
                    self.offset += 8;
                    self.current = None;
                }
                Framed::Cut => self.cut = Some(self.offset),
                // A file that ends between two streams was finished.
                Framed::End if self.current.is_none() => return Ok(None),
                Framed::End => self.cut = Some(self.offset),
            }
        }
        Ok(None)
    }

    /// A sentence for the user if the file was not finished. Known once [`next`](Self::next) has returned `None`.
    pub fn cut_notice(&self) -> Option<String> {
        let (name, cut) = (self.path.display(), self.cut?);
        Some(if self.begun {
            format!(
                "{name} was not finished (its recorder was killed, or is still running); it was read up to byte {cut}"
            )
        } else {
            format!("{name} ends in the header of its first generation; there is nothing in it yet")
        })
    }

    /// How much of the file has been read, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn broken(&self, at: u64, reason: &str) -> eyre::Report {
        let name = self.path.display();
        if self.begun {
            eyre!("{name} is damaged: at byte {at}, {reason}; to read what is before that, cut the file there")
        } else {
            eyre!("{name} is not a recording: {reason}")
        }
    }

    /// The next message of the file, if it is whole.
    fn framed(&mut self) -> std::io::Result<Framed> {
        let mut prefix = Vec::new();
        self.source.by_ref().take(8).read_to_end(&mut prefix)?;
        if prefix.is_empty() {
            return Ok(Framed::End);
        }
        // After a loss of power, what was not on the disk yet may read as zeros.
        if prefix.len() < 8 || prefix == [0; 8] {
            return Ok(Framed::Cut);
        }
        let (marker, length) = prefix.split_at(4);
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        if marker != CONTINUATION || length > MAX_HEADER_BYTES {
            return Ok(Framed::Nonsense);
        }
        if length == 0 {
            return Ok(Framed::EndOfStream);
        }
        let Some(header) = self.exactly(u64::from(length))? else { return Ok(Framed::Cut) };
        let body_bytes = arrow_ipc::root_as_message(&header).ok().map(|message| message.bodyLength());
        let Some(body_bytes) = body_bytes.and_then(|bytes| u64::try_from(bytes).ok()) else {
            return Ok(Framed::Nonsense);
        };
        Ok(match self.exactly(body_bytes)? {
            Some(body) => Framed::Message(header, Buffer::from_vec(body)),
            None => Framed::Cut,
        })
    }

    /// Exactly `bytes` bytes; `None` if the file has fewer.
    fn exactly(&mut self, bytes: u64) -> std::io::Result<Option<Vec<u8>>> {
        let mut read = Vec::with_capacity(bytes.min(FIRST_ROOM) as usize);
        self.source.by_ref().take(bytes).read_to_end(&mut read)?;
        Ok((read.len() as u64 == bytes).then_some(read))
    }

    /// The part that a message contains; `None` if it is only a dictionary.
    fn understand(&mut self, header: &[u8], body: &Buffer) -> Result<Option<Part>, String> {
        let message = arrow_ipc::root_as_message(header).map_err(|_| NO_MESSAGE.to_owned())?;
        match (message.header_type(), &mut self.current) {
            (MessageHeader::Schema, None) => self.begin(&message).map(Some),
            (MessageHeader::DictionaryBatch, Some(current)) => current.take_dictionary(&message, body).map(|()| None),
            (MessageHeader::RecordBatch, Some(current)) => {
                current.batch(&message, body).map(|batch| Some(Part::Batch(batch)))
            }
            (other, _) => {
                let place = if self.current.is_some() { "inside a stream" } else { "where a stream should begin" };
                Err(format!("there is a message of type {} {place}", other.variant_name().unwrap_or("unknown")))
            }
        }
    }

    fn begin(&mut self, message: &Message<'_>) -> Result<Part, String> {
        let schema = message.header_as_schema().ok_or("its schema is missing")?;
        let members: HashMap<&str, &str> = schema
            .custom_metadata()
            .into_iter()
            .flatten()
            .filter_map(|member| Some((member.key()?, member.value()?)))
            .collect();
        if !members.contains_key(VERSION_KEY) {
            let fields = schema.fields().into_iter().flatten();
            let names: Vec<String> = fields.take(6).map(|field| format!("{:?}", field.name().unwrap_or(""))).collect();
            return Err(format!(
                "it is an Arrow stream that `dora-shm record` did not write (columns {})",
                names.join(", ")
            ));
        }
        let generation = Arc::new(Generation::from_metadata(|key| members.get(key).copied())?);
        let schema = Arc::new(generation.schema()?);
        self.current = Some(Current {
            generation: generation.clone(),
            schema,
            dictionaries: HashMap::new(),
            last_description: None,
        });
        self.begun = true;
        Ok(Part::Generation(generation))
    }
}

impl Current {
    fn take_dictionary(&mut self, message: &Message<'_>, body: &Buffer) -> Result<(), String> {
        let dictionary = message.header_as_dictionary_batch().ok_or("a dictionary is missing")?;
        let data = dictionary.data().ok_or("a dictionary has no data")?;
        check_buffers(&data, body, &OF_DICTIONARY)?;
        read_dictionary(body, dictionary, &self.schema, &mut self.dictionaries, &message.version())
            .map_err(|error| error.to_string())
    }

    fn batch(&mut self, message: &Message<'_>, body: &Buffer) -> Result<Batch, String> {
        let batch = message.header_as_record_batch().ok_or("a batch is missing")?;
        let format = &self.generation.format;
        let sample = [format.dtype().size() as i64];
        // Frames that are not scalars are lists of a fixed length, which have no offsets.
        let of_samples: &[Widths<'_>] =
            if format.frame_shape().is_empty() { &[&[8], &sample] } else { &[&[8], &[], &sample] };
        check_buffers(&batch, body, &[&OF_COLUMNS, of_samples].concat())?;
        let batch = read_record_batch(body, batch, self.schema.clone(), &self.dictionaries, None, &message.version())
            .map_err(|error| error.to_string())?;
        let batch = Batch::new(self.generation.clone(), batch, self.last_description.as_ref())?;
        self.last_description = batch.last_description().cloned();
        Ok(batch)
    }
}

/// The buffers of one array of a batch after its validity, by the bytes of their values.
type Widths<'a> = &'a [i64];

/// A description: offsets and text.
const OF_DICTIONARY: [Widths<'_>; 1] = [&[4, 1]];
/// All columns up to `times`: numbers, indices of descriptions, bits, and offsets of a list with its values.
const OF_COLUMNS: [Widths<'_>; 9] = [&[8], &[8], &[8], &[8], &[8], &[4], &[1], &[8], &[8]];

/// Checks what the library that decodes batches assumes.
fn check_buffers(batch: &arrow_ipc::RecordBatch<'_>, body: &Buffer, arrays: &[Widths<'_>]) -> Result<(), String> {
    if batch.compression().is_some() {
        return Err("a batch is compressed, which recordings are not".to_owned());
    }
    if sound(batch, body.len() as i64, arrays).is_none() {
        return Err("a batch's parts lie outside of it".to_owned());
    }
    Ok(())
}

/// `None` if the numbers or sizes of the batch's arrays and buffers are wrong.
fn sound(batch: &arrow_ipc::RecordBatch<'_>, bytes: i64, arrays: &[Widths<'_>]) -> Option<()> {
    let (nodes, buffers) = (batch.nodes()?, batch.buffers()?);
    let fine = |condition: bool| condition.then_some(());
    let count: usize = arrays.iter().map(|widths| 1 + widths.len()).sum();
    fine(nodes.len() == arrays.len() && buffers.len() == count)?;
    fine(batch.variadicBufferCounts().is_none_or(|counts| counts.is_empty()))?;
    fine((0..=bytes).contains(&batch.length()))?;
    let mut buffers = buffers.iter();
    for (node, widths) in nodes.iter().zip(arrays) {
        // An array has at least one bit for each value, in its own buffers or in those of its children.
        fine((0..=bytes.saturating_mul(8)).contains(&node.length()))?;
        fine((0..=node.length()).contains(&node.null_count()))?;
        let mut next = || {
            let buffer = buffers.next()?;
            let end = buffer.offset().checked_add(buffer.length())?;
            fine(buffer.offset() >= 0 && buffer.length() >= 0 && end <= bytes).map(|()| buffer.length())
        };
        let validity = next()?;
        fine(node.null_count() == 0 || validity >= (node.length() + 7) / 8)?;
        for width in *widths {
            let length = next()?;
            fine(length % width == 0)?;
        }
    }
    Some(())
}
