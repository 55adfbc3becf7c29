//! `include/dora_shm.h` is what cbindgen makes of the sources.

use std::path::Path;

use cbindgen::{Builder, Config, DocumentationStyle, EnumConfig, ExportConfig, Language, SortKey, Style};

/// The environment variable that makes this test write the header instead of comparing it.
const WRITE: &str = "DORA_SHM_WRITE_HEADER";

const CONVENTIONS: &str = r"/*
 * dora-shm for C: live arrays in shared memory, one writer, any number of readers, a name that connects them.
 *
 * Generated from the sources in bindings/c/src. README.md beside them shows a program; SPEC.md has the format in memory.
 *
 * Words
 *   A stream is a sequence of frames of one type and shape, each with a value on the buffered axis (usually its time, in
 *   seconds). The newest frames are kept in a ring. A change of type, shape, rate or length begins the next generation, in
 *   a new ring. A position counts the frames since the generation began. A reader that is slower than the ring is long is
 *   lapped by the writer: it loses frames, and is told how many.
 *
 * Conventions
 *   - Every function that can fail returns a dora_shm_result: 0 is success, positive values are ordinary answers, negative
 *     values are errors. After an error, dora_shm_last_error_message() has a sentence for people. An error leaves
 *     everything as it was unless the function says otherwise.
 *   - Answers go to where pointers named as out point. They must not be NULL, and are left alone by an error.
 *   - Arguments that are NULL, not aligned or out of range are answered with an error, never with a crash. What cannot be
 *     seen from here remains the caller's to hold: that memory is as long as is said, and that a handle is one.
 *   - Handles (dora_shm_reader, dora_shm_writer, ...) belong to the caller. Each is closed once, in any order, by the
 *     function that takes the address of the caller's pointer, which becomes NULL; closing NULL does nothing.
 *   - Strings that are given in are UTF-8, end in a NUL, and are copied. Strings that come out are UTF-8, end in a NUL, and
 *     belong to what the function says, for as long as it says; the caller never frees them. A NUL inside a string of a
 *     stream comes out as U+FFFD.
 *   - Threads: 'any thread' means any number of threads at once. 'One thread at a time' means that calls with the same
 *     handle must not overlap; one that does is answered with DORA_SHM_ERROR_BUSY. Different handles are independent.
 *   - Only functions that say so block. None takes longer because another process is slow, stopped or dead.
 *   - After fork() a child may go on to use readers, and must not use writers, which say so. Handles are not for signal
 *     handlers, but for dora_shm_reader_interrupt().
 *   - Structs with options, formats and buffers are to be zeroed first (= {0}); zero is the default of each member.
 *   - Unless their names end in _ns, durations are seconds. Sizes are bytes. Samples lie in C order.
 */";

/// What is known to the library is taken from there.
fn derived_constants() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let [major, minor, patch] =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    let constants = [
        ("Version that this header is of.", "VERSION", format!("\"{version}\"")),
        ("First number of the version.", "VERSION_MAJOR", major.to_owned()),
        ("Second number of the version.", "VERSION_MINOR", minor.to_owned()),
        ("Third number of the version.", "VERSION_PATCH", patch.to_owned()),
        ("Most dimensions of a frame.", "MAX_RANK", dora_shm_ring::MAX_RANK.to_string()),
        ("Bytes of the longest stream name and its NUL.", "NAME_SIZE", (dora_shm_ring::MAX_NAME_BYTES + 1).to_string()),
        ("Bytes of a segment name and its NUL.", "SEGMENT_SIZE", (dora_shm_ring::SEGMENT_NAME_BYTES + 1).to_string()),
        ("There is none: of generations, and of user ids.", "NONE", "UINT32_MAX".to_owned()),
    ];
    let lines = constants.map(|(meaning, name, value)| format!("/** {meaning} */\n#define DORA_SHM_{name} {value}"));
    format!(
        "\n{}\n\n/** Whether a result is an error. */\n#define DORA_SHM_IS_ERROR(result) ((result) < 0)",
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
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        after_includes: Some(derived_constants()),
        usize_is_size_t: true,
        style: Style::Both,
        documentation_style: DocumentationStyle::Doxy,
        line_length: 100,
        tab_width: 4,
        sort_by: SortKey::Name,
        export: ExportConfig {
            // Numbers in arguments and structs, which may be any from C, are plain integers there.
            include: ["dora_shm_dtype", "dora_shm_start"].map(str::to_owned).to_vec(),
            exclude: ["MAX_RANK", "NAME_SIZE", "SEGMENT_SIZE", "NONE"].map(|name| format!("DORA_SHM_{name}")).to_vec(),
            ..ExportConfig::default()
        },
        enumeration: EnumConfig { ..EnumConfig::default() },
        ..Config::default()
    };
    let config = Config {
        sort_by: SortKey::None,
        function: cbindgen::FunctionConfig { sort_by: None, ..Default::default() },
        ..config
    };
    let bindings = Builder::new().with_crate(env!("CARGO_MANIFEST_DIR")).with_config(config).generate();
    let mut header = Vec::new();
    bindings.expect("the sources can be parsed").write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/dora_shm.h");
    let generated = generated();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let line = committed.lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(
        committed == generated,
        "{} differs from what cbindgen makes of the sources (from line {} on); `{WRITE}=1 cargo test -p dora-shm-c \
         --test header` writes it anew",
        path.display(),
        line.map_or(committed.lines().count().min(generated.lines().count()), |line| line) + 1,
    );
}
