use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn named(module: &str, name: &str) -> Vec<u8> {
    [&text(module)[..], &text(name), b"\x93"].concat()
}

#[test]
fn plain_values_of_every_kind_are_read() {
    let list = |values: Vec<Plain>| Plain::List(values, None);
    for (pickle, expected) in [
        (&b"N."[..], Plain::None),
        (b"\x80\x05\x88.", Plain::Bool(true)),
        (b"\x89.", Plain::Bool(false)),
        (b"K\xff.", Plain::Integer(255)),
        (b"M\x01\x02.", Plain::Integer(513)),
        (b"J\xfe\xff\xff\xff.", Plain::Integer(-2)),
        (b"\x8a\x00.", Plain::Integer(0)),
        (b"\x8a\x01\x80.", Plain::Integer(-128)),
        (b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00.", Plain::Unsigned(u64::MAX)),
        (b"\x8a\x0a\0\0\0\0\0\0\0\0\0\x01.", Plain::Other("an integer of more than 64 bits")),
        (b"\x8b\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01.", Plain::Other("an integer of more than 64 bits")),
        (b"G\x3f\xe0\0\0\0\0\0\0.", Plain::Float(0.5)),
        (b"\x8c\x03abc.", Plain::Text("abc".into())),
        (b"\x8c\x03\xed\xa0\x80.", Plain::Text("\u{fffd}\u{fffd}\u{fffd}".into())),
        (b"C\x02ab.", Plain::Text("ab".into())),
        (b"C\x02\xff\xfe.", Plain::Other("bytes that are not text")),
        (b"\x96\x01\0\0\0\0\0\0\0a.", Plain::Text("a".into())),
        (b").", list(vec![])),
        (b"K\x01K\x02\x86.", list(vec![Plain::Integer(1), Plain::Integer(2)])),
        (b"](K\x01K\x02e.", list(vec![Plain::Integer(1), Plain::Integer(2)])),
        (b"]K\x01a.", list(vec![Plain::Integer(1)])),
        (b"}\x8c\x01aK\x01s.", Plain::Table(vec![("a".into(), Plain::Integer(1))])),
        (b"}K\x01K\x01s.", Plain::Table(vec![])),
        (b"\x8c\x01a\x94h\0\x86.", list(vec![Plain::Text("a".into()), Plain::Text("a".into())])),
        (b"\x95\x01\0\0\0\0\0\0\0N.", Plain::None),
        (b"(K\x01K\x02t.what comes after the end", list(vec![Plain::Integer(1), Plain::Integer(2)])),
    ] {
        assert_eq!(decode(pickle).as_ref(), Ok(&expected), "{pickle:?}");
    }
}

#[test]
fn every_name_or_opcode_that_could_run_code_is_refused_by_name() {
    let reduce = |callable: Vec<u8>| [&callable[..], b"(", &text("x"), b"tR."].concat();
    let cases: [(Vec<u8>, &str); 16] = [
        (reduce(b"cposix\nsystem\n".to_vec()), "wants to call posix.system, which is never done"),
        (reduce(named("posix", "system")), "wants to call posix.system, which is never done"),
        (reduce(named("builtins", "eval")), "builtins.eval"),
        (reduce(named("numpy", "load")), "numpy.load"),
        (reduce(named("numpy.core.numeric", "fromfile")), "numpy.core.numeric.fromfile"),
        (reduce(named("numpy.core.core.numeric", "_frombuffer")), "numpy.core.core.numeric._frombuffer"),
        // A name that is not called, and one that reaches through another.
        ([&named("os", "system")[..], b"."].concat(), "os.system"),
        (named("numpy", "dtype.__class__"), "numpy.dtype.__class__"),
        (named("a\nb\u{1b}", &"x".repeat(100)), r"a\nb\u{1b}.xxx"),
        (b"(X\x01\0\0\0xios\nsystem\n.".to_vec(), "os.system"),
        (b"(X\x01\0\0\0xinumpy\nndarray\n.".to_vec(), "INST"),
        (b"(cnumpy\nndarray\no.".to_vec(), "OBJ"),
        (b"cnumpy\nndarray\n)\x81.".to_vec(), "NEWOBJ"),
        (b"Pid\n.".to_vec(), "PERSID"),
        (b"N\x97.".to_vec(), "NEXT_BUFFER"),
        (b"\x82\x01.".to_vec(), "EXT"),
    ];
    for (pickle, says) in cases {
        let refused = decode(&pickle).unwrap_err();
        assert!(refused.contains(says), "expected {says:?} in {refused:?}");
        assert!(refused.len() < 300, "{refused}");
    }
}

#[test]
fn a_broken_pickle_is_refused_with_its_reason() {
    let dtype = [&named("numpy", "dtype")[..], &text("i4"), b"\x89\x88\x87R"].concat();
    let buffer = |bytes: &[u8], shape: &[u8]| {
        let from = named("numpy._core.numeric", "_frombuffer");
        [&from[..], b"(C", &[bytes.len() as u8], bytes, &dtype, shape, &text("C"), b"tR."].concat()
    };
    let scalar = [&named("numpy._core.multiarray", "scalar")[..], &dtype, b"C\x03abc\x86R."].concat();
    let empty = named("numpy._core.multiarray", "_reconstruct");
    let empty = [&empty[..], &named("numpy", "ndarray"), b"K\0\x85C\x01b\x87R."].concat();
    let cases: [(&[u8], &str); 26] = [
        (b"", "ends too early"),
        (b"N", "ends too early"),
        (b".", "more from its stack"),
        (b"(.", "more from its stack"),
        (b"\x80\x06N.", "protocol 6"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "ends too early"),
        (b"\x96\xff\xff\xff\xff\xff\xff\xff\x7fa.", "ends too early"),
        (b"\x8b\xff\xff\xff\x7fa.", "ends too early"),
        (b"t.", "mark is missing"),
        (b"h\x01.", "there is no memo 1"),
        (b"Nq\x05.", "memo 5 after 0 others"),
        (b"Nr\xff\xff\xff\xff.", "memo 4294967295"),
        (b"K\x01K\x02a.", "appends to an integer"),
        (b"]K\x01K\x02s.", "sets an item of a list"),
        (b"}(K\x01u.", "key without a value"),
        (b"K\x01)R.", "wants to call an integer"),
        (b"K\x01)b.", "puts a state into an integer"),
        (b"cnumpy\ndtype\nNR.", "arguments of a call is None"),
        (b"cnumpy\ndtype\n)R.", "without an argument"),
        (b"cnumpy\ndtype\n\x8c\x02x9\x85R.", "there is no dtype"),
        (b"cnumpy\nndarray\n)R.", "a call of Ndarray with 0 arguments"),
        (b"cnumpy", "a name without an end"),
        (&buffer(b"abc", b"K\x01\x85"), "1 elements of 4 bytes has 3 bytes"),
        (&buffer(b"abcd", b"J\xff\xff\xff\xff\x85"), "a dimension is -1"),
        (&scalar, "1 elements of 4 bytes has 3 bytes"),
        (&empty, "an array without a state"),
    ];
    for (pickle, says) in cases {
        let refused = decode(pickle).unwrap_err();
        assert!(refused.contains(says), "expected {says:?} in {refused:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
fn small_pickles_that_expand_to_large_values_are_refused() {
    // Each list contains the one before twice: 2^40 values.
    let mut laughs = b"]\x94K\x01a".to_vec();
    for i in 0..40 {
        laughs.extend([b']', 0x94, b'(', b'h', i, b'h', i, b'e']);
    }
    laughs.push(b'.');
    // A list that contains itself.
    let circle = b"]\x94h\0a.".to_vec();
    let deep = [b"]".repeat(1000), b"a".repeat(999), b".".to_vec()].concat();
    // An array of 2^40 elements of zero bytes each.
    let dtype = [&named("numpy", "dtype")[..], &text("U0"), b"\x89\x88\x87R"].concat();
    let from = named("numpy._core.numeric", "_frombuffer");
    let shape = b"J\0\0\x10\0J\0\0\x10\0\x86";
    let nothing = [&from[..], b"(C\0", &dtype, shape, &text("C"), b"tR."].concat();
    // Two dtypes, each an array of the other.
    let void = |name: &[u8]| [&named("numpy", "dtype")[..], name, b"\x89\x88\x87R\x94"].concat();
    let state = |of: u8| [&b"(K\x03\x8c\x01|h"[..], &[of], b")\x86NNK\x01K\x01K\0tb"].concat();
    let two = [void(&text("V1")), b"0".to_vec(), void(&text("V1"))].concat();
    let mutual = [&two[..], &state(0), b"0h\0", &state(1), b"0"].concat();
    let mutual = [&mutual[..], &from, b"(C\x01ah\0)", &text("C"), b"tR."].concat();
    let text_bomb = [&b"](\x8d"[..], &(1_u64 << 20).to_le_bytes(), &vec![b'a'; 1 << 20], b"\x94"].concat();
    let text_bomb = [&text_bomb[..], &b"h\0".repeat(20), b"e."].concat();
    for (pickle, says) in [
        (laughs, "too many values"),
        (circle, "nested deeper"),
        (deep, "nested deeper"),
        (nothing, "too many values"),
        (mutual, "nested deeper"),
        (text_bomb, "too much text"),
        (b"N".repeat(MAX_OBJECTS + 1), "more than 262144 objects"),
        (b"(".repeat(MAX_OBJECTS + 1), "stack is too deep"),
        ([&b"N\x94"[..], &b"h\0".repeat(MAX_OBJECTS + 1)].concat(), "stack is too deep"),
    ] {
        let refused = decode(&pickle).unwrap_err();
        assert!(refused.contains(says), "expected {says:?} in {refused:?}");
    }
}

#[test]
fn dtypes_of_every_kind_give_their_values() {
    let array = |name: &str, order: &str, bytes: &[u8]| {
        let dtype = [&named("numpy", "dtype")[..], &text(name), b"\x89\x88\x87R"].concat();
        let state = [&b"(K\x03"[..], &text(order), b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"].concat();
        let scalar = named("numpy._core.multiarray", "scalar");
        decode(&[&scalar[..], &dtype, &state, b"C", &[bytes.len() as u8], bytes, b"\x86R."].concat())
    };
    for (name, order, bytes, expected) in [
        ("b1", "|", &[1][..], Plain::Bool(true)),
        ("i1", "|", &[0xfe], Plain::Integer(-2)),
        ("i2", ">", &[1, 2], Plain::Integer(258)),
        ("i4", "<", &[0xff; 4], Plain::Integer(-1)),
        ("i8", ">", &[0, 0, 0, 0, 0, 0, 1, 0], Plain::Integer(256)),
        ("u1", "|", &[0xfe], Plain::Integer(254)),
        ("u8", "<", &[0xff; 8], Plain::Unsigned(u64::MAX)),
        ("f2", "<", &[0, 0x38], Plain::Float(0.5)),
        ("f4", ">", &[0x3f, 0, 0, 0], Plain::Float(0.5)),
        ("f8", "<", &[0, 0, 0, 0, 0, 0, 0xe0, 0x3f], Plain::Float(0.5)),
        ("f16", "<", &[0; 16], Plain::Other("a long double")),
        ("c8", "<", &[0; 8], Plain::Other("a complex number")),
        ("U2", "<", &[0x61, 0, 0, 0, 0, 0, 0, 0], Plain::Text("a".into())),
        ("U1", ">", &[0, 1, 0xf6, 0], Plain::Text("\u{1f600}".into())),
        ("U1", "<", &[0xff; 4], Plain::Text("\u{fffd}".into())),
        ("S3", "|", b"ab\0", Plain::Text("ab".into())),
        ("V2", "|", b"ab", Plain::Other("raw bytes")),
        ("m8", "<", &[0; 8], Plain::Other("a timedelta")),
    ] {
        assert_eq!(array(name, order, bytes).as_ref(), Ok(&expected), "{order}{name}");
    }
    assert!(array("O8", "|", &[0; 8]).is_err(), "an address");
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
    fn arbitrary_opcodes_never_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                b"N".to_vec(), b"(".to_vec(), b"]".to_vec(), b"}".to_vec(), b")".to_vec(), b"t".to_vec(), b"e".to_vec(),
                b"u".to_vec(), b"a".to_vec(), b"s".to_vec(), b"R".to_vec(), b"b".to_vec(), b"0".to_vec(), b"1".to_vec(),
                b"\x94".to_vec(), b"h\0".to_vec(), b"h\x01".to_vec(), b"h\x02".to_vec(), b"h\x03".to_vec(),
                b"\x85".to_vec(), b"\x86".to_vec(), b"\x87".to_vec(), b"\x88".to_vec(), b"\x89".to_vec(),
                b"K\x01".to_vec(), b"K\x03".to_vec(), b"J\xff\xff\xff\xff".to_vec(), b"C\x04abcd".to_vec(),
                b"C\x02ns".to_vec(), text("a"), text("<"), text("C"), text("i4"), text("V4"), text("M8"), text("ns"),
                named("numpy", "dtype"), named("numpy", "ndarray"), named("numpy", "array"),
                named("numpy._core.numeric", "_frombuffer"), named("numpy._core.multiarray", "_reconstruct"),
                named("numpy._core.multiarray", "scalar"), named("numpy", "datetime64"),
            ]),
            0..60,
        )
    ) {
        let _ = decode(&[parts.concat(), b".".to_vec()].concat());
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
    fn real_pickles_with_other_bytes_in_them_never_panic(
        changes in prop::collection::vec((0..699_usize, any::<u8>()), 1..8)
    ) {
        let mut pickle = include_bytes!("../../../../tests/vectors/ezmsg/v2/eeg_f32_wrapped/aux.bin").to_vec();
        for (at, byte) in changes {
            pickle[at] = byte;
        }
        let _ = decode(&pickle);
    }
}
