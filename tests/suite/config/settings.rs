//! `config.json` in its layouts, the precedence of the sources, and the notes about them.

use std::path::PathBuf;

use cc_auth::config::{ConfigErrors, Origin, ServerKeys, Settings, Sources, Value, Variable, load};
use cc_auth::key::KeyStrength;
use cc_auth::util::diagnostic::Diagnostic as _;
use cc_auth::util::environment::Environment;
use cc_auth::util::note::Notes;
use proptest::prelude::*;

use crate::support::{TestEnv, rows};

/// Settings files in a separate directory.
struct Site {
    directory: TestEnv,
    sources: Sources,
}

impl Site {
    fn new() -> Self {
        let directory = TestEnv::new();
        // Read no file of the directory in which the tests run.
        let nothing = directory.write("nothing.env", "");
        let empty = directory.write("nothing.json", "{}");
        let sources = Sources {
            config: Some(Value::new(empty, Origin::Flag("--config"))),
            env_file: Some(Value::new(nothing, Origin::Flag("--env-file"))),
            ..Sources::default()
        };
        Self { directory, sources }
    }

    fn config(mut self, text: &str) -> Self {
        let path = self.directory.write("config.json", text);
        self.sources.config = Some(Value::new(path, Origin::Flag("--config")));
        self
    }

