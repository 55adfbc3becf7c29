//! Messages without frames, which readers of frames find beside the frames.

use dora_shm_ring::MessageInfo;

use super::changes::Event;
use crate::units;

#[derive(Debug, Default)]
pub struct Empties {
    /// Since the command began.
    total: u64,
    /// The newest message that was counted: its stream, its generation and its number there.
    newest: Option<(u64, u32, u64)>,
    /// The total, and the frames that were read, at the last line.
    before: (u64, u64),
    reported: bool,
}

impl Empties {
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counts the empty ones of these messages of the stream `stream_id`, each once, however often it is passed.
    pub fn count(&mut self, stream_id: u64, messages: &[MessageInfo]) {
        for message in messages.iter().filter(|message| message.frames == 0) {
            self.total += u64::from(self.is_new(stream_id, message));
        }
    }

    /// Takes these messages as written before the command began.
    pub fn begin(&mut self, stream_id: u64, messages: &[MessageInfo]) {
        for message in messages {
            self.is_new(stream_id, message);
        }
    }

    fn is_new(&mut self, stream_id: u64, message: &MessageInfo) -> bool {
        let is_new = self.newest.is_none_or(|(id, generation, chunk)| {
            id != stream_id || (generation, chunk) < (message.generation, message.chunk)
        });
        if is_new {
            self.newest = Some((stream_id, message.generation, message.chunk));
        }
        is_new
    }

    /// The event to print before a line, if only empty messages came since the last one; `read`: frames since the
    /// command began. It is not repeated until frames come.
    pub fn since_the_last(&mut self, read: u64) -> Option<Event> {
        let before = std::mem::replace(&mut self.before, (self.total, read));
        if read > before.1 {
            self.reported = false;
        } else if self.total > before.0 && !std::mem::replace(&mut self.reported, true) {
            let total = units::counted(self.total, "message");
            let text = format!("no frames come: the messages are empty, {total} so far");
            return Some(Event { kind: "empty", text });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(generation: u32, chunk: u64, frames: u64) -> MessageInfo {
        let mut info = MessageInfo::default();
        (info.generation, info.chunk, info.frames) = (generation, chunk, frames);
        info
    }

    #[test]
    fn each_empty_message_is_counted_once_over_generations_and_streams() {
        let mut empties = Empties::default();
        empties.begin(1, &[message(0, 4, 0), message(0, 5, 0)]);
        empties.count(1, &[message(0, 5, 0), message(0, 6, 0), message(0, 7, 10)]);
        empties.count(1, &[message(0, 6, 0), message(0, 8, 0)]);
        assert_eq!(empties.total(), 2);
        empties.count(1, &[message(0, 8, 0), message(0, 9, 0), message(1, 0, 0), message(1, 1, 3)]);
        assert_eq!(empties.total(), 4);
        empties.count(2, &[message(0, 0, 0)]);
        assert_eq!(empties.total(), 5, "another stream of the name");
    }

    #[test]
    fn a_source_that_sends_only_empty_messages_is_reported_once_until_frames_come() {
        let mut empties = Empties::default();
        let mut line = |chunk, read| {
            empties.count(1, &[message(0, chunk, 0)]);
            empties.since_the_last(read).map(|event| event.text)
        };
        assert_eq!(line(0, 10), None);
        assert_eq!(line(1, 10).unwrap(), "no frames come: the messages are empty, 2 messages so far");
        assert_eq!(line(2, 10), None);
        assert_eq!(line(2, 10), None, "nothing came");
        assert_eq!(line(3, 10), None);
        assert_eq!(line(4, 20), None);
        assert!(line(5, 20).is_some(), "frames had come");
    }
}
