//! The `.env` file: a reader that matches the server's (Go's godotenv 1.5), and a writer that
//! changes one key and preserves all other bytes.
//!
//! ```
//! use cc_auth::config::dotenv;
//! let text = b"# keys\nexport A='b'   # old\nC: d\n";
//! assert_eq!(dotenv::read(text)?.get("A").map(|entry| entry.value.expose()), Some("b"));
//! let changed = dotenv::set(text, "A", "new")?;
//! assert_eq!(changed, b"# keys\nexport A=\"new\"   # old\nC: d\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod expand;
mod reader;
mod writer;

pub use error::{DotenvError, DotenvErrorKind, DotenvErrors};
pub use reader::{Dotenv, DotenvEntry, read};
pub use writer::{SetError, set};

/// Removes the byte order mark, which the server rejects.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}
