//! What `info` prints for people: one line per property, in sections.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anstyle::Style;
use dora_shm_ring::internal::unix_ns;
use dora_shm_ring::{Clock, Description, GenerationClock, Info, Liveness, SHM_DIR};

use super::axes;
use super::json::{ring_s, ring_segment};
use crate::json_fields::Fields;
use crate::permissions::Permissions;
use crate::text::{printable, width};
use crate::{state_word, units, unwritten, users};

const TITLE: Style = Style::new().bold();
/// Columns for the names of properties.
const NAMES: usize = 13;
/// Longest line, unless a single word is longer.
const COLUMNS: usize = 100;

pub fn write(
    out: &mut impl Write,
    info: &Info,
    permissions: Option<&Permissions>,
    missed: bool,
    now_ns: u64,
) -> io::Result<()> {
    writeln!(out, "{TITLE}{}{TITLE:#}", printable(&info.name))?;
    let fields = Fields::of(info, now_ns);
    let style = state_word::style(info.liveness);
    let age = fields.age_s.map(|age| format!(", newest frame {} ago", units::seconds(age))).unwrap_or_default();
    line(out, "state", &format!("{style}{}{style:#}{age}", info.liveness.name()))?;
    if let Some(ezmsg) = &info.ezmsg {
        let version = ezmsg.struct_version;
        line(out, "written by", &format!("ezmsg-tools, struct version {version}: read as far as possible"))?;
    }
    line(out, "writer", &writer(info))?;
    if let Some(created_ns) = info.created_ns {
        let age = u64::try_from(unix_ns().saturating_sub(created_ns)).map(Duration::from_nanos);
        let ago = age.map(|age| format!(", {} ago", units::duration(age))).unwrap_or_default();
        line(out, "created", &format!("{}{ago}", axes::time(created_ns)))?;
    }
    if let Some(found) = permissions {
        line(out, "read by", &format!("{}, mode {:04o}", found.readers(), found.mode))?;
    }
    match &info.format {
        None if matches!(info.liveness, Liveness::Dead | Liveness::Closed) => {
            line(out, "frames", "none: its writer left no ring")?;
        }
        None => line(out, "frames", "none yet: the writer has not begun a ring")?,
        Some(format) => {
            let each = units::bytes(format.frame_bytes());
            line(out, "frame", &format!("{} of {}, {each}", units::shape(format.frame_shape()), format.dtype()))?;
            let stated =
                fields.rate_hz.map_or_else(|| "not stated".into(), |rate| format!("{} stated", units::hertz(rate)));
            let measured =
                fields.measured_hz.map(|rate| format!(", {} measured", units::hertz(rate))).unwrap_or_default();
            line(out, "rate", &format!("{stated}{measured}"))?;
            if let Some(clock) = &info.clock {
                line(out, "clock", &clock_of(clock))?;
            }
            let span = ring_s(info).map(|span| format!(", {}", units::seconds(span))).unwrap_or_default();
            let bytes = info.ring_bytes.map(|bytes| format!(", {}", units::bytes(bytes))).unwrap_or_default();
            line(out, "ring", &format!("{}{span}{bytes}", units::counted(format.frames(), "frame")))?;
        }
    }
    if let Some(generation) = info.generation {
        line(out, "generation", &generation.to_string())?;
        let messages = if info.ezmsg.is_some() {
            String::new()
        } else {
            format!(" in {}", units::counted(info.chunks, "message"))
        };
        let all = match info.stream_position {
            same if same == info.position => String::new(),
            all => format!("; {} in all generations", units::count(all)),
        };
        line(out, "position", &format!("{}{messages}{all}", units::counted(info.position, "frame")))?;
    }
    if let Some(unwritten) = info.counted.as_ref().and_then(unwritten::words) {
        line(out, "not written", &format!("{unwritten}: messages since the writer began"))?;
    }
    if missed {
        line(out, "description", "the one in force was removed before it could be read")?;
    }
    if let Some(description) = &info.description {
        describe(out, info, description)?;
    }
    if let Some(ezmsg) = &info.ezmsg {
        if let Some(key) = ezmsg.key.as_ref().filter(|_| info.description.is_none()) {
            line(out, "key", &printable(key))?;
        }
        if let Some(refused) = &ezmsg.refused {
            line(out, "refused", &printable(refused))?;
        }
        for left_out in &ezmsg.left_out {
            line(out, "left out", &printable(left_out))?;
        }
    }
    layout(out, info)
}

/// What the times are of. A monotonic clock means nothing without its identity.
fn clock_of(clock: &GenerationClock) -> String {
    match clock.clock {
        Clock::Unix => "unix: times are seconds since 1970".to_owned(),
        Clock::Monotonic if clock.id.is_known() => {
            format!("monotonic: times are seconds of CLOCK_MONOTONIC of boot {}", clock.id)
        }
        Clock::Monotonic => "monotonic: times are seconds of a CLOCK_MONOTONIC, unknown which".to_owned(),
        _ => "source: times are the source's own".to_owned(),
    }
}

