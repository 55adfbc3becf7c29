//! The binary on a terminal of the test's own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
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

/// A process on a terminal, ended with the test.
pub struct Terminal {
    child: Child,
    keys: File,
    /// Kept, so that what the terminal is set to can be asked for after the process has ended.
    side: OwnedFd,
    /// What it was set to at first.
    usual: Termios,
    shown: Arc<Mutex<Shown>>,
}

/// What a terminal makes of what is sent to it.
struct Shown {
    sent: Vec<u8>,
    screen: vt100::Parser,
    /// What is sent is not read any more.
    gone: bool,
}

impl Terminal {
    pub fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        // Not inherited by what other tests start: a terminal lives as long as somebody holds our end of it.
        let ours = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = ptsname_r(&ours).unwrap();
        let ours = File::from(OwnedFd::from(ours));
        let theirs = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(path).unwrap();
        set_size(&ours, columns, rows);
        let usual = tcgetattr(&theirs).unwrap();
        let side = || OwnedFd::from(theirs.try_clone().unwrap());
        // As a shell does it: a group of its own, whose stop stops nobody else and is one that we can end.
        let child = command.process_group(0).stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        let shown = Shown { sent: Vec::new(), screen: vt100::Parser::new(rows, columns, 0), gone: false };
        let shown = Arc::new(Mutex::new(shown));
        let mut screen = ours.try_clone().unwrap();
        let copy = shown.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error: the terminal is gone.
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                let mut shown = copy.lock().unwrap();
                if shown.gone {
                    break;
                }
                shown.sent.extend_from_slice(&bytes[..read]);
                shown.screen.process(&bytes[..read]);
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

    /// Tells the process that the terminal has another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.shown.lock().unwrap().screen.screen_mut().set_size(rows, columns);
        set_size(&self.keys, columns, rows);
        self.signal(Signal::SIGWINCH);
    }

    /// Takes the terminal away, as closing its window does.
    pub fn hang_up(&mut self) {
        self.shown.lock().unwrap().gone = true;
        // What this key changes wakes the thread that reads, which has the other copy of our end.
        self.press("+");
        wait_until("nothing reads what is sent", || Arc::strong_count(&self.shown) == 1);
        self.keys = File::open("/dev/null").unwrap();
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Sets the terminal to what it was at first, as a shell does when it comes to the front.
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

    /// Whether keys are shown as they are typed, as a shell wants it.
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
