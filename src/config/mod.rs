//! Settings: `.env` and `config.json`, each value knowing where it came from.

pub mod dotenv;
