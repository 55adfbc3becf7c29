//! The terminal: taken over, and given back however the command ends.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};
use ratatui::layout::Rect;

/// A screenful of pictures, so that it goes out at once.
const BUFFER_BYTES: usize = 1 << 20;

type Backend = CrosstermBackend<BufWriter<Stdout>>;

/// The terminal, ours until it is dropped.
pub struct Screen {
    terminal: Terminal<Backend>,
}

impl Screen {
    /// Takes the terminal over. It is given back when this is dropped, and before a panic says what it has to say.
    ///
    /// # Errors
    /// When it is no terminal, or does not do what is asked of it.
    pub fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        // What fails on the way gives back what it has taken.
        let screen = Self { terminal: terminal()? };
        take()?;
        Ok(screen)
    }

    /// Draws a screen; only what differs from the one before is sent.
    ///
    /// # Errors
    /// When the terminal has gone.
    pub fn draw(&mut self, render: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        // So that a terminal that knows it shows nothing half-drawn.
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| render(frame.buffer_mut()))?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        self.terminal.backend_mut().flush()
    }

    /// The size of the screen.
    ///
    /// # Errors
    /// When the terminal has gone, which nothing else tells while nothing is drawn.
    pub fn area(&self) -> io::Result<Rect> {
        let size = rustix::termios::tcgetwinsize(io::stdout())?;
        if size.ws_col > 0 && size.ws_row > 0 {
            return Ok(Rect::new(0, 0, size.ws_col, size.ws_row));
        }
        // A terminal that does not know its own, such as a serial line.
        let size = self.terminal.size()?;
        Ok(Rect::new(0, 0, size.width, size.height))
    }

    /// Gives the terminal back while `stop` stops the process.
    ///
    /// # Errors
    /// As [`enter`](Self::enter), and what `stop` says.
    pub fn suspend(&mut self, stop: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        give_back();
        stop()?;
        self.enter_again()
    }

    /// Takes the terminal over anew, after others have used it.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn enter_again(&mut self) -> io::Result<()> {
        // First, since it is what waits until this is not in the background any more. Without it the terminal would be taken
        // for raw, whatever a shell has made of it.
        let _ = disable_raw_mode();
        give_back();
        take()?;
        // Nothing of what was drawn is there any more.
        self.terminal = terminal()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// One on which nothing has been drawn.
fn terminal() -> io::Result<Terminal<Backend>> {
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(BUFFER_BYTES, io::stdout())))
}

/// Whether the terminal is ours. Given back twice, it would put the cursor where it was at first, over what has been written
/// since.
static TAKEN: AtomicBool = AtomicBool::new(false);

fn take() -> io::Result<()> {
    TAKEN.store(true, Ordering::Relaxed);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All), Hide)
}

/// Nothing can be done about a terminal that does not answer any more.
fn give_back() {
    if TAKEN.swap(false, Ordering::Relaxed) {
        let _ = execute!(io::stdout(), EndSynchronizedUpdate, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
