//! Pickled strings and nothing else: input from a listener is never executed.

/// The bytes of `pickle.dumps(text)` of CPython 3.8 to 3.13 (protocol 4). `text` has 2 to 255 bytes: a shorter one is
/// not framed.
pub fn encode(text: &'static str) -> Vec<u8> {
    debug_assert!((2..256).contains(&text.len()));
    // The frame holds the string with its opcode and length, its memo entry and the end.
    let frame = text.len() as u64 + 4;
    let mut bytes = vec![PROTO, 4, FRAME];
    bytes.extend(frame.to_le_bytes());
    bytes.extend([SHORT_BINUNICODE, text.len() as u8]);
    bytes.extend(text.as_bytes());
    bytes.extend([MEMOIZE, STOP]);
    bytes
}

/// The string whose pickle is `bytes`, in any protocol from 0 to 5. `None` for any other pickle, and for strings with
/// lone surrogates.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let mut input = Input(bytes);
    if input.0.first() == Some(&PROTO) {
        input.take(1)?;
        if input.byte()? > 5 {
            return None;
        }
    }
    if input.0.first() == Some(&FRAME) {
        input.take(1)?;
        let length = u64::from_le_bytes(*input.array()?);
        if length != input.0.len() as u64 {
            return None;
        }
    }
    let text = match input.byte()? {
        UNICODE => unescaped(input.line()?)?,
        opcode => {
            let length = match opcode {
                SHORT_BINUNICODE => u64::from(input.byte()?),
                BINUNICODE => u64::from(u32::from_le_bytes(*input.array()?)),
                BINUNICODE8 => u64::from_le_bytes(*input.array()?),
                _ => return None,
            };
            String::from_utf8(input.take(usize::try_from(length).ok()?)?.to_owned()).ok()?
        }
    };
    loop {
        match input.byte()? {
            MEMOIZE => {}
            PUT => drop(input.line()?),
            BINPUT => drop(input.take(1)?),
            LONG_BINPUT => drop(input.take(4)?),
            STOP => return input.0.is_empty().then_some(text),
            _ => return None,
        }
    }
}

const PROTO: u8 = 0x80;
const FRAME: u8 = 0x95;
const UNICODE: u8 = b'V';
const BINUNICODE: u8 = b'X';
const SHORT_BINUNICODE: u8 = 0x8c;
const BINUNICODE8: u8 = 0x8d;
const PUT: u8 = b'p';
const BINPUT: u8 = b'q';
const LONG_BINPUT: u8 = b'r';
const MEMOIZE: u8 = 0x94;
const STOP: u8 = b'.';

/// The rest of a pickle.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| *byte)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    /// The bytes up to the next line feed, which is consumed, too.
    fn line(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|&byte| byte == b'\n')?;
        let line = self.take(end)?;
        self.take(1)?;
        Some(line)
    }
}

/// Protocol 0 writes a string in Latin-1, with every backslash and every character beyond as `\uXXXX` or `\UXXXXXXXX`.
fn unescaped(line: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut input = Input(line);
    while let Some(byte) = input.byte() {
        let digits = match (byte, input.0.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            (b'\\', _) => return None,
            _ => {
                text.push(char::from(byte));
                continue;
            }
        };
        let digits = str::from_utf8(&input.take(1 + digits)?[1..]).ok()?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        text.push(is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten().and_then(char::from_u32)?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `pickle.dumps("quit", protocol)` for each protocol.
    const QUIT: [&[u8]; 6] = [
        b"Vquit\np0\n.",
        b"X\x04\x00\x00\x00quitq\x00.",
        b"\x80\x02X\x04\x00\x00\x00quitq\x00.",
        b"\x80\x03X\x04\x00\x00\x00quitq\x00.",
        b"\x80\x04\x95\x08\x00\x00\x00\x00\x00\x00\x00\x8c\x04quit\x94.",
        b"\x80\x05\x95\x08\x00\x00\x00\x00\x00\x00\x00\x8c\x04quit\x94.",
    ];

    #[test]
    fn a_string_is_read_in_every_protocol_and_written_as_python_does() {
        for pickle in QUIT {
            assert_eq!(decode(pickle).as_deref(), Some("quit"), "{pickle:?}");
        }
        assert_eq!(encode("quit"), QUIT[4]);
        let text = "buffer cleanup";
        assert_eq!(decode(&encode(text)).as_deref(), Some(text));
    }

    #[test]
    fn characters_beyond_ascii_are_read() {
        for (pickle, text) in [
            (&b"Va\\u005cb\\u000a\xe9\\u20ac\\U0001f600\np0\n."[..], "a\\b\n\u{e9}\u{20ac}\u{1f600}"),
            (b"X\x06\x00\x00\x00\xe2\x82\xac\xc3\xa9!q\x00.", "\u{20ac}\u{e9}!"),
            (b"\x80\x04\x8d\x03\x00\x00\x00\x00\x00\x00\x00abc\x94.", "abc"),
            (b"V\n.", ""),
        ] {
            assert_eq!(decode(pickle).as_deref(), Some(text), "{pickle:?}");
        }
    }

    #[test]
    fn pickles_that_are_not_strings_or_are_incomplete_are_refused() {
        for pickle in QUIT {
            for length in 0..pickle.len() {
                assert_eq!(decode(&pickle[..length]), None, "{:?}", &pickle[..length]);
            }
            assert_eq!(decode(&[pickle, b"."].concat()), None, "{pickle:?}");
        }
        for pickle in [
            &b"cos\nsystem\n(Vtrue\ntR."[..],
            b"\x80\x04K\x07.",
            b"\x80\x04N.",
            b"\x80\x06\x8c\x04quit\x94.",
            b"\x80\x04\x8c\x02\xff\xfe\x94.",
            b"X\xff\xff\xff\xffquit.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffquit.",
            b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff\x8c\x04quit\x94.",
            b"V\\u+123\n.",
            b"V\\ud800\n.",
            b"V\\x41\n.",
            b"C\x04quit.",
        ] {
            assert_eq!(decode(pickle), None, "{pickle:?}");
        }
    }
}
