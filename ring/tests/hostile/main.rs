//! Whatever stands in shared memory, the library answers with a typed error or goes on: it never panics, hangs, or takes
//! memory that a number in a segment asks for.

mod corpus;
mod fields;
mod impostors;
mod live;
mod owners;
mod probe;
mod specimen;
