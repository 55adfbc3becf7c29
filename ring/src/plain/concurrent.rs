//! Two concurrent threads: frames that the cursor gives out as whole are whole. The copies race with the stores, which
//! Miri and ThreadSanitizer rightly report as a data race (see `racing_copy`), so this test runs on real machines only.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::protocol::cursor::Outcome;

#[test]
#[cfg_attr(miri, ignore = "the racing copy is outside the memory model that Miri checks")]
fn no_copy_that_passes_the_check_is_torn() {
    for (frames, chunk) in [(2, 1), (64, 7), (1000, 400)] {
        let memory = Memory::new(frames, chunk);
        let done = AtomicBool::new(false);
        generation(&memory, 0);
        let (mut cursor, mut copy) = (cursor(&memory, Unit::Frames), Copy::default());
        let mut whole = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = PlainWriter::new(&memory);
                for _ in 0..20_000 {
                    writer.write(chunk);
                    std::thread::yield_now();
                }
                done.store(true, Ordering::Release);
            });
            // The cursor drops a copy that was overtaken, but gives out what is left of such a view. Both are used, in turn.
            for in_place in [false, true].into_iter().cycle() {
                let last = done.load(Ordering::Acquire);
                let outcome = if in_place {
                    cursor.view(u64::MAX).unwrap().map(|view| copy.take(&mut cursor, &view))
                } else {
                    cursor.read(&mut copy, u64::MAX, false).unwrap().map(|read| read.first..read.first + read.frames)
                };
                match outcome {
                    Outcome::Data(positions) => {
                        copy.check(&positions);
                        whole += positions.end - positions.start;
                    }
                    Outcome::Nothing if last => break,
                    _ => {}
                }
                assert_eq!(whole + cursor.lost(), cursor.position());
            }
        });
        assert_eq!(whole + cursor.lost(), 20_000 * chunk, "every position is read or lost exactly once");
        assert!(whole > 0);
    }
}
