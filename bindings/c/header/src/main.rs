//! `make-c-header [--check]`: makes `bindings/c/include/dora_shm.h` from the sources, with cbindgen.
//!
//! Without an argument, it replaces the committed header. With `--check`, it fails if the committed header differs from
//! the generated one. `cargo xtask header` runs it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cbindgen::{Builder, Config, DocumentationStyle, ExportConfig, Language, SortKey, Style};

const CONVENTIONS: &str = r"/*
 * dora-shm for C: live arrays in shared memory. A stream has one writer and any number of readers; its name connects them.
 *
 * Generated from the sources in bindings/c/src. README.md beside them shows a program; SPEC.md defines the bytes in memory.
 *
 * Words
 *   A stream is a sequence of frames of one type and shape. Each frame has a value on the buffered axis (usually its time,
 *   in seconds). The newest frames are kept in a ring. A change of type, shape, rate or length begins the next generation,
 *   in a new ring. A position counts the frames since the generation began. The writer laps a reader that is too slow for
 *   the length of the ring: the reader loses frames, and their number is reported.
 *
 * Conventions
 *   - Every function that can fail returns a dora_shm_result: 0 is success, positive values are ordinary outcomes, negative
 *     values are errors. After an error, dora_shm_last_error_message() returns a sentence about it. An error leaves
 *     everything as it was unless its documentation states otherwise.
 *   - Parameters named 'out' point to memory that receives a value. They must not be NULL. An error leaves that memory
 *     untouched.
 *   - Arguments that are NULL, misaligned or out of range cause an error, never a crash. The caller guarantees what cannot
 *     be checked: that memory is as large as stated, and that a handle is valid.
 *   - Handles (dora_shm_reader, dora_shm_writer, ...) belong to the caller. Each is closed once, in any order, by a function
 *     that takes the address of the caller's pointer and sets it to NULL. Closing NULL does nothing.
 *   - Strings that are passed in are UTF-8, end in a NUL, and are copied. Strings that are returned are UTF-8, end in a NUL,
 *     and belong to the library or to a handle, as documented; never free them. A NUL inside a string of a stream is
 *     returned as U+FFFD.
 *   - Threads: calls with the same handle must not overlap, unless documented as 'any thread'; an overlapping call returns
 *     DORA_SHM_ERROR_BUSY. 'Any thread' means any number of threads at once. Different handles are independent.
 *   - A function blocks only if documented. No function takes longer because another process is slow, stopped or dead.
 *   - After fork(), a child may continue to use readers, but not writers, which return an error. In signal handlers, call
 *     only dora_shm_reader_interrupt().
 *   - Initialise options with their macro: dora_shm_reader_options options = DORA_SHM_READER_OPTIONS_INIT. Zero formats and
 *     buffers before you set members (= {0}). What is left as it is has the default that its comment states.
 *   - A value that does not exist is DORA_SHM_NONE for generations and user ids, NaN for coordinates, NULL for strings, and 0
 *     where 0 has no other meaning. A bool is true or false.
 *   - Durations are seconds, unless their names end in _ns. Sizes are bytes. Samples are in C order.
 */";

/// Constants of the library, and initialisers of options.
fn constants() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let [major, minor, patch] =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    let constants = [
        ("Version of this header.", "VERSION", format!("\"{version}\"")),
        ("First number of the version.", "VERSION_MAJOR", major.to_owned()),
        ("Second number of the version.", "VERSION_MINOR", minor.to_owned()),
        ("Third number of the version.", "VERSION_PATCH", patch.to_owned()),
        ("Most dimensions of a frame.", "MAX_RANK", dora_shm_ring::internal::MAX_RANK.to_string()),
        (
            "Bytes of the longest stream name and its NUL.",
            "NAME_SIZE",
            (dora_shm_ring::internal::MAX_NAME_BYTES + 1).to_string(),
        ),
        (
            "Bytes of a segment name and its NUL.",
            "SEGMENT_SIZE",
            (dora_shm_ring::internal::SEGMENT_NAME_BYTES + 1).to_string(),
        ),
        ("No generation, or no user id.", "NONE", "UINT32_MAX".to_owned()),
        (
            "Initialises dora_shm_reader_options with the defaults.",
            "READER_OPTIONS_INIT",
            "{sizeof(dora_shm_reader_options), DORA_SHM_START_NEWEST, DORA_SHM_NONE, 0, 0, 0, 0, 0, false}".to_owned(),
        ),
        (
            "Initialises dora_shm_writer_options with the defaults.",
            "WRITER_OPTIONS_INIT",
            "{sizeof(dora_shm_writer_options), 0, 0, false}".to_owned(),
        ),
    ];
    let lines = constants.map(|(meaning, name, value)| format!("/// {meaning}\n#define DORA_SHM_{name} {value}"));
    format!(
        "\n{}\n\n/// Whether a result is an error.\n#define DORA_SHM_IS_ERROR(result) ((result) < 0)",
        lines.join("\n")
    )
}

fn generated() -> String {
    let config = Config {
        language: Language::C,
        cpp_compat: true,
        include_guard: Some("DORA_SHM_H".to_owned()),
        header: Some(CONVENTIONS.to_owned()),
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        after_includes: Some(constants()),
        usize_is_size_t: true,
        style: Style::Type,
        documentation_style: DocumentationStyle::Cxx,
        // As long as the longest line of documentation: beyond it, cbindgen breaks a declaration.
        line_length: 126,
        tab_width: 4,
        sort_by: SortKey::None,
        export: ExportConfig {
            // Arguments and members of these types are plain integers, because C may pass any number.
            include: ["dora_shm_dtype", "dora_shm_start", "dora_shm_clock"].map(str::to_owned).to_vec(),
            exclude: ["DORA_SHM_MAX_RANK", "DORA_SHM_NAME_SIZE", "DORA_SHM_SEGMENT_SIZE", "DORA_SHM_NONE", "flag"]
                .map(str::to_owned)
                .to_vec(),
            rename: [("flag".to_owned(), "bool".to_owned())].into(),
            ..ExportConfig::default()
        },
        ..Config::default()
    };
    let bindings = Builder::new().with_crate(library()).with_config(config).generate();
    let mut header = Vec::new();
    bindings.expect("the sources can be parsed").write(&mut header);
    String::from_utf8(header).expect("the sources are UTF-8")
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let path = library().join("include/dora_shm.h");
    let outcome = match words[..] {
        [] => std::fs::write(&path, generated()).map_err(|error| format!("{}: {error}", path.display())),
        ["--check"] => check(&path),
        _ => Err(format!("{words:?}, expected nothing or --check")),
    };
    if let Err(sentence) = outcome {
        eprintln!("make-c-header: {sentence}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Fails if the committed header differs from the generated one.
fn check(path: &Path) -> Result<(), String> {
    let (generated, committed) = (generated(), std::fs::read_to_string(path).unwrap_or_default());
    if committed == generated {
        return Ok(());
    }
    let differs = committed.lines().zip(generated.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or_else(|| committed.lines().count().min(generated.lines().count())) + 1;
    Err(format!("{} is out of date from line {line} on; run `cargo xtask header`", path.display()))
}

/// The folder of the library.
fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
