//! Recordings as files of other formats: one writer for each (`npz`, `parquet`, `csv`), driven batch by batch.

mod about;
mod csv;
mod labels;
mod npy;
mod npz;
mod parquet;
mod zip;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eyre::{WrapErr as _, bail, eyre};
use tempfile::NamedTempFile;

use crate::recording::{Batch, Generation, Part, RecordingReader};

/// The formats that recordings can be converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// numpy's archive: all generations in one file.
    Npz,
    /// Apache Parquet: a file per generation.
    Parquet,
    /// Text: a file per generation, with a file beside it that says what the times are.
    Csv,
}

impl Target {
    /// The format that the file's extension selects.
    ///
    /// # Errors
    /// A sentence, for any other extension.
    pub fn of(path: &Path) -> eyre::Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            "npz" => Ok(Self::Npz),
            "parquet" => Ok(Self::Parquet),
            "csv" => Ok(Self::Csv),
            _ => bail!("{}: the name has to end in .parquet, .npz or .csv, which selects the format", path.display()),
        }
    }
}

/// Writes one generation after the other into files of one format.
trait Sink {
    /// Begins a generation, and ends the one before.
    fn begin(&mut self, generation: &Arc<Generation>) -> eyre::Result<()>;
    /// Rows of it.
    fn write(&mut self, batch: &Batch) -> eyre::Result<()>;
    /// Ends the export. Returns the files that were written, in order, still under their temporary names.
    fn finish(self: Box<Self>) -> eyre::Result<Vec<Exported>>;
}

/// A file that was written.
struct Exported {
    file: NamedTempFile,
    /// What it cannot hold itself, as JSON.
    beside: Option<NamedTempFile>,
}

impl From<NamedTempFile> for Exported {
    fn from(file: NamedTempFile) -> Self {
        Self { file, beside: None }
    }
}

/// Converts `recording` into files of `path`'s format, and returns their names, without those of files beside them. A
/// file appears when it is complete; an
/// existing one is replaced only with `force`.
///
/// # Errors
/// If the recording cannot be read, or a file cannot be written; then no file appears.
pub fn export(recording: &mut RecordingReader, path: &Path, force: bool) -> eyre::Result<Vec<PathBuf>> {
    let target = Target::of(path)?;
    check_free(path, force)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let make = move || {
        let mut builder = tempfile::Builder::new();
        // As for any file, the user's umask decides who may read it.
        let builder = builder.prefix(".dora-shm-export-");
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(&folder).wrap_err_with(|| format!("cannot create a file in {}", folder.display()))
    };
    let mut sink: Box<dyn Sink> = match target {
        Target::Npz => Box::new(npz::Npz::new(make()?)?),
        Target::Parquet => Box::new(parquet::Parquet::new(make)),
        Target::Csv => Box::new(csv::Csv::new(make)),
    };
    let context = || format!("cannot write {}", path.display());
    while let Some(part) = recording.next()? {
        match part {
            Part::Generation(generation) => sink.begin(&generation).wrap_err_with(context)?,
            Part::Batch(batch) => sink.write(&batch).wrap_err_with(context)?,
        }
    }
    let files = sink.finish().wrap_err_with(context)?;
    let names: Vec<PathBuf> = match files.len() {
        1 => vec![path.to_owned()],
        files => (0..files).map(|number| numbered(path, number)).collect(),
    };
    for (Exported { beside, .. }, name) in files.iter().zip(&names) {
        check_free(name, force)?;
        beside.as_ref().map_or(Ok(()), |_| check_free(&name_beside(name), force))?;
    }
    let persist = |file: NamedTempFile, name: &Path| {
        let persisted = if force { file.persist(name) } else { file.persist_noclobber(name) };
        persisted.map(drop).map_err(|error| eyre!("cannot create {}: {}", name.display(), error.error))
    };
    for (Exported { file, beside }, name) in files.into_iter().zip(&names) {
        // First, so that a complete file is never without it.
        beside.map_or(Ok(()), |beside| persist(beside, &name_beside(name)))?;
        persist(file, name)?;
    }
    Ok(names)
}

fn check_free(path: &Path, force: bool) -> eyre::Result<()> {
    if !force && path.symlink_metadata().is_ok() {
        bail!("{} already exists; choose another file, or replace it with --force", path.display());
    }
    Ok(())
}

/// `x-0.csv` of `x.csv`.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let (stem, extension) = (path.file_stem().unwrap_or_default(), path.extension().unwrap_or_default());
    path.with_file_name(format!("{}-{number}.{}", stem.to_string_lossy(), extension.to_string_lossy()))
}

/// `x.csv.json` of `x.csv`.
fn name_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

/// The file of a generation that is being written, and those of the generations before.
struct Files<M, W> {
    make: M,
    current: Option<(NamedTempFile, W)>,
    done: Vec<NamedTempFile>,
}

impl<M: Fn() -> eyre::Result<NamedTempFile>, W> Files<M, W> {
    fn new(make: M) -> Self {
        Self { make, current: None, done: Vec::new() }
    }

    /// Ends the current file by `end`, and begins the next one by `begin`.
    fn next(
        &mut self,
        begin: impl FnOnce(File) -> eyre::Result<W>,
        end: impl FnOnce(W) -> eyre::Result<()>,
    ) -> eyre::Result<()> {
        self.end(end)?;
        let file = (self.make)()?;
        let writer = begin(file.as_file().try_clone()?)?;
        self.current = Some((file, writer));
        Ok(())
    }

    /// A temporary file in the folder of the export.
    fn make(&self) -> eyre::Result<NamedTempFile> {
        (self.make)()
    }

    fn end(&mut self, end: impl FnOnce(W) -> eyre::Result<()>) -> eyre::Result<()> {
        if let Some((file, writer)) = self.current.take() {
            end(writer)?;
            self.done.push(file);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_selects_the_format() {
        assert_eq!(Target::of(Path::new("a/x.NPZ")).unwrap(), Target::Npz);
        assert_eq!(Target::of(Path::new("x.csv")).unwrap(), Target::Csv);
        assert!(Target::of(Path::new("x")).unwrap_err().to_string().contains(".parquet, .npz or .csv"));
        assert_eq!(numbered(Path::new("a/x.y.csv"), 3), Path::new("a/x.y-3.csv"));
    }
}