fn writer(info: &Info) -> String {
    let owner = info.owner.map(|owner| format!("user {}", users::name(owner)));
    let process = info.writer_pid.map(|pid| {
        let alive = !matches!(info.liveness, Liveness::Dead | Liveness::Closed | Liveness::Absent);
        let program = program(pid, &info.segment).filter(|_| alive);
        match program {
            Some(program) => format!("process {pid} ({})", printable(program.trim_end())),
            None if alive => format!("process {pid}"),
            None => format!("process {pid}, which is dead"),
        }
    });
    let takeovers = info.epoch.filter(|&epoch| epoch > 1).map(|epoch| format!("writer number {epoch} of the stream"));
    let parts: Vec<String> = [process, owner, takeovers].into_iter().flatten().collect();
    parts.join(", ")
}

/// The program that process `pid` runs. `None` if the process does not map the segment `header`, so that it is not the
/// writer (whose `pid` is from another PID namespace), or if its memory maps may not be read.
fn program(pid: u32, header: &str) -> Option<String> {
    let found = Path::new(SHM_DIR).join(header).metadata().ok()?;
    let device = format!("{:02x}:{:02x}", rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let is_mapped = maps.lines().any(|map| {
        // Range, permissions, offset, device, inode, path.
        let mut fields = map.split_ascii_whitespace().skip(3);
        fields.next() == Some(&*device) && fields.next().is_some_and(|inode| inode.parse() == Ok(found.ino()))
    });
    is_mapped.then(|| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()).flatten()
}

fn describe(out: &mut impl Write, info: &Info, description: &Description) -> io::Result<()> {
    if !description.key.is_empty() {
        line(out, "key", &printable(&description.key))?;
    }
    if !description.dims.is_empty() {
        section(out, "axes")?;
    }
    let shape = info.format.as_ref().map_or(&[][..], |format| format.frame_shape());
    for (index, dim) in description.dims.iter().enumerate() {
        let size = match index.checked_sub(1) {
            None => "frames".to_owned(),
            Some(index) => shape.get(index).map_or_else(String::new, u64::to_string),
        };
        let coordinates = description.axes.get(dim).map_or_else(|| "no coordinates".to_owned(), axes::axis);
        line(out, &printable(dim), &format!("{size}: {coordinates}"))?;
    }
    if let Some(dim) = &description.stream_dim {
        line(out, "stream_dim", &printable(dim))?;
    }
    if !description.attrs.is_empty() {
        section(out, "attributes")?;
    }
    for (name, attr) in &description.attrs {
        line(out, &printable(name), &axes::attr(attr))?;
    }
    if let Some(message) = &description.message {
        section(out, "message")?;
        line(out, "rebuilt by", &printable(&message.to_string()))?;
    }
    Ok(())
}

fn layout(out: &mut impl Write, info: &Info) -> io::Result<()> {
    section(out, "memory")?;
    line(out, "header", &format!("{SHM_DIR}/{}", info.segment))?;
    let (Some(generation), Some(bytes)) = (info.generation, info.ring_bytes) else { return Ok(()) };
    let segment = ring_segment(&info.name, generation);
    line(out, "ring", &format!("{SHM_DIR}/{segment}, {} bytes", units::count(bytes)))?;
    let Some(layout) = info.layout else { return Ok(()) };
    let at = |offset| format!("from byte {}", units::count(offset));
    line(out, "  times", &at(0))?;
    line(out, "  samples", &at(layout.samples_offset))?;
    line(
        out,
        "  records",
        &format!("{}, of the newest {} messages", at(layout.records_offset), units::count(layout.records)),
    )?;
    line(out, "  trailer", &at(layout.trailer_offset))
}

fn section(out: &mut impl Write, title: &str) -> io::Result<()> {
    writeln!(out, "{TITLE}{title}{TITLE:#}")
}

/// A name and its text. Long text is wrapped and indented.
fn line(out: &mut impl Write, name: &str, text: &str) -> io::Result<()> {
    let indent = NAMES + 2;
    let pad = NAMES.saturating_sub(width(name)).max(1);
    write!(out, "  {name}{:pad$}", "")?;
    let mut column = indent.max(2 + width(name) + pad);
    let mut first = true;
    for word in text.split(' ') {
        let word_width = width(&anstream::adapter::strip_str(word).to_string());
        if !first && column + 1 + word_width > COLUMNS {
            write!(out, "\n{:indent$}", "")?;
            column = indent;
        } else if !first {
            write!(out, " ")?;
            column += 1;
        }
        write!(out, "{word}")?;
        column += word_width;
        first = false;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_below_their_text() {
        let mut out = Vec::new();
        let labels: Vec<String> = (0..20).map(|i| format!("label-{i:02}")).collect();
        line(&mut out, "ch", &labels.join(", ")).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("  ch           label-00, "));
        assert!(lines[1].starts_with("               label-"));
        assert!(lines.iter().all(|line| width(line) <= COLUMNS && !line.ends_with(' ')));
    }
}
