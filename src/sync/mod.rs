//! Directory against user table: a plan, then its execution.
