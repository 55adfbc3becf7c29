//! Two concurrent threads: frames that the check finds whole are whole. The copies race with the stores, which Miri and
//! ThreadSanitizer rightly report as a data race (see `racing_copy`), so this test runs on real machines only.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::protocol::load_committed;

#[test]
#[cfg_attr(miri, ignore = "the racing copy is outside the memory model that Miri checks")]
fn no_copy_that_passes_the_check_is_torn() {
    for (frames, chunk) in [(2, 1), (64, 7), (1000, 400)] {
        let memory = Memory::new(frames, chunk);
        let done = AtomicBool::new(false);
        let n = memory.ring.frames();
        let (mut whole, mut lost) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = PlainWriter::new(&memory);
                for _ in 0..20_000 {
                    writer.write(chunk);
                    std::thread::yield_now();
                }
                done.store(true, Ordering::Release);
            });
            let mut next = 0;
            loop {
                let last = done.load(Ordering::Acquire);
                let committed = load_committed(&memory.ring).frames;
                assert!(committed >= next);
                let from = next.max(committed.saturating_sub(n));
                let ok = check(&memory, from..committed);
                whole += committed - ok;
                lost += ok - next;
                next = committed;
                if last {
                    break;
                }
            }
        });
        assert_eq!(whole + lost, 20_000 * chunk, "every position is read or lost exactly once");
        assert!(whole > 0);
    }
}
