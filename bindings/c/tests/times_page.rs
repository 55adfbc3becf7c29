//! The C of docs/times.md, exactly as it is there.

mod common;

use std::fs;
use std::process::Command;

use common::{Language, folder, here, pkg_config, prefix, run};
use dora_shm_testkit::Name;

/// A program of the page's two blocks: one writes ten frames, the other converts the times of these frames.
fn program(blocks: &[String]) -> String {
    let [write, convert] = blocks else { panic!("expected two blocks of C on the page, found {}", blocks.len()) };
    format!(
        r#"#include "check.h"
#include <math.h>
#include <time.h>

static double monotonic(void) {{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}}

int main(int count, char **arguments) {{
    CHECK(count == 2);
    static float samples[10 * 8];
    double times[10];
    dora_shm_writer *writer = NULL;
    dora_shm_reader *reader = NULL;
    OK(dora_shm_writer_create(arguments[1], NULL, &writer));
    OK(dora_shm_reader_open(arguments[1], NULL, &reader));
    double before = monotonic();
    {write}
    OK(result);
    double after = monotonic();
    dora_shm_buffers into = {{.samples = samples, .samples_size = sizeof samples, .times = times, .max_frames = 10}};
    dora_shm_frames frames;
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_read(reader, &into, &frames));
    OK(dora_shm_reader_read(reader, &into, &frames));
    CHECK(frames.frames == 10 && times[9] > 1e9);
    {convert}
    OK(result);
    CHECK(info.format.clock == DORA_SHM_CLOCK_UNIX);
    CHECK(before - 1e-6 <= times[9] && times[9] <= after + 1e-6);
    CHECK(fabs(times[9] - times[0] - 9 / 250.0) < 1e-6);
    dora_shm_reader_close(&reader);
    OK(dora_shm_writer_close(&writer));
    return 0;
}}
"#
    )
}

#[test]
#[ignore = "needs compilers for C and C++, pkg-config and valgrind: cargo xtask c"]
fn the_c_of_the_page_of_times_writes_times_and_converts_them() {
    let page = fs::read_to_string(here().join("../../docs/times.md")).unwrap();
    let blocks = page.split("```c\n").skip(1).map(|rest| rest.split_once("\n```").expect("it ends").0);
    let blocks: Vec<String> = blocks.map(|block| block.replace('\n', "\n    ")).collect();
    let (unit, program_path) = (folder().join("times-page.c"), folder().join("times-page"));
    fs::write(&unit, program(&blocks)).unwrap();
    let mut compiler = Language::C.compiler();
    compiler.arg("-I").arg(here().join("tests/programs")).arg(&unit).arg("-o").arg(&program_path);
    compiler.args(pkg_config(&["--cflags", "--libs"])).arg("-lm");
    run(compiler.arg(format!("-Wl,-rpath,{}", prefix().join("lib").display())));
    run(Command::new(&program_path).arg(&*Name::new("times-page")));
}
