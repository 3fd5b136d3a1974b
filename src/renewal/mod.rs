//! A token resource, its signing and re-signing.