    fn env_file(mut self, text: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.directory.write(".env", text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.sources.env_file = Some(Value::new(path, Origin::Flag("--env-file")));
        self
    }

    fn environment(mut self, variables: &[(&str, &str)]) -> Self {
        self.sources.environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<Environment>();
        self
    }

    /// The settings, and the notes without the directory name.
    fn load(&self) -> Result<(Settings, Vec<String>), ConfigErrors> {
        let (settings, notes) = load(self.sources.clone())?;
        let place = format!("{}/", self.directory.path().display());
        Ok((settings, notes.into_iter().map(|note| note.text.replace(&place, "")).collect()))
    }

    #[track_caller]
    fn good(&self) -> (Settings, Vec<String>) {
        self.load().unwrap_or_else(|faults| panic!("{faults}"))
    }

    /// The settings of files without notes.
    #[track_caller]
    fn silent(&self) -> Settings {
        let (settings, notes) = self.good();
        assert!(notes.is_empty(), "{notes:?}");
        settings
    }

    /// The messages and exit statuses of rejected files.
    #[track_caller]
    fn faults(&self) -> Vec<(u8, String, Option<String>)> {
        let place = format!("{}/", self.directory.path().display());
        match self.load() {
            Ok((settings, _)) => panic!("taken: {settings:?}"),
            Err(faults) => faults
                .into_iter()
                .map(|fault| (fault.status().code(), fault.to_string().replace(&place, ""), fault.hint()))
                .collect(),
        }
    }
}

/// The expected result where this toolkit differs from the recorded server.
enum Differs {
    /// An error of this kind.
    Fault(&'static str),
    /// A lifetime in seconds (`None` never expires), and this text in a note or with `-v`.
    Reported(Option<i64>, &'static str),
}

/// The rows of `config.jsonl` in which the result differs from the server's, and the reason.
fn difference(case: &str) -> Option<Differs> {
    use Differs::{Fault, Reported};
    Some(match case {
        // According to the handbook, 0 never expires.
        "max-age '0s'" | "max-age '0'" => Reported(None, "the server issues tokens that are expired at once"),
        // The server truncates the fraction after adding it to the time.
        "max-age '500ms'" => Reported(Some(0), "less than a second: every new token is expired at once"),
        // The server issues no token, or one without expiry.
        "max-age '1d'" | "max-age '3600'" | "max-age 'abc'" | "max-age '1h-'" | "max-age 'never'" => {
            Fault("config-duration")
        }
        "max-age JSON 3600" | "max-age JSON true" | "jwts a string" | "auth a string" => Fault("config-type"),
        // The server silently uses the default.
        "jwts.validate-user = 1 after max-age"
        | "jwts.cookie-name = 5 before max-age"
        | "jwts.cookie-name = 5 after max-age"
        | "ldap: sync-del-old-users as a string" => Fault("config-type"),
        // The server issues no token at all.
        "jwts null" | "no auth" | "auth_file" => {
            Reported(None, "the server responds to every request with a token with an error (500)")
        }
        "jwts inside main" => Reported(None, "unknown member 'main.jwts'"),
        "auth.jwt (singular)" => Reported(None, "has no section 'auth.jwts'"),
        "jwts at the root (1.2 to 1.4 layout), no auth" => {
            Reported(Some(7_200_000), "version 1.5 does not read 'jwts' at the root")
        }
        // A file of an option must exist.
        "auth-file missing file" | "main-file" | "config.json missing" => Fault("file-missing"),
        // The server does not start.
        "session-max-age spelled session_max_age" => {
            Reported(Some(7_200_000), "the server does not start with it")
        }
        ".env with a bad line" => Fault("env-file-malformed"),
        ".env with a BOM" => Reported(Some(7_200_000), "the server reads nothing of the file"),
        _ => return None,
    })
}

/// Recorded on cc-backend 1.5: the lifetime of the token that it issued with each configuration.
#[test]
fn config_token_lifetime_matches_the_server() {
    let rows = rows("config.jsonl");
    assert_eq!(rows.len(), 72);
    let mut same = 0;
    for row in rows {
        let case = row["case"].as_str().unwrap();
        let mut site = Site::new();
        site = match (&row["config"], row["config_text"].as_str()) {
            (_, Some(text)) if !text.is_empty() => site.config(text),
            (serde_json::Value::Null, _) => {
                site.sources.config =
                    Some(Value::new(site.directory.file("none.json"), Origin::Flag("--config")));
                site
            }
            (config, _) => site.config(&config.to_string()),
        };
        if let Some(text) = row["env_file"].as_str() {
            site = site.env_file(text);
        }
        let result = site.load();
        let reported = |settings: &Settings, notes: &[String]| {
            format!("{notes:?} {:?}", settings.server_findings(ServerKeys::Given))
        };
        match (difference(case), result) {
            (None, Ok((settings, _))) => {
                let lifetime = settings.jwts.max_age.value.map(|lifetime| lifetime.seconds());
                assert_eq!(lifetime, row["exp_minus_iat"].as_i64(), "{row}");
                assert!(!row["claims"].is_null(), "{row}");
                same += 1;
            }
            (None, Err(faults)) => panic!("{case}: {faults}"),
            (Some(Differs::Fault(kind)), Err(faults)) => {
                assert!(faults.iter().any(|fault| fault.kind().name() == kind), "{case}: {faults}");
            }
            (Some(Differs::Reported(lifetime, words)), Ok((settings, notes))) => {
                assert_eq!(
                    settings.jwts.max_age.value.map(|lifetime| lifetime.seconds()),
                    lifetime,
                    "{case}"
                );
                let reported = reported(&settings, &notes);
                assert!(reported.contains(words), "{case}: {reported}");
            }
            (Some(Differs::Fault(_)), Ok(_)) => panic!("{case}: taken"),
            (Some(Differs::Reported(..)), Err(faults)) => panic!("{case}: {faults}"),
        }
    }
    println!("{same} of 72 configurations as on the server, the others as documented");
}

#[test]
fn config_four_layouts_give_the_same_settings() {
    let today = r#"{"main":{"db":"x.db","session-max-age":"24h"},"auth":{
        "jwts":{"max-age":"2h","cookie-name":"c","validate-user":true,"trusted-issuer":"i"},
        "ldap":{"url":"ldap://h","user-base":"b","search-dn":"s","user-bind":"u","user-filter":"f",
                "username-attr":"cn","sync-interval":"1h","sync-del-old-users":true}}}"#;
    let root = r#"{"db":"x.db","session-max-age":"24h",
        "jwts":{"max-age":"2h","cookieName":"c","validateUser":true,"trustedIssuer":"i"},
        "ldap":{"url":"ldap://h","user_base":"b","search_dn":"s","user_bind":"u","user_filter":"f",
                "username_attr":"cn","sync_interval":"1h","sync_del_old_users":true}}"#;
    let first = r#"{"db":"x.db","db-driver":"sqlite3","session-max-age":"24h",
        "jwts":{"max-age":"2h","cookieName":"c","forceJWTValidationViaDatabase":true,"trustedExternalIssuer":"i"},
        "ldap":{"url":"ldap://h","user_base":"b","search_dn":"s","user_bind":"u","user_filter":"f",
                "username_attr":"cn","sync_interval":"1h","sync_del_old_users":true}}"#;
    let seed = r#"{"db":"x.db","session-max-age":"24h","jwt-max-age":"2h",
        "jwts":{"cookieName":"c","forceJWTValidationViaDatabase":true,"trustedExternalIssuer":"i"},
        "ldap":{"url":"ldap://h","user_base":"b","search_dn":"s","user_bind":"u","user_filter":"f",
                "username_attr":"cn","sync_interval":"1h","sync_del_old_users":true}}"#;
    for text in [today, root, first, seed] {
        let settings = Site::new().config(text).silent();
        assert_eq!(settings.db.value, PathBuf::from("x.db"));
        assert_eq!(settings.session_max_age.value.map(|age| age.seconds()), Some(86_400), "{text}");
        let jwts = &settings.jwts;
        assert_eq!(jwts.max_age.value.map(|age| age.seconds()), Some(7_200), "{text}");
        assert_eq!(jwts.cookie_name.as_ref().map(|name| name.value.as_str()), Some("c"), "{text}");
        assert_eq!(jwts.trusted_issuer.as_ref().map(|name| name.value.as_str()), Some("i"), "{text}");
        assert!(jwts.validate_user.value, "{text}");
        let ldap = settings.ldap.as_ref().unwrap();
        let texts = [&ldap.user_base, &ldap.search_dn, &ldap.user_bind, &ldap.user_filter];
        assert_eq!(texts.map(|text| text.as_ref().unwrap().value.as_str()), ["b", "s", "u", "f"]);
        assert_eq!((ldap.username_attr.value.as_str(), ldap.uid_attr.value.as_str()), ("cn", "uid"));
        assert_eq!(ldap.sync_interval.as_ref().unwrap().value.seconds(), 3600);
        assert!(ldap.sync_del_old_users.value);
        let old = settings.server_findings(ServerKeys::Given);
        let has_old = old.iter().any(|finding| finding.reason.contains("as up to version 1.4"));
        assert_eq!(has_old, text != today, "{old:?}");
    }
}

