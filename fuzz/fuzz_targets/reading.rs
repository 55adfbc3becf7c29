//! Reading: a real stream whose words the fuzzer changes between the calls of attached readers.
#![no_main]

use std::cell::RefCell;
use std::time::Duration;

use dora_shm_ring::{Frames, Message, MessageReader, Reader, ReaderOptions, Start};
use dora_shm_testkit::fuzz_input::{FOOTER, Files, HEADER, INDEX_OFFSET, Input, NAME, RECORDS};
use dora_shm_testkit::probe;
use libfuzzer_sys::fuzz_target;

/// The stream whose words the input changes.
const STREAM: &[u8] = include_bytes!("../corpus/attach/vector");

thread_local! {
    static FILES: RefCell<Files> = RefCell::new(Files::new());
}

/// The readers of an input. A reader that has detached with an error attaches again.
#[derive(Default)]
struct Readers {
    frames: Option<Reader>,
    messages: Option<MessageReader>,
}

fuzz_target!(|input: &[u8]| {
    FILES.with_borrow_mut(|files| {
        files.put(STREAM);
        let mut input = Input(input);
        let mut readers = Readers::default();
        while !input.is_empty() {
            step(files, &mut input, &mut readers);
        }
    });
});

fn step(files: &Files, input: &mut Input<'_>, readers: &mut Readers) {
    let (mut copied, mut message) = (Frames::new(), Message::new());
    let operation = input.byte();
    let start = [Start::Oldest, Start::Newest, Start::Last(4)][usize::from(operation >> 4) % 3];
    let options = ReaderOptions::default().start(start);
    match operation % 16 {
        0 => readers.frames = Reader::open(NAME, options).ok(),
        1 => readers.messages = MessageReader::open(NAME, options).ok(),
        // A word of the header, the trailer, a record, the footer.
        code @ 2..=6 => {
            let place = u64::from(input.byte());
            let value = input.number();
            let bytes = value.to_le_bytes();
            let bytes = if operation & 0x80 == 0 { &bytes[..4] } else { &bytes[..] };
            let ring = files.length(1);
            match code {
                2 => files.patch(0, HEADER.0 + 4 * (place % (HEADER.1 as u64 / 4)), bytes),
                // The header's words that change: wake to final_position.
                3 => files.patch(0, 2176 + 4 * (place % 8), bytes),
                4 => files.patch(1, ring - 4096 + 4 * (place % 100), bytes),
                // The counters.
                5 => files.patch(1, ring - 4096 + [256, 264, 384, 392][place as usize % 4], bytes),
                _ => {
                    let index = u64::from_le_bytes(STREAM[INDEX_OFFSET..INDEX_OFFSET + 8].try_into().unwrap());
                    files.patch(1, index + 4 * (place % (RECORDS as u64 / 4)), bytes);
                }
            }
        }
        7 => files.patch(2, files.length(2) - FOOTER as u64 + 4 * u64::from(input.byte() % 16), input.take(4)),
        code => {
            let (frames, messages) = (readers.frames.as_mut(), readers.messages.as_mut());
            let result = match (code, frames, messages) {
                (8, Some(reader), _) => probe::read(reader, &mut copied, 1 + u64::from(input.byte())),
                (9, Some(reader), _) => probe::view(reader, u64::MAX),
                (10, Some(reader), _) => reader.latest(u64::from(input.byte()), &mut copied).map(|_| ()),
                (11, Some(reader), _) => reader.wait(Duration::ZERO).and_then(|_| reader.info()).map(|_| ()),
                (12, _, Some(reader)) => probe::next(reader, &mut message),
                (13, _, Some(reader)) => probe::view_message(reader),
                (14, _, Some(reader)) => reader.wait(Duration::ZERO).and_then(|_| reader.info()).map(|_| ()),
                (15, Some(reader), _) => {
                    let _ = reader.lag();
                    reader.frames_within(0.1).and_then(|within| reader.latest(within, &mut copied)).map(|_| ())
                }
                _ => Ok(()),
            };
            // After an error the reader has detached. It attaches again with the next read.
            drop(result);
        }
    }
}
