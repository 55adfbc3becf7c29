//! The messages: where they come from, and how the reader knows that one is whole.

/// Bytes of all source buffers together. They are used in turn, so that a message is not in the processor's own cache
/// when it is sent (as in a node that has just received it), and is in the same cache for every row.
const SOURCE_BYTES: usize = 8 << 20;

/// Smallest message: its number and the time of its start; then filling; then the number again, inverted.
pub const LEAST_BYTES: usize = 32;

/// Buffers that are sent in turn.
pub struct Source {
    memory: Vec<u64>,
    payload: usize,
    buffers: usize,
}

impl Source {
    /// Buffers for messages of `payload` bytes, a multiple of 8.
    pub fn new(payload: usize) -> Self {
        assert!(payload >= LEAST_BYTES && payload.is_multiple_of(8), "a message of {payload} bytes");
        let buffers = buffers(payload);
        let words = payload / 8;
        let memory = (0..buffers * words).map(|word| filling(word / words, word % words)).collect();
        Self { memory, payload, buffers }
    }

    /// Message `sequence`, started at `time_ns`.
    #[inline]
    pub fn stamped(&mut self, sequence: u64, time_ns: u64) -> &[u8] {
        let words = self.payload / 8;
        let start = (sequence as usize % self.buffers) * words;
        let message = &mut self.memory[start..start + words];
        message[0] = sequence;
        message[1] = time_ns;
        message[words - 1] = !sequence;
        // SAFETY: plain numbers as bytes, borrowed as long as `self` is.
        unsafe { std::slice::from_raw_parts(message.as_ptr().cast(), self.payload) }
    }
}

fn buffers(payload: usize) -> usize {
    (SOURCE_BYTES / payload).max(2)
}

/// What word `word` of buffer `buffer` holds, but for the stamps.
#[inline]
fn filling(buffer: usize, word: usize) -> u64 {
    (buffer as u64) << 32 | word as u64
}

/// What a reader expects.
pub struct Check {
    words: usize,
    buffers: usize,
    /// By buffer: the sum of the filling alone.
    sums: Vec<u64>,
}

impl Check {
    /// Of messages of `payload` bytes.
    pub fn new(payload: usize) -> Self {
        let (words, buffers) = (payload / 8, buffers(payload));
        let sum = |buffer| (2..words - 1).map(|word| filling(buffer, word)).fold(0, u64::wrapping_add);
        Self { words, buffers, sums: (0..buffers).map(sum).collect() }
    }

    /// Whether a copied message is whole, judged by its two ends and one word in between, which differs each time:
    /// checking every word would warm the reader's cache.
    pub fn is_whole(&self, message: &[u8]) -> bool {
        if message.len() != self.words * 8 {
            return false;
        }
        let sequence = word(message, 0);
        let middle = 2 + (sequence as usize).wrapping_mul(0x9E37_79B9) % (self.words - 3);
        word(message, self.words - 1) == !sequence
            && word(message, middle) == filling(sequence as usize % self.buffers, middle)
    }

    /// Whether the sum of all words is the right one.
    pub fn is_sum(&self, sum: u64, sequence: u64, time_ns: u64) -> bool {
        let filling = self.sums[sequence as usize % self.buffers];
        sum == filling.wrapping_add(sequence).wrapping_add(time_ns).wrapping_add(!sequence)
    }
}

/// Word `index` of a message.
#[inline]
pub fn word(message: &[u8], index: usize) -> u64 {
    let bytes = &message[index * 8..index * 8 + 8];
    u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

/// The sum of a message's words, which a reader in place computes.
#[inline]
pub fn sum_words(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_source_pass_the_check() {
        for payload in [LEAST_BYTES, 1 << 10, 6_220_800] {
            let (mut source, check) = (Source::new(payload), Check::new(payload));
            for sequence in [0, 1, 12_345] {
                let message = source.stamped(sequence, 77).to_vec();
                assert!(check.is_whole(&message));
                assert!(check.is_sum(sum_words(&message), word(&message, 0), word(&message, 1)));
            }
        }
    }

    #[test]
    fn a_torn_message_fails_the_check() {
        let (mut source, check) = (Source::new(1 << 10), Check::new(1 << 10));
        let other = source.stamped(8, 77).to_vec();
        let message = source.stamped(7, 77).to_vec();
        let torn = [&message[..512], &other[512..]].concat();
        assert!(!check.is_whole(&torn));
        assert!(!check.is_sum(sum_words(&torn), 7, 77));
        assert!(!check.is_whole(&message[..1016]));
        assert!(!check.is_sum(sum_words(&message), 8, 77));
    }
}
