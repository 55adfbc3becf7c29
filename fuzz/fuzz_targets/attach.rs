//! Attaching: the header, the trailer, the records, the footer and the description are the fuzzer's. Readers of both kinds
//! attach and read from every start; then a writer takes the name, whatever is left of the stream, and is read.
#![no_main]

use std::cell::RefCell;

use dora_shm_fuzz::{NAME, Stage, frames, messages};
use dora_shm_ring::{Chunk, Description, Dtype, Error, Format, Start, Times, Writer, WriterOptions, streams};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::new(Stage::new());
}

fuzz_target!(|input: &[u8]| {
    STAGE.with_borrow_mut(|stage| {
        stage.put(input);
        for start in [Start::Oldest, Start::Newest, Start::Last(3)] {
            let _ = (frames(start), messages(start));
        }
        streams().expect("the folder can be listed");
        // Making the files again takes long: not for every input.
        if input.len() % 8 == 0 {
            take_name();
            *stage = Stage::new();
        }
    });
});

fn take_name() {
    let mut writer = match Writer::create(NAME, WriterOptions::default()) {
        Ok(writer) => writer,
        Err(Error::NameTaken { .. }) => return,
        Err(error) => panic!("{error:?}"),
    };
    writer.begin(&Format::new(Dtype::U8, &[4], 0.0, 8).unwrap(), &Description::default(), 1).unwrap();
    let chunk = Chunk { samples: &[7; 12], times: Times::Values(&[1.0, 2.0, 3.0]), send_ns: 0 };
    writer.write(&chunk).unwrap();
    frames(Start::Oldest).unwrap();
    messages(Start::Oldest).unwrap();
}
