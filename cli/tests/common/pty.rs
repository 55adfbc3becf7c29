//! The binary on a terminal that the test creates.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::Pid;

use super::{PATIENCE, wait_until};

fn set_size(terminal: &File, columns: u16, rows: u16) {
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).unwrap();
}

/// A process on a terminal, killed at the end of the test.
pub struct Terminal {
    child: Child,
    keys: File,
    /// The process's end, kept open so that the terminal's settings can be read after the process has ended.
    side: OwnedFd,
    /// The terminal's settings at the start.
    usual: Termios,
    shown: Arc<Mutex<Shown>>,
}

/// What was sent to the terminal, and the screen that results.
struct Shown {
    sent: Vec<u8>,
    screen: vt100::Parser,
    /// Whether what is sent is not read any more.
    gone: bool,
}

impl Terminal {
    pub fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        // Not inherited by processes of other tests: a terminal lives as long as any process holds our end of it.
        let ours = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = ptsname_r(&ours).unwrap();
        let ours = File::from(OwnedFd::from(ours));
        let theirs = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(path).unwrap();
        set_size(&ours, columns, rows);
        let usual = tcgetattr(&theirs).unwrap();
        let side = || OwnedFd::from(theirs.try_clone().unwrap());
        // A process group of its own, as a shell creates: a stop affects only this group, and the test can continue it.
        let child = command.process_group(0).stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        let shown = Shown { sent: Vec::new(), screen: vt100::Parser::new(rows, columns, 0), gone: false };
        let shown = Arc::new(Mutex::new(shown));
        let mut screen = ours.try_clone().unwrap();
        let copy = shown.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error means that the terminal is gone.
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                let mut shown = copy.lock().unwrap();
                if shown.gone {
                    break;
                }
                shown.sent.extend_from_slice(&bytes[..read]);
                // On a screen of one row, vt100 panics at a line that is wider: output for the size before the screen
                // shrank. What follows draws everything anew.
                let screen = &mut shown.screen;
                if catch_unwind(AssertUnwindSafe(|| screen.process(&bytes[..read]))).is_err() {
                    let (rows, columns) = screen.screen().size();
                    *screen = vt100::Parser::new(rows, columns, 0);
                }
            }
        });
        Self { child, keys: ours, side: theirs.into(), usual, shown }
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.shown.lock().unwrap().screen.screen().contents()
    }

    #[track_caller]
    pub fn expect(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.screen().contains(text) {
            assert!(Instant::now() < deadline, "gave up waiting for {text:?} on the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until these bytes have been sent.
    #[track_caller]
    pub fn expect_sent(&self, bytes: &str) {
        wait_until(&format!("{bytes:?} sent to the terminal"), || self.times_sent(bytes) > 0);
    }

    pub fn times_sent(&self, bytes: &str) -> usize {
        self.sent().matches(bytes).count()
    }

    /// All that has been sent, as text.
    pub fn sent(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap().sent).into_owned()
    }

    /// Resizes the terminal, and signals that to the process.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.shown.lock().unwrap().screen.screen_mut().set_size(rows, columns);
        set_size(&self.keys, columns, rows);
        self.signal(Signal::SIGWINCH);
    }

    /// Takes the terminal away, as closing its window does.
    pub fn hang_up(&mut self) {
        self.shown.lock().unwrap().gone = true;
        // The output that this key causes wakes the thread that reads, which holds the other copy of our end.
        self.press("+");
        wait_until("the reading thread has ended", || Arc::strong_count(&self.shown) == 1);
        self.keys = File::open("/dev/null").unwrap();
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Restores the terminal's first settings, as a shell does when it comes to the foreground.
    pub fn make_usual(&self) {
        tcsetattr(&self.side, SetArg::TCSANOW, &self.usual).unwrap();
    }

    /// Whether the process is stopped, as by Ctrl-Z.
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    }

    #[track_caller]
    pub fn exit(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Whether keys are echoed and lines are edited, as a shell expects.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.side).unwrap().local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
