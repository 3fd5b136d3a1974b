//! Password hashes as the server stores them: bcrypt, written as `$2a$`.
//!
//! Hashing rejects passwords that bcrypt cannot distinguish: more than 72 bytes, and a NUL byte, after which
//! the password would count as its own beginning. Comparing follows Go's bcrypt, which the
//! server uses: any minor letter in `$2x$` is accepted, bytes after the hash are ignored, and of a
//! longer password the first 72 bytes count.
//!
//! ```
//! use cc_auth::util::secret::SecretText;
//! use cc_auth::user::password::PasswordHash;
//! let password = SecretText::new("hunter2".to_owned());
//! let hash = PasswordHash::with_cost(&password, 4)?;
//! assert!(hash.matches(&password)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::util::diagnostic::{Diagnostic, diagnostics};
use crate::util::kind::Kind;
use crate::util::secret::SecretText;

/// The longest password that bcrypt uses completely, in bytes.
pub const MAX_BYTES: usize = 72;

/// The cost of a new hash: 2 to the power of 10 rounds, the server's own choice.
pub const COST: u32 = 10;

/// Minimum bcrypt cost.
pub const MIN_COST: u32 = 4;

/// Maximum cost of a stored hash that is compared: about 5 seconds. Each step doubles the time; the
/// bcrypt maximum of 31 takes days.
pub const MAX_COST: u32 = 16;

/// Prefix of a locked hash, as in `/etc/shadow`: every comparison fails.
const LOCK: char = '!';

/// The base64 variant of bcrypt. Like Go's decoder it ignores the trailing bits of the last digit.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Digits of the salt and of the digest.
const SALT_DIGITS: usize = 22;
const DIGEST_DIGITS: usize = 31;

/// Why a password cannot be hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It is empty.
    #[error("the password is empty")]
    Empty,
    /// Over 72 bytes; bcrypt would truncate it.
    #[error("the password has {0} bytes, the limit is {MAX_BYTES}")]
    TooLong(usize),
    /// A NUL byte, which ends the password for bcrypt.
    #[error("the password has a NUL character")]
    Nul,
    /// A cost that bcrypt does not support or that takes too long.
    #[error("the cost {0} is not between {MIN_COST} and {MAX_COST}")]
    Cost(u32),
    /// The system has no random numbers.
    #[error("the system gives no random numbers for the salt")]
    NoRandom,
}

diagnostics! { PasswordError:
    Self::Empty => Kind::PasswordEmpty;
    Self::TooLong(_) => Kind::PasswordTooLong;
    Self::Nul => Kind::PasswordNul;
    Self::Cost(_) => Kind::PasswordCost;
    Self::NoRandom => Kind::RandomUnavailable;
}

/// Why a password cannot be compared with a stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not a bcrypt hash: empty, plain text, another type, or locked by a prefix.
    #[error("the stored password is not a bcrypt hash")]
    Malformed,
    /// It would take too long.
    #[error("the stored password hash has the cost {0}, the limit is {MAX_COST}")]
    TooCostly(u32),
}

impl Diagnostic for HashError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed => Kind::HashMalformed,
            Self::TooCostly(_) => Kind::HashTooCostly,
        }
    }

    fn hint(&self) -> Option<String> {
        Some("set a new password: cc-user passwd NAME".to_owned())
    }
}

/// The value of the password column. It is secret even if it is not a hash, since a weak password
/// can be guessed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash(SecretText);

struct Parts<'a> {
    cost: u32,
    salt: [u8; 16],
    digest: &'a [u8],
}

impl PasswordHash {
    /// The hash of a new password, with the server's cost.
    ///
    /// # Errors
    /// [`PasswordError`] when the password is not fit for one.
    pub fn new(password: &SecretText) -> Result<Self, PasswordError> {
        Self::with_cost(password, COST)
    }

