//! Settings: the `.env` and `config.json` readers against what the real ones answered, and the
//! writer of `.env`.

mod dotenv;
mod duration;
mod manual;
mod settings;
