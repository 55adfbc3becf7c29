//! Attaching: the fuzzer provides the header, the trailer, the records, the footer and the description. Readers of both
//! kinds attach and read from every start. Then a writer takes the name, and its stream is read.
#![no_main]

use std::cell::RefCell;

use dora_shm_ring::{
    Chunk, Description, Dtype, Error, Format, ReaderOptions, Times, Writer, WriterOptions, streams,
};
use dora_shm_testkit::fuzz_input::{Files, NAME};
use dora_shm_testkit::probe;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static FILES: RefCell<Files> = RefCell::new(Files::new());
}

fuzz_target!(|input: &[u8]| {
    FILES.with_borrow_mut(|files| {
        files.put(input);
        let _ = probe::all(NAME, &ReaderOptions::default());
        streams().expect("the folder can be listed");
        // Creating the files again takes long, so only some inputs do it.
        if input.len() % 8 == 0 {
            take_name();
            *files = Files::new();
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
    probe::all(NAME, &ReaderOptions::default()).unwrap();
}