    /// The hash of a new password with the given cost, [`MIN_COST`] to [`MAX_COST`].
    ///
    /// # Errors
    /// As [`PasswordHash::new`].
    pub fn with_cost(password: &SecretText, cost: u32) -> Result<Self, PasswordError> {
        check(password)?;
        if !(MIN_COST..=MAX_COST).contains(&cost) {
            return Err(PasswordError::Cost(cost));
        }
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| PasswordError::NoRandom)?;
        let digest = digest(password, cost, salt);
        let salt = BCRYPT_BASE64.encode(salt);
        Ok(Self(SecretText::new(format!("$2a${cost:02}${salt}{digest}"))))
    }

    /// Wraps a stored value without checking it.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(SecretText::new(text))
    }

    /// The text itself: for the database column, and for an export with passwords.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Checks that passwords can be compared with the hash.
    ///
    /// # Errors
    /// [`HashError`] otherwise.
    pub fn check(&self) -> Result<(), HashError> {
        self.parts().map(|_| ())
    }

    /// Performs the same check, but also accepts a hash that is locked by a leading `!` or `*`,
    /// which can be exported and restored unchanged.
    ///
    /// # Errors
    /// As [`PasswordHash::check`].
    pub fn check_unlocked(&self) -> Result<(), HashError> {
        let text = self.expose().trim_start_matches(['!', '*']);
        if text.is_empty() { Ok(()) } else { Self::from_stored(text.to_owned()).check() }
    }

    /// Returns the hash with the prefix `!`, which no comparison accepts; `None` if it is already
    /// locked.
    #[must_use]
    pub fn locked(&self) -> Option<Self> {
        (!self.is_locked()).then(|| Self::from_stored(format!("{LOCK}{}", self.expose())))
    }

    /// The hash without the `!` of [`Self::locked`]; none if it is not locked.
    #[must_use]
    pub fn unlocked(&self) -> Option<Self> {
        self.expose().strip_prefix(LOCK).map(|hash| Self::from_stored(hash.to_owned()))
    }

    /// Whether it begins with the `!` of [`Self::locked`].
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.expose().starts_with(LOCK)
    }

    /// Returns whether the hash matches the password. An empty password or one with a NUL byte
    /// never matches.
    ///
    /// # Errors
    /// [`HashError`] if the stored value is not comparable. The call then takes as long as a
    /// comparison, so that the time does not reveal the error.
    pub fn matches(&self, password: &SecretText) -> Result<bool, HashError> {
        let parts = self.parts().inspect_err(|_| verify_unknown(password))?;
        let seen = digest(password, parts.cost, parts.salt);
        let differs = seen.bytes().zip(parts.digest).fold(0, |differs, (a, b)| differs | (a ^ b));
        Ok(differs == 0 && !password.is_empty() && !password.expose().contains('\0'))
    }

    /// The parts as Go's bcrypt finds them; only major version 2.
    fn parts(&self) -> Result<Parts<'_>, HashError> {
        let rest = self.expose().as_bytes().strip_prefix(b"$2").ok_or(HashError::Malformed)?;
        let rest = match rest {
            [b'$', rest @ ..] | [_, b'$', rest @ ..] => rest,
            _ => return Err(HashError::Malformed),
        };
        let (cost, rest) = rest.split_at_checked(2).ok_or(HashError::Malformed)?;
        let rest = rest.strip_prefix(b"$").ok_or(HashError::Malformed)?;
        let cost: u32 =
            std::str::from_utf8(cost).ok().and_then(|text| text.parse().ok()).ok_or(HashError::Malformed)?;
        let (salt_digits, rest) = rest.split_at_checked(SALT_DIGITS).ok_or(HashError::Malformed)?;
        let (digest, _) = rest.split_at_checked(DIGEST_DIGITS).ok_or(HashError::Malformed)?;
        let mut salt = [0; 16];
        let full = BCRYPT_BASE64.decode_slice(salt_digits, &mut salt) == Ok(salt.len());
        match cost {
            _ if !full => Err(HashError::Malformed),
            MIN_COST..=MAX_COST => Ok(Parts { cost, salt, digest }),
            0..MIN_COST | 32.. => Err(HashError::Malformed),
            _ => Err(HashError::TooCostly(cost)),
        }
    }
}