#[test]
fn config_missing_files_give_the_defaults() {
    let settings = Site::new().silent();
    assert_eq!(settings.db, Value::by_default(PathBuf::from("./var/job.db")));
    assert_eq!(settings.session_max_age.value.map(|age| age.to_string()).as_deref(), Some("168h0m0s"));
    assert_eq!(settings.jwts.max_age, Value::by_default(None));
    assert!(settings.ldap.is_none() && settings.oidc.is_empty());
    let ldap = Site::new().config(r#"{"auth":{"jwts":{},"ldap":{}}}"#).silent().ldap.unwrap();
    assert_eq!((ldap.username_attr.value.as_str(), ldap.uid_attr.value.as_str()), ("gecos", "uid"));
}

#[test]
fn config_lifetime_unset_empty_or_zero_never_expires() {
    for value in
        ["", r#""max-age":"""#, r#""max-age":0"#, r#""max-age":0.0"#, r#""max-age":null"#, r#""max-age":"0""#]
    {
        for text in [format!(r#"{{"auth":{{"jwts":{{{value}}}}}}}"#), format!(r#"{{"jwts":{{{value}}}}}"#)] {
            assert_eq!(Site::new().config(&text).good().0.jwts.max_age.value, None, "{text}");
        }
    }
    let seed = Site::new().config(r#"{"jwt-max-age":0}"#).silent();
    assert_eq!(seed.jwts.max_age.value, None);
}

#[test]
fn config_sources_follow_precedence_and_set_the_origin() {
    let text = r#"{"main":{"db":"file.db"},"auth":{"jwts":{"max-age":"1h"}}}"#;
    let site = Site::new()
        .config(text)
        .env_file("JWT_PUBLIC_KEY=file\nSESSION_KEY=old\nSESSION_KEY=new\n")
        .environment(&[("JWT_PUBLIC_KEY", "process"), ("CC_DB", "never looked at here")]);
    let settings = site.silent();
    assert_eq!(settings.db.value, PathBuf::from("file.db"));
    let key = settings.secret(Variable::JwtPublicKey).unwrap();
    assert_eq!(key.text.expose(), "process");
    assert_eq!(key.origin, Origin::Environment("JWT_PUBLIC_KEY".to_owned()));
    let session = settings.secret(Variable::SessionKey).unwrap();
    assert_eq!(session.text.expose(), "new");
    assert!(session.place().ends_with("/.env' line 3"), "{}", session.place());
    let lines = settings.origins().join("\n");
    assert!(
        lines.contains("jwts.max-age = 1h0m0s (from ") && lines.contains("key 'auth.jwts.max-age'"),
        "{lines}"
    );
    assert!(lines.contains("SESSION_KEY = set (from "), "{lines}");
    assert!(!lines.contains("new") && !lines.contains("process"), "a secret is shown: {lines}");
    assert!(!format!("{settings:?}").contains("process"), "a secret is shown");

    let mut site = site;
    site.sources.db = Some(Value::new(PathBuf::from("flag.db"), Origin::Flag("--db")));
    assert_eq!(site.silent().db, Value::new(PathBuf::from("flag.db"), Origin::Flag("--db")));
}

#[test]
fn config_empty_environment_variable_wins_with_a_warning() {
    let site =
        Site::new().env_file("JWT_PUBLIC_KEY=abc\nSESSION_KEY=\n").environment(&[("JWT_PUBLIC_KEY", "")]);
    let (settings, notes) = site.good();
    assert!(settings.secret(Variable::JwtPublicKey).is_none());
    assert_eq!(
        notes[0],
        "JWT_PUBLIC_KEY is empty in the environment, which overrides '.env' line 1: the server rejects every token, \
         since it needs both halves of the key pair"
    );
    let session = Site::new().env_file("SESSION_KEY=AAAA\n").environment(&[("SESSION_KEY", "")]).good().1;
    assert_eq!(
        session[0],
        "SESSION_KEY is empty in the environment, which overrides '.env' line 1: the server does not start"
    );
    let message = |variable| settings.secrets.require(variable).unwrap_err().to_string();
    assert_eq!(message(Variable::JwtPublicKey), "JWT_PUBLIC_KEY is set to an empty value in the environment");
    assert!(message(Variable::SessionKey).ends_with("/.env' line 2"), "{}", message(Variable::SessionKey));
    let unset = settings.secrets.require(Variable::JwtPrivateKey).unwrap_err();
    assert_eq!(
        unset.to_string(),
        "JWT_PRIVATE_KEY is not set, neither in the environment nor in the environment file"
    );
    let hint = unset.hint().unwrap();
    assert!(hint.starts_with("gen-keypair --write --env-file /") && hint.ends_with("/.env"), "{hint}");
    assert_eq!(unset.status().code(), 78);
}

#[test]
fn config_expanded_or_exposed_secret_causes_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new().env_file("LDAP_ADMIN_PASSWORD=pa$SWORD1\n");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(site.directory.file(".env"), open).unwrap();
    let (settings, notes) = site.good();
    assert_eq!(settings.secret(Variable::LdapAdminPassword).unwrap().text.expose(), "pa");
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes[0].contains("LDAP_ADMIN_PASSWORD in '.env' line 1: a $NAME in the value was replaced"),
        "{notes:?}"
    );
    assert!(!notes[0].contains("SWORD1"), "the note shows a part of the password");
    assert!(notes[1].contains("others may access it (mode 0644)"), "{notes:?}");
    let public = Site::new().env_file("JWT_PUBLIC_KEY=x\nOTHER=y\n");
    std::fs::set_permissions(public.directory.file(".env"), std::fs::Permissions::from_mode(0o644)).unwrap();
    public.silent();
}

/// The message, and the hint if there is one.
#[track_caller]
fn refused(text: &str, status: u8, message: &str, hint: Option<&str>) {
    let faults = Site::new().config(text).faults();
    assert_eq!(faults, [(status, message.to_owned(), hint.map(str::to_owned))], "{text}");
}

#[test]
fn config_errors_contain_file_and_key() {
    refused("{\n  \"auth\": {]\n", 78, "'config.json' line 2, column 12: key must be a string", None);
    refused("", 78, "'config.json' line 1, column 1: the file is empty: expected an object", None);
    refused("[]", 78, "'config.json': found an array, expected an object", None);
    refused("null", 78, "'config.json': found null, expected an object", None);
    refused(
        r#"{"auth":{"jwts":{"validate-user":"true"}}}"#,
        78,
        "'config.json' key 'auth.jwts.validate-user': found the string 'true', expected true or false",
        None,
    );
    refused(
        r#"{"auth":{"jwts":{"max-age":"1d"}}}"#,
        78,
        "'config.json' key 'auth.jwts.max-age': invalid duration '1d': unknown unit 'd' (ns us ms s m h)",
        Some("write it as \"24h\""),
    );
    refused(
        r#"{"session-max-age":"3600"}"#,
        78,
        "'config.json' key 'session-max-age': invalid duration '3600': expected a unit after each number (ns us ms s m h)",
        Some("write it as \"3600s\""),
    );
    refused(
        r#"{"jwts":{"max-age":3600}}"#,
        78,
        "'config.json' key 'jwts.max-age': found the number '3600', expected a duration as a string, such as \"24h\"",
        None,
    );
    refused(
        r#"{"db-driver":"mysql","db":"user@/x"}"#,
        78,
        "'config.json' key 'db-driver': the database driver 'mysql' is not supported: expected 'sqlite3'",
        Some("move the users to an SQLite database, or name one with --db"),
    );
    refused(
        r#"{"auth":{"jwts":{},"jwt-roles":{"a":{"bound_subject":"x","bound_subject":"y"}}}}"#,
        78,
        "'config.json' key 'auth.jwt-roles.a': duplicate member 'bound_subject'",
        None,
    );
    let several = Site::new()
        .config(r#"{"main":{"db":5},"auth":{"jwts":{"max-age":"x","cookie-name":1}}}"#)
        .env_file("!\n")
        .faults();
    assert_eq!(several.len(), 4, "{several:?}");
}

#[test]
fn config_file_of_an_option_must_exist() {
    let mut site = Site::new();
    site.sources.config = Some(Value::new(site.directory.file("no.json"), Origin::Flag("--config")));
    site.sources.env_file = Some(Value::new(site.directory.file(".home"), Origin::Flag("--env-file")));
    let faults = site.faults();
    assert_eq!(faults[0], (66, "'no.json' does not exist".to_owned(), None));
    assert_eq!(faults[1], (66, "'.home' is a directory: expected a file".to_owned(), None));
    let faults = Site::new().config(r#"{"auth-file":"/no/such/auth.json"}"#).faults();
    assert_eq!(faults, [(66, "'/no/such/auth.json' does not exist".to_owned(), None)]);
    let rubbish = Site::new();
    let path = rubbish.directory.write("config.json", [0xff, 0xfe, 0, 1]);
    let rubbish = Site {
        sources: Sources { config: Some(Value::new(path, Origin::Flag("-c"))), ..rubbish.sources },
        ..rubbish
    };
    assert_eq!(rubbish.faults()[0].1, "'config.json' is not UTF-8 text: byte 1");
}

/// The notes of a valid configuration.
fn notes_of(text: &str) -> Vec<String> {
    Site::new().config(text).good().1
}

#[test]
fn config_unknown_key_is_reported_with_a_suggestion() {
    let table = [
        (
            r#"{"auth":{"jwts":{"validate_user":true}}}"#,
            "'auth.jwts.validate_user' is ignored, by the server as well: did you mean 'validate-user'?",
        ),
        (
            r#"{"auth":{"jwts":{"forceJWTValidationViaDatabase":true}}}"#,
            "'auth.jwts.forceJWTValidationViaDatabase' is ignored, by the server as well: it is spelled 'validate-user' today",
        ),
        (r#"{"auth":{"jwts":{},"saml":{}}}"#, "'auth.saml' is ignored, by the server as well"),
        (
            r#"{"auth":{"jwts":{},"ldaps":{}}}"#,
            "'auth.ldaps' is ignored, by the server as well: did you mean 'ldap'?",
        ),
        (
            r#"{"auth":{"jwts":{},"ldap":{"user_base":"x"}}}"#,
            "'auth.ldap.user_base' is ignored, by the server as well: did you mean 'user-base'?",
        ),
        (
            r#"{"auth":{"jwts":{},"oidc":{"providers":{"a":{"issuer":"x"}}}}}"#,
            "'auth.oidc.providers.a.issuer' is ignored, by the server as well",
        ),
        (
            r#"{"jwts":{"maxage":"1h"}}"#,
            "'jwts.maxage' is ignored, by the server as well: did you mean 'max-age'?",
        ),
        (
            r#"{"main":{"session_max_age":"1h"}}"#,
            "'main.session_max_age': the server does not start with it: did you mean 'session-max-age'?",
        ),
        (r#"{"main":{"jwts":{}}}"#, "'main.jwts': the server does not start with it: it belongs to 'auth'"),
    ];
    for (text, expected) in table {
        let kind = if text.contains("main") { "member" } else { "key" };
        assert_eq!(notes_of(text), [format!("'config.json': unknown {kind} {expected}")]);
    }
    // In other sections, and with other case, all members are known.
    let text = r#"{"foo":1,"clusters":[],"archive":{"kind":"file"},"main":{"addr":"x","validate":true},
        "auth":{"jwts":{"Max-Age":"1h","VALIDATE-USER":true},"jwt-roles":{"a":{"x":1}},"jwt-config":{}}}"#;
    let settings = Site::new().config(text).silent();
    assert_eq!(settings.jwts.max_age.value.map(|age| age.seconds()), Some(3600));
    assert!(settings.jwts.validate_user.value);
    assert_eq!(settings.jwt_roles.unwrap().value["a"]["x"], 1);
}

#[test]
fn config_many_unknown_keys_are_reported_in_a_few_lines() {
    let keys: Vec<String> = (0..50_000).map(|number| format!("\"k{number}\":1")).collect();
    let notes = notes_of(&format!("{{\"auth\":{{\"jwts\":{{{}}}}}}}", keys.join(",")));
    assert_eq!(notes.len(), 11);
    assert_eq!(notes[0], "'config.json': 50000 keys of 'auth.jwts' are unknown: the first 10 are named");
}

#[test]
fn config_last_line_without_a_name_is_reported() {
    let notes = Site::new().env_file("A=b\nJWT_PUBLIC_KEY").good().1;
    assert_eq!(notes, ["'.env' line 2: no name before the value; the server ignores it"]);
}

#[test]
fn config_differences_to_the_server_are_reported() {
    let table = [
        (
            r#"{"auth":{"jwts":{"max-age":"0"}}}"#,
            "'config.json' key 'auth.jwts.max-age' is '0s': tokens of cc-jwt never expire, but the server issues tokens that are expired at once",
        ),
        (
            r#"{"auth":{"jwts":{"max-age":"-1h"}}}"#,
            "'config.json' key 'auth.jwts.max-age' is '-1h0m0s': every new token is expired at once",
        ),
        (
            r#"{"auth":{"jwts":{}},"main":{"session-max-age":"721h"}}"#,
            "'config.json' key 'main.session-max-age' is '721h0m0s': a web session of the server still lasts at most 30 days",
        ),
        (
            r#"{"auth":{"jwts":{}},"main":{"session-max-age":""}}"#,
            "'config.json' key 'main.session-max-age' is 0 or empty: sessions of cc-login never expire, a web session of the server lasts 30 days",
        ),
        (
            r#"{"auth":{"jwts":{}},"main":{"session-max-age":0}}"#,
            "'config.json' key 'main.session-max-age' is a number: expected a string such as \"168h\"; a server of version 1.5 does not start with it, and sessions of cc-login never expire",
        ),
        (
            r#"{"auth":{"jwts":{"max-age":"1h"}},"Auth":{"jwts":{"max-age":"2h"}}}"#,
            "'config.json': 'Auth' is ignored, by the server as well: the names of sections are case-sensitive",
        ),
        (
            r#"{"auth":{"jwts":{"max-age":"1h"},"JWTS":{"max-age":"2h"}}}"#,
            "'config.json': 'auth.JWTS' is ignored, by the server as well: the names of sections are case-sensitive",
        ),
        (
            r#"{"auth":{"jwts":{"max-age":"2h"}},"auth":{"jwts":{"max-age":"1h"}}}"#,
            "'config.json': duplicate section 'auth' (2 times): the last one wins, for the server as well",
        ),
        (
            r#"{"main":{"db-driver":"sqlite3"}}"#,
            "'config.json': unknown member 'main.db-driver': the server does not start with it",
        ),
        (
            r#"{"auth":{"jwts":{}},"main":{"session-max-age":"-1s"}}"#,
            "'config.json' key 'main.session-max-age' is '-1s': every session expires at once",
        ),
        (
            r#"{"auth":{"jwts":{"max-age":"2h","max-age":"1h"}}}"#,
            "'config.json': duplicate 'auth.jwts.max-age' (2 times): the last one wins",
        ),
        (
            r#"{"auth":{"jwts":{"max-age":"1h"}},"jwts":{"max-age":"2h"}}"#,
            "'config.json': 'jwts' at the root is not used: version 1.5 reads 'auth.jwts'",
        ),
        (
            r#"{"auth":{"jwts":{}},"main":{"db":"a"},"db":"b"}"#,
            "'config.json': 'db' at the root is not used: version 1.5 reads 'main.db'",
        ),
        (
            r#"{"jwts":{"validateUser":false,"forceJWTValidationViaDatabase":true}}"#,
            "'config.json': both 'jwts.validateUser' and 'jwts.forceJWTValidationViaDatabase' are set: the first one wins",
        ),
        (
            r#"{"auth":{"jwts":{"validate-user":true,"sync-user-on-login":true}}}"#,
            "'config.json': 'auth.jwts.sync-user-on-login' has no effect beside 'auth.jwts.validate-user'",
        ),
        (
            "{\"auth\":{\"jwts\":{}}} x",
            "'config.json' line 1, column 22: more text after the end of the configuration is ignored, by the server as well",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(notes_of(text), [expected], "{text}");
    }
}

#[test]
fn config_auth_can_be_in_a_separate_file() {
    let site = Site::new();
    let auth = site.directory.write("auth.json", r#"{"jwts":{"max-age":"3h"}}"#);
    let text = serde_json::json!({"main": {}, "auth-file": auth}).to_string();
    let settings = site.config(&text).silent();
    assert_eq!(settings.jwts.max_age.value.map(|age| age.seconds()), Some(10_800));
    assert!(settings.jwts.max_age.origin.to_string().ends_with("auth.json' key 'auth.jwts.max-age'"));
}

#[test]
fn config_accepts_several_providers_and_search_bases() {
    let text = r#"{"auth":{"jwts":{},"ldap":{"url":"ldap://a, ldaps://b"},"oidc":{"provider":"https://a",
        "providers":{"site":{"provider":"https://b","client-id":"c","client-secret-variable":"SITE_SECRET",
        "scopes":["groups"],"parameters":{"prompt":"login"},"max-age":"1h","default-role":"r"}}}}}"#;
    let site = Site::new().config(text).env_file("SITE_SECRET=hush\n");
    let settings = site.silent();
    assert_eq!(settings.ldap.as_ref().unwrap().url.as_ref().unwrap().value, ["ldap://a", "ldaps://b"]);
    assert_eq!(settings.provider("oidc").unwrap().provider.as_ref().unwrap().value, "https://a");
    let own = settings.provider("site").unwrap();
    assert_eq!(own.key, "auth.oidc.providers.site");
    assert_eq!(own.client_secret.as_ref().unwrap().value.expose(), "hush");
    assert_eq!(own.scopes.as_ref().unwrap().value, ["groups"]);
    assert!(settings.provider("none").is_none());
    let list = Site::new().config(r#"{"auth":{"jwts":{},"ldap":{"url":["ldap://a","ldap://b"]}}}"#).silent();
    assert_eq!(list.ldap.unwrap().url.unwrap().value.len(), 2);
}

#[test]
fn config_provider_secret_causes_the_same_warnings_as_the_server_secret() {
    let text = r#"{"auth":{"jwts":{},"oidc":{"provider":"https://a","client-id":"c",
        "client-secret-variable":"SITE_SECRET"}}}"#;
    let (settings, notes) = Site::new().config(text).env_file("SITE_SECRET=pa$SWORD1\n").load().unwrap();
    let secret = settings.provider("oidc").unwrap().client_secret.clone().unwrap();
    assert_eq!(secret.value.expose(), "pa");
    let expected =
        "SITE_SECRET in '.env' line 1: a $NAME in the value was replaced, and a part of it may be lost";
    assert_eq!(notes, [expected]);
    let site = Site::new().config(text).env_file("");
    std::fs::write(&site.sources.env_file.as_ref().unwrap().value, b"SITE_SECRET='a\xffb'\n").unwrap();
    assert_eq!(site.faults()[0].1, "SITE_SECRET in '.env' line 1: the value is not UTF-8");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn config_arbitrary_text_does_not_panic(text in r#"[{}\[\]":,a-z0-9 \\-]{0,60}|\{"auth":\{"(jwts|ldap|oidc|jwt-roles)":.{0,20}\}\}"#) {
        let _ = Site::new().config(&text).env_file(&text).load();
    }
}

/// From the server's own test setup, generated for tests.
const PUBLIC: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
const PRIVATE: &str =
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==";
const SAMPLE: &str = "kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=";

#[test]
fn config_key_is_decoded_on_use_and_error_contains_its_location() {
    let site = Site::new().env_file(&format!("JWT_PUBLIC_KEY={PUBLIC}\nJWT_PRIVATE_KEY=\"{PRIVATE}\"\n"));
    let settings = site.silent();
    let mut notes = Notes::new();
    let signing = settings.signing_key(&mut notes).unwrap();
    let verifying = settings.verifying_key(&mut notes).unwrap();
    assert_eq!(signing.verifying_key().public_key(), verifying.public_key());
    assert!(notes.is_empty());

    let table = [
        ("JWT_PUBLIC_KEY=AAAA", "JWT_PUBLIC_KEY in '.env' line 1: ", "restore it from a backup"),
        (
            "JWT_PUBLIC_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "JWT_PUBLIC_KEY in '.env' line 1: ",
            "restore it from a backup",
        ),
        ("X=1\nJWT_PUBLIC_KEY=no base64!", "JWT_PUBLIC_KEY in '.env' line 2: ", "remove the white space"),
    ];
    for (text, message, hint) in table {
        let site = Site::new().env_file(text);
        let fault = site.silent().verifying_key(&mut notes).unwrap_err();
        let shown = fault.to_string().replace(&format!("{}/", site.directory.path().display()), "");
        assert!(shown.starts_with(message), "{shown}");
        assert!(!shown.contains("AAAA") && !shown.contains("base64!"), "{shown}");
        assert_eq!(fault.status().code(), 78, "{shown}");
        let given = fault.hint().unwrap_or_default();
        assert!(given.starts_with(hint), "{shown}: {given}");
    }

    let site = Site::new().env_file(&format!(
        "JWT_PUBLIC_KEY={SAMPLE}\nJWT_PRIVATE_KEY={PRIVATE}\nCROSS_LOGIN_JWT_HS512_KEY=\n"
    ));
    let settings = site.silent();
    settings.verifying_key(&mut notes).unwrap();
    let reported: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(reported.len(), 1);
    assert!(reported[0].contains("anyone can sign tokens that this key verifies"), "{reported:?}");
    let pair = settings.signing_key(&mut notes).unwrap_err();
    assert_eq!((pair.kind().name(), pair.status().code()), ("config-key-halves-differ", 78));
    let empty = settings.hmac_secret(KeyStrength::AllowWeak).unwrap_err();
    assert_eq!((empty.kind().name(), empty.status().code()), ("variable-unset", 78));
    let tiny = Site::new().env_file("CROSS_LOGIN_JWT_HS512_KEY=AAAA\n").silent();
    assert_eq!(tiny.hmac_secret(KeyStrength::Enforce).unwrap_err().kind().name(), "config-key-weak");
    assert!(tiny.hmac_secret(KeyStrength::AllowWeak).is_ok());
}
