//! The kind of a file that is not a recording, for the error.

/// The first bytes of files of other kinds.
const KINDS: [(&[u8], &str); 21] = [
    (b"ARROW1", "an Arrow IPC file (with a footer, not the streams that a recording is made of)"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive (such as .npz)"),
    (b"\x93NUMPY", "a numpy array (.npy)"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x89MCAP0\r\n", "an MCAP file"),
    (b"#ROSBAG", "a ROS bag"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"RIFF", "a WAV or AVI file"),
    (b"OggS", "an Ogg file"),
    (b"fLaC", "a FLAC file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed; unpack it first"),
    (b"\xfd7zXZ\0", "xz-compressed; unpack it first"),
    (b"BZh", "bzip2-compressed; unpack it first"),
    (b"\x7fELF", "a program"),
];

/// The kind of a file that begins with `head`, for a sentence "it is ...".
pub fn kind_of(head: &[u8]) -> &'static str {
    if head.is_empty() {
        return "empty";
    }
    if let Some((_, kind)) = KINDS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return kind;
    }
    // The last character may be cut.
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    };
    let is_printable = !head.iter().any(|&byte| byte < b' ' && !b"\t\n\r\x0c\x1b".contains(&byte));
    if is_text && is_printable { "text" } else { "of an unknown format" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_their_first_bytes() {
        assert_eq!(kind_of(b"PAR1\x15\x04"), "a Parquet file");
        assert_eq!(kind_of(b""), "empty");
        assert_eq!(kind_of("time,größe".as_bytes()), "text");
        assert_eq!(kind_of(&"größe".as_bytes()[..4]), "text");
        assert_eq!(kind_of(&[0, 1, 2, 3]), "of an unknown format");
    }
}
