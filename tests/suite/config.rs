//! Settings: the readers of `.env` and `config.json` compared with recorded results of the server,
//! and the writer of `.env`.

mod dotenv;
mod duration;
mod manual;
mod settings;
