//! The peer that `cc-jwt` is measured against: jsonwebtoken in a bare loop, built as the programs
//! are, with nothing around it.
//!
//! ```text
//! bare value ALGORITHM PUBLIC.pem TOKENS    decode each line, claims as a JSON value
//! bare typed ALGORITHM PUBLIC.pem TOKENS    the same, claims as a structure
//! bare sign  ALGORITHM PRIVATE.pem COUNT    write so many different tokens
//! ```

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, get_current_timestamp,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The claims of a token that `cc-jwt issue` makes.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    roles: Vec<String>,
    iat: u64,
    exp: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, what, algorithm, key, rest] = arguments.as_slice() else {
        return Err("what to do, with which algorithm, key and tokens?".into());
    };
    let algorithm: Algorithm = algorithm.parse()?;
    let key = fs::read(key)?;
    match what.as_str() {
        "value" => verify::<serde_json::Value>(algorithm, &key, rest),
        "typed" => verify::<Claims>(algorithm, &key, rest),
        "sign" => sign(algorithm, &key, rest.parse()?),
        other => Err(format!("{other} is neither value, typed nor sign").into()),
    }
}

fn verify<T: DeserializeOwned>(algorithm: Algorithm, key: &[u8], tokens: &str) -> Result<(), Box<dyn Error>> {
    let key = match algorithm {
        Algorithm::EdDSA => DecodingKey::from_ed_pem(key)?,
        Algorithm::ES256 => DecodingKey::from_ec_pem(key)?,
        _ => DecodingKey::from_rsa_pem(key)?,
    };
    let validation = Validation::new(algorithm);
    let mut reader = BufReader::with_capacity(1 << 18, File::open(tokens)?);
    let (mut line, mut count) = (String::new(), 0_u64);
    while reader.read_line(&mut line)? != 0 {
        std::hint::black_box(decode::<T>(line.trim_end(), &key, &validation)?);
        line.clear();
        count += 1;
    }
    writeln!(io::stdout(), "{count}")?;
    Ok(())
}

fn sign(algorithm: Algorithm, key: &[u8], count: u64) -> Result<(), Box<dyn Error>> {
    let key = match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_pem(key)?,
        Algorithm::ES256 => EncodingKey::from_ec_pem(key)?,
        _ => EncodingKey::from_rsa_pem(key)?,
    };
    let header = Header::new(algorithm);
    let now = get_current_timestamp();
    let mut out = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    for number in 0..count {
        let claims = Claims {
            sub: format!("user{number:06}"),
            roles: vec!["api".to_owned()],
            iat: now,
            exp: now + 7 * 24 * 3600,
        };
        writeln!(out, "{}", encode(&header, &claims, &key)?)?;
    }
    out.flush()?;
    Ok(())
}
