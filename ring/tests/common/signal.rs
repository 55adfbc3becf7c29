//! Frames that say where they belong, and the accounts of those who read them.

use dora_shm_ring::{
    Chunk, Description, Dtype, Format, Frames, Message, MessageReader, Outcome, Reader, Times, Writer,
};

/// Words of a frame of the test signal: the frame's position in the whole stream, the stream's identity, the writer's
/// epoch, and a check of these three.
pub const WORDS: usize = 4;
pub const FRAME_BYTES: usize = 8 * WORDS;

/// A ring of the test signal. `shape` holds [`WORDS`] words; another shape is another format of the same signal.
pub fn format_as(shape: &[u64], frames: u64) -> Format {
    assert_eq!(shape.iter().product::<u64>(), WORDS as u64);
    Format::new(Dtype::U64, shape, 1000.0, frames).unwrap()
}

pub fn format(frames: u64) -> Format {
    format_as(&[WORDS as u64], frames)
}

pub fn description(key: &str) -> Description {
    Description { key: key.to_owned(), ..Description::default() }
}

/// Scrambles the bits of a number.
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

pub fn frame(position: u64, stream_id: u64, epoch: u32) -> [u64; WORDS] {
    let epoch = u64::from(epoch);
    [position, stream_id, epoch, mix(position ^ mix(stream_id ^ mix(epoch)))]
}

pub fn time_of(position: u64) -> f64 {
    position as f64 / 1000.0
}

/// Writes the next `frames` frames of the test signal as one message.
pub fn write(writer: &mut Writer, frames: u64) {
    let start = writer.stream_position();
    let (stream_id, epoch) = (writer.stream_id(), writer.epoch());
    let times = Times::Linear { start: time_of(start), step: 0.001 };
    writer
        .write_with(frames, times, start as i64, |range, memory| {
            let (memory, rest) = memory.as_chunks_mut::<FRAME_BYTES>();
            assert!(rest.is_empty() && memory.len() as u64 == range.end - range.start);
            for (position, bytes) in range.zip(memory) {
                let words = frame(start + position, stream_id, epoch);
                for (word, bytes) in words.iter().zip(bytes.as_chunks_mut::<8>().0) {
                    *bytes = word.to_le_bytes();
                }
            }
        })
        .unwrap();
}

/// As [`write`], by [`Writer::write`].
pub fn write_copy(writer: &mut Writer, frames: u64) {
    let start = writer.stream_position();
    let samples: Vec<u8> = (start..start + frames)
        .flat_map(|position| frame(position, writer.stream_id(), writer.epoch()))
        .flat_map(u64::to_le_bytes)
        .collect();
    let times = Times::Linear { start: time_of(start), step: 0.001 };
    writer.write(&Chunk { samples: &samples, times, send_ns: start as i64 }).unwrap();
}

/// The book of one reader: every position of a stream once, read or lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The stream that the frames were of; 0 before the first.
    pub stream_id: u64,
    /// Where the next frame has to be.
    pub next: u64,
    pub read: u64,
    pub lost: u64,
    pub messages: u64,
    pub epoch: u64,
    /// Frames that the stream before lost at its end, to be announced before the first one of this stream.
    carried: u64,
    /// The reader began where the stream was by then: its first frame may be any.
    anywhere: bool,
}

impl Account {
    /// The account of a reader that begins in the middle of a stream.
    pub fn anywhere() -> Self {
        Self { anywhere: true, ..Self::default() }
    }

    fn lose(&mut self, lost: u64) {
        self.lost += lost;
        self.next += lost - std::mem::take(&mut self.carried);
    }

    /// The stream ended, or was replaced: the next frame is of another one.
    pub fn close(&mut self, lost_in_all: u64) {
        let carried = lost_in_all - self.lost;
        *self = Self { read: self.read, lost: self.lost, messages: self.messages, carried, ..Self::default() };
    }

    #[track_caller]
    fn enter(&mut self, samples: &[u8], times: &[f64], lost: u64) {
        let (frames, rest) = samples.as_chunks::<FRAME_BYTES>();
        assert!(rest.is_empty() && frames.len() == times.len(), "{} frames, {} times", frames.len(), times.len());
        for (i, (bytes, time)) in frames.iter().zip(times).enumerate() {
            let word = |n: usize| u64::from_le_bytes(bytes.as_chunks::<8>().0[n]);
            let [position, stream_id, epoch] = [word(0), word(1), word(2)];
            let intact = frame(position, stream_id, epoch as u32)[3] == word(3);
            assert!(intact, "a torn frame: {position} {stream_id:x} {epoch}, after {self:?}");
            assert!((time - time_of(position)).abs() < 1e-6, "time {time} of position {position}");
            if self.stream_id != stream_id {
                assert!(i == 0, "frames of two streams in one read");
                assert!(self.stream_id == 0, "another stream without the end of the one before; {self:?}");
                self.stream_id = stream_id;
            }
            if i == 0 && std::mem::take(&mut self.anywhere) {
                self.next = position - lost;
            }
            if i == 0 {
                self.lose(lost);
            }
            assert_eq!(position, self.next, "{lost} lost were announced before frame {i} of this read; {self:?}");
            assert!(epoch >= self.epoch, "epoch {epoch} after {self:?}");
            self.epoch = epoch;
            self.next += 1;
            self.read += 1;
        }
    }

