#!/bin/sh
# Builds the C library and installs it: bindings/c/install.sh PREFIX
# With DESTDIR set, as packagers do, files go below that folder and still name PREFIX.
set -eu

if [ $# -ne 1 ] || [ "${1#/}" = "$1" ]; then
    echo "usage: $0 PREFIX, an absolute path such as /usr/local" >&2
    exit 2
fi
prefix=$1
to=${DESTDIR:-}$prefix
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
cargo=${CARGO:-cargo}

# rustix uses libc here: its own system calls end in a SIGSEGV under valgrind, a common tool for programs in C. The other
# settings make the static library small. The build has its own folder, so that nothing else in the workspace is recompiled.
built=$("$cargo" metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/c-library
export CARGO_TARGET_DIR="$built"
export RUSTFLAGS="${RUSTFLAGS:-} --cfg rustix_use_libc"
export CARGO_PROFILE_RELEASE_LTO=true CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 CARGO_PROFILE_RELEASE_DEBUG=0
built=$built/release

# The compiler also prints which system libraries the static library needs. Among them is libgcc_s, which a fully static
# program cannot use and which the C compiler adds by itself where it is needed.
printed=$("$cargo" rustc --quiet --release --lib -- --print native-static-libs 2>&1) || { echo "$printed" >&2; exit 1; }
native=$(echo "$printed" | sed -n 's/.*native-static-libs: //p' | sed 's/-lgcc_s *//' | head -n 1)
[ -n "$native" ] || { echo "the compiler does not report which libraries a static one needs: $printed" >&2; exit 1; }

version=$("$cargo" pkgid | sed 's/.*[#@]//')
soname=$(objdump -p "$built/libdora_shm.so" | awk '$1 == "SONAME" { print $2 }')

mkdir -p "$to/lib/pkgconfig" "$to/include"
install -m 644 include/dora_shm.h include/dora_shm.hpp "$to/include/"
# Strip what only a debugger of the library itself would read. Each file is replaced as a whole, because programs may be
# running with the previous one.
put() {
    strip "$1" -o "$to/lib/$3.new" "$built/$2"
    chmod "$4" "$to/lib/$3.new"
    mv -f "$to/lib/$3.new" "$to/lib/$3"
}
put --strip-unneeded libdora_shm.so "libdora_shm.so.$version" 755
put --strip-debug libdora_shm.a libdora_shm.a 644
ln -sf "libdora_shm.so.$version" "$to/lib/$soname"
ln -sf "$soname" "$to/lib/libdora_shm.so"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" -e "s|@NATIVE_STATIC_LIBS@|$native|" dora_shm.pc.in \
    > "$to/lib/pkgconfig/dora_shm.pc"
echo "installed dora_shm $version in $to"
