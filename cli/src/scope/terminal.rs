//! The terminal: taken over, and restored however the command ends.

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

/// Room for a whole screen of pixels, so that it is sent at once.
const BUFFER_BYTES: usize = 1 << 20;

type Backend = CrosstermBackend<BufWriter<Stdout>>;

/// The terminal, ours until it is dropped.
pub struct Screen {
    terminal: Terminal<Backend>,
}

impl Screen {
    /// Takes the terminal over. It is restored when this is dropped, and before a panic prints its message.
    ///
    /// # Errors
    /// If it is not a terminal, or cannot be set up.
    pub fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        // Before `take`: if that fails, dropping `screen` restores the terminal.
        let screen = Self { terminal: terminal()? };
        take()?;
        Ok(screen)
    }

    /// Draws a screen; only what differs from the one before is sent.
    ///
    /// # Errors
    /// If the terminal has gone.
    pub fn draw(&mut self, render: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        // A terminal that supports this does not show a half-drawn screen.
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| render(frame.buffer_mut()))?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        self.terminal.backend_mut().flush()
    }

    /// The size of the screen.
    ///
    /// # Errors
    /// If the terminal has gone, which nothing else reveals while nothing is drawn.
    pub fn area(&self) -> io::Result<Rect> {
        let size = rustix::termios::tcgetwinsize(io::stdout())?;
        if size.ws_col > 0 && size.ws_row > 0 {
            return Ok(Rect::new(0, 0, size.ws_col, size.ws_row));
        }
        // A terminal that does not know its size, such as a serial line.
        let size = self.terminal.size()?;
        Ok(Rect::new(0, 0, size.width, size.height))
    }

    /// Restores the terminal while `stop` stops the process.
    ///
    /// # Errors
    /// Those of [`enter`](Self::enter) and of `stop`.
    pub fn suspend(&mut self, stop: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        restore();
        stop()?;
        self.enter_again()
    }

    /// Takes the terminal over again, after other programs have used it.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn enter_again(&mut self) -> io::Result<()> {
        // First, since this call waits while the process is in the background. Without it, the terminal would be taken
        // for raw, whatever a shell has made of it.
        let _ = disable_raw_mode();
        restore();
        take()?;
        // Nothing that was drawn is on the screen any more.
        self.terminal = terminal()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// A terminal on which nothing has been drawn.
fn terminal() -> io::Result<Terminal<Backend>> {
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(BUFFER_BYTES, io::stdout())))
}

/// Whether the terminal is taken over. Restored twice, it would move the cursor to its first place, over later output.
static TAKEN: AtomicBool = AtomicBool::new(false);

fn take() -> io::Result<()> {
    TAKEN.store(true, Ordering::Relaxed);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All), Hide)
}

/// Restores the terminal. Ignores errors: nothing can be done about a terminal that has gone.
fn restore() {
    if TAKEN.swap(false, Ordering::Relaxed) {
        let _ = execute!(io::stdout(), EndSynchronizedUpdate, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
