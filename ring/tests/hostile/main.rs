//! For any content of shared memory, the library returns a typed error or continues. It never panics, hangs, or
//! allocates an amount of memory that a segment determines.

mod corpus;
mod fields;
mod impostors;
mod live;
mod owners;
mod probe;
mod specimen;
