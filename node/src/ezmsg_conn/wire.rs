//! Messages as Python's `multiprocessing.connection` frames them: their length, big-endian, in four bytes, or, from 2
//! GiB on, -1 in four bytes and the length in eight. The message of `send` is a pickle; that of `send_bytes` is not.

use super::pickle;

/// Longer messages are skipped: the only meaningful one has about twenty bytes.
const LONGEST: u64 = 4096;

/// The first bytes from a listener with an authkey.
const CHALLENGE: &[u8] = b"#CHALLENGE#";

/// `text` as Python's `recv` reads it.
pub fn encode(text: &'static str) -> Vec<u8> {
    let body = pickle::encode(text);
    let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

/// A message from the other side.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A pickled string.
    Text(String),
    /// The other side requests a key.
    Challenge,
    /// Something else, of this many bytes.
    Other(u64),
}

/// A length that no message has. What follows cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLength(pub i32);

/// Turns bytes from a socket into messages. It keeps at most one short message.
#[derive(Debug, Default)]
pub struct Inbox {
    buffer: Vec<u8>,
    /// Bytes still to come of a message that is skipped.
    skip: u64,
}

impl Inbox {
    /// Takes `bytes`, and calls `handle` with each complete message.
    ///
    /// # Errors
    /// If a length is invalid.
    pub fn take(&mut self, bytes: &[u8], mut handle: impl FnMut(Received)) -> Result<(), BadLength> {
        self.buffer.extend(bytes);
        while let Some(received) = self.next()? {
            handle(received);
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Received>, BadLength> {
        let skipped = self.skip.min(self.buffer.len() as u64);
        self.buffer.drain(..skipped as usize);
        self.skip -= skipped;
        let Some((header, length)) = self.header()? else { return Ok(None) };
        if length > LONGEST {
            self.buffer.drain(..header);
            self.skip = length;
            return Ok(Some(Received::Other(length)));
        }
        let end = header + length as usize;
        let Some(body) = self.buffer.get(header..end) else { return Ok(None) };
        let received = match pickle::decode(body) {
            Some(text) => Received::Text(text),
            None if body.starts_with(CHALLENGE) => Received::Challenge,
            None => Received::Other(length),
        };
        self.buffer.drain(..end);
        Ok(Some(received))
    }

    /// Bytes of the header, and the length in it, if it is complete.
    fn header(&self) -> Result<Option<(usize, u64)>, BadLength> {
        let Some((short, rest)) = self.buffer.split_first_chunk() else { return Ok(None) };
        match i32::from_be_bytes(*short) {
            -1 => Ok(rest.first_chunk().map(|long| (12, u64::from_be_bytes(*long)))),
            length => Ok(Some((4, u64::try_from(length).map_err(|_| BadLength(length))?))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32).to_be_bytes(), body].concat()
    }

    /// Feeds `bytes` in pieces of `piece`.
    fn received(bytes: &[u8], piece: usize) -> Result<Vec<Received>, BadLength> {
        let (mut inbox, mut all) = (Inbox::default(), Vec::new());
        for bytes in bytes.chunks(piece) {
            inbox.take(bytes, |received| all.push(received))?;
            assert!(inbox.buffer.len() as u64 <= LONGEST + 12 + piece as u64);
        }
        Ok(all)
    }

    #[test]
    fn messages_are_found_in_pieces_of_any_size() {
        let long = vec![7; 100_000];
        let mut beyond = (-1_i32).to_be_bytes().to_vec();
        beyond.extend(5000_u64.to_be_bytes());
        beyond.extend([0; 5000]);
        let bytes = [
            encode("quit"),
            framed(b"#CHALLENGE#{sha256}0123456789"),
            framed(&long),
            beyond,
            framed(b""),
            framed(b"\x80\x04K\x07."),
            encode("close"),
        ]
        .concat();
        let expected = [
            Received::Text("quit".into()),
            Received::Challenge,
            Received::Other(100_000),
            Received::Other(5000),
            Received::Other(0),
            Received::Other(5),
            Received::Text("close".into()),
        ];
        for piece in [1, 2, 3, 7, 100, 4096, bytes.len()] {
            assert_eq!(received(&bytes, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn an_invalid_length_ends_the_connection() {
        assert_eq!(received(&(-2_i32).to_be_bytes(), 4), Err(BadLength(-2)));
        assert_eq!(received(&[0x80, 0, 0, 0, 1], 2), Err(BadLength(i32::MIN)));
    }
}