/// Checks that a password can be hashed.
///
/// # Errors
/// [`PasswordError::Empty`], `TooLong` or `Nul`.
pub fn check(password: &SecretText) -> Result<(), PasswordError> {
    let text = password.expose();
    match text.len() {
        0 => Err(PasswordError::Empty),
        _ if text.contains('\0') => Err(PasswordError::Nul),
        length if length > MAX_BYTES => Err(PasswordError::TooLong(length)),
        _ => Ok(()),
    }
}

/// Takes the time of one comparison, so that the response time does not reveal whether a user
/// exists or has a password.
pub fn verify_unknown(password: &SecretText) {
    let _ = std::hint::black_box(digest(password, COST, [0x5a; 16]));
}

fn digest(password: &SecretText, cost: u32, salt: [u8; 16]) -> String {
    // The NUL at the end is a part of the key, unless 72 bytes are full without it.
    let mut key = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    key.extend(password.expose().bytes().chain([0]).take(MAX_BYTES));
    let full = bcrypt::bcrypt(cost, salt, &key);
    // The last of the 24 bytes was lost in the first implementation; all have followed it.
    BCRYPT_BASE64.encode(full.get(..23).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    #[test]
    fn seventy_two_bytes_are_taken_and_all_of_them_count() {
        let full = "x".repeat(72);
        let hash = PasswordHash::with_cost(&text(&full), 4).unwrap();
        assert!(hash.expose().starts_with("$2a$04$") && hash.expose().len() == 60);
        assert_eq!(hash.matches(&text(&full)), Ok(true));
        assert_eq!(hash.matches(&text(&full[..71])), Ok(false));
        assert_eq!(PasswordHash::new(&text(&"x".repeat(73))), Err(PasswordError::TooLong(73)));
        assert_eq!(PasswordHash::new(&text(&"€".repeat(25))), Err(PasswordError::TooLong(75)));
    }

    #[test]
    fn a_nul_is_refused_and_never_matches() {
        assert_eq!(PasswordHash::new(&text("a\0b")), Err(PasswordError::Nul));
        let hash = PasswordHash::with_cost(&text("a"), 4).unwrap();
        assert_eq!(hash.matches(&text("a\0a")), Ok(false), "bcrypt itself takes it for 'a'");
    }

    #[test]
    fn an_empty_password_is_refused_and_never_matches() {
        assert_eq!(PasswordHash::new(&text("")), Err(PasswordError::Empty));
        // The hash of nothing, by Go (recorded on cc-backend 1.5).
        let hash = PasswordHash::from_stored(
            "$2a$04$PlN/60yNjll0U5AEcGxWyuit/xeOs8OYcGlrJPuq6JF.4ZaPz7fSW".to_owned(),
        );
        assert_eq!(hash.matches(&text("")), Ok(false));
    }

    #[test]
    fn a_hash_that_takes_days_is_refused() {
        for cost in 17..=31 {
            let hash = PasswordHash::from_stored(format!(
                "$2a${cost}$YMTeS9OzuTHc6xU5zVrW1eLRHS.UC0SHRwVTYAzAwOzQJGkEpn3Wa"
            ));
            assert_eq!(hash.check(), Err(HashError::TooCostly(cost)));
        }
        assert_eq!(PasswordHash::with_cost(&text("a"), 31), Err(PasswordError::Cost(31)));
    }

    #[test]
    fn hash_locked_matches_no_password_until_it_is_unlocked() {
        let hash = PasswordHash::with_cost(&text("a"), 4).unwrap();
        let locked = hash.locked().unwrap();
        assert_eq!(locked.matches(&text("a")), Err(HashError::Malformed));
        assert_eq!(locked.locked(), None);
        assert_eq!(locked.unlocked(), Some(hash.clone()));
        assert_eq!(hash.unlocked(), None);
    }

    #[test]
    fn a_hash_is_not_shown_by_debug() {
        let hash = PasswordHash::from_stored("$2a$04$secret".to_owned());
        assert!(!format!("{hash:?}").contains("secret"));
    }
}