    #[track_caller]
    pub fn enter_frames(&mut self, frames: &Frames) {
        assert!(!frames.is_empty(), "data without a frame");
        self.enter(frames.samples(), frames.times(), frames.lost());
    }

    /// `send_ns` of a message of the test signal is the position of its first frame.
    #[track_caller]
    pub fn enter_message(&mut self, message: &Message) {
        let info = message.info();
        if info.frames == 0 {
            if std::mem::take(&mut self.anywhere) {
                self.next = info.stream_position - info.lost;
            }
            self.lose(info.lost);
        } else {
            assert_eq!(info.send_ns as u64, info.stream_position, "{info:?}");
            self.enter(message.samples(), message.times(), info.lost);
        }
        assert_eq!(info.stream_position + info.frames, self.next, "{info:?}");
        self.messages += 1;
    }

    /// Position in this stream up to which everything has been read or counted as lost; losses that no later frame has
    /// announced yet included.
    pub fn accounted(&self, lost_in_all: u64) -> u64 {
        self.next + lost_in_all - self.lost - self.carried
    }
}

/// Either kind of reader, with its book.
pub enum Follower {
    Frames(Reader, Account, Frames),
    Messages(MessageReader, Account, Message),
}

impl Follower {
    pub fn frames(reader: Reader, account: Account) -> Self {
        Self::Frames(reader, account, Frames::new())
    }

    pub fn messages(reader: MessageReader, account: Account) -> Self {
        Self::Messages(reader, account, Message::new())
    }

    pub fn account(&self) -> &Account {
        match self {
            Self::Frames(_, account, _) | Self::Messages(_, account, _) => account,
        }
    }

    pub fn lost(&self) -> u64 {
        match self {
            Self::Frames(reader, ..) => reader.lost(),
            Self::Messages(reader, ..) => reader.lost(),
        }
    }

    /// One read, entered into the book.
    #[track_caller]
    pub fn read(&mut self, max_frames: u64) -> dora_shm_ring::Result<Outcome<()>> {
        match self {
            Self::Frames(reader, account, frames) => {
                let outcome = reader.read(frames, max_frames)?;
                match outcome {
                    Outcome::Data(_) => account.enter_frames(frames),
                    Outcome::Closed => account.close(reader.lost()),
                    _ => {}
                }
                Ok(outcome.map(|_| ()))
            }
            Self::Messages(reader, account, message) => {
                let outcome = reader.next(message)?;
                match outcome {
                    Outcome::Data(_) => account.enter_message(message),
                    Outcome::Closed => account.close(reader.lost()),
                    _ => {}
                }
                Ok(outcome.map(|_| ()))
            }
        }
    }

    pub fn wait(&mut self, timeout: std::time::Duration) -> dora_shm_ring::Result<dora_shm_ring::Wait> {
        match self {
            Self::Frames(reader, ..) => reader.wait(timeout),
            Self::Messages(reader, ..) => reader.wait(timeout),
        }
    }

    pub fn liveness(&mut self) -> dora_shm_ring::Liveness {
        match self {
            Self::Frames(reader, ..) => reader.liveness(super::PATIENCE).unwrap(),
            Self::Messages(reader, ..) => reader.liveness(super::PATIENCE).unwrap(),
        }
    }

    pub fn info(&self) -> dora_shm_ring::Info {
        match self {
            Self::Frames(reader, ..) => reader.info().unwrap(),
            Self::Messages(reader, ..) => reader.info().unwrap(),
        }
    }

    /// Reads until there is nothing new or the stream is closed; whether it was closed.
    #[track_caller]
    pub fn drain(&mut self) -> bool {
        loop {
            match self.read(u64::MAX).unwrap() {
                Outcome::Data(_) | Outcome::Generation => {}
                Outcome::Nothing => return false,
                Outcome::Closed => return true,
            }
        }
    }

    /// Position in the stream up to which everything has been read or counted as lost.
    pub fn accounted(&self) -> u64 {
        self.account().accounted(self.lost())
    }
}
