//! Whatever stands in shared memory, the library answers with a typed error or goes on: it never panics, hangs, or takes
//! memory that a number in a segment asks for.

#[path = "../common/mod.rs"]
mod common;
mod corpus;
mod fields;
/// What the fuzzers and the test of their corpus share.
#[allow(dead_code)]
#[path = "../../../fuzz/src/lib.rs"]
mod fuzzed;
mod impostors;
mod live;
mod owners;
mod probe;
mod specimen;
