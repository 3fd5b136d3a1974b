//! The token helper of `vault` and `bao`: their tokens are the sessions of this program.

use std::collections::BTreeMap;

use super::error::StrongholdLoginError;
use super::token::{self, settings_origin};
use crate::login::error::LoginError;
use crate::login::identity::Method;
use crate::login::selection::{SessionPlace, SessionSelection};
use crate::login::session::{Session, StrongholdGrant};
use crate::login::session_error::SessionError;
use crate::login::session_file::SessionLock;
use crate::login::session_store::{SessionStore, SessionTarget};
use crate::login::stored;
use crate::login::token_demand::TokenDemand;
use crate::login::ui::{LoginEnvironment, LoginUi};
use crate::stronghold::{ConnectionOptions, IssuedToken, ServerSettings, StrongholdClient, StrongholdError};
use crate::util::note::Notes;
use crate::util::secret::SecretText;

/// Returns the settings of the variables; `None` without a server.
fn settings(environment: &LoginEnvironment<'_>) -> Result<Option<ServerSettings>, LoginError> {
    match ServerSettings::resolve(&ConnectionOptions::default(), environment.variables) {
        Ok(settings) => Ok(Some(settings)),
        Err(StrongholdError::NoServer) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the selection of a helper: the requested session, otherwise the one of the server and namespace
/// in the variables.
fn selection_of(
    selection: &SessionSelection,
    environment: &LoginEnvironment<'_>,
) -> Result<SessionSelection, LoginError> {
    let server = match &selection.request {
        Some(_) => None,
        None => settings(environment)?,
    };
    Ok(match server {
        Some(settings) => {
            let store = SessionStore::new(environment.variables)?;
            stored::selection_in_namespace(&store, &settings_origin(&settings))?
        }
        None => selection.clone(),
    })
}

/// Returns the token for `get`. Without a valid session of this method there is none, which is not an
/// error: the program that calls the helper continues without a token.
///
/// # Errors
/// [`LoginError`] for wrong settings and malformed session files.
pub fn token_for_helper<U: LoginUi>(
    selection: &SessionSelection,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<Option<SecretText>, U::Error> {
    let selection = selection_of(selection, environment)?;
    let mut notes = Notes::new();
    let status = stored::status(&selection, environment.clock.now(), environment, &mut notes);
    ui.notes(notes);
    match status {
        Ok(session) if session.method == Method::Stronghold => {}
        Ok(_) => return Ok(None),
        Err(LoginError::Session(
            SessionError::NotLoggedIn | SessionError::Missing { .. } | SessionError::Expired { .. },
        )) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    Ok(Some(stored::fresh_token(&selection, TokenDemand::default(), environment, ui)?.token))
}

/// Stores the token of another program as a session of the server in the variables.
///
/// # Errors
/// [`StrongholdLoginError::HelperWithoutServer`]; errors of the server, which is asked for the lifetime.
pub fn store_for_helper(
    token: SecretText,
    selection: &SessionSelection,
    environment: &LoginEnvironment<'_>,
    notes: &mut Notes,
) -> Result<Session, LoginError> {
    let settings = settings(environment)?.ok_or(StrongholdLoginError::HelperWithoutServer)?;
    let client = StrongholdClient::new(settings, environment.variables)?;
    let status = client.look_up(&token)?;
    let origin = settings_origin(client.settings());
    let target = SessionTarget::open(SessionPlace::Stored(selection), Some(&origin), environment.variables)?;
    let namespace = client.settings().namespace.as_ref();
    let issued = IssuedToken {
        token,
        policies: status.policies.clone(),
        metadata: BTreeMap::new(),
        lifetime: status.lifetime(),
        renewable: status.renewable,
        kind: String::new(),
        uses: status.uses(),
    };
    let grant = StrongholdGrant {
        namespace: namespace.map(|namespace| namespace.value.as_str().to_owned()),
        mount: None,
        role: None,
        by_jwt: false,
        policies: Vec::new(),
        renewable: status.renewable,
        lifetime: issued.lifetime,
    };
    let session =
        token::session_of(&client, issued, grant, target.key().clone(), environment.clock.now(), notes);
    target.save(&session, environment, notes)?;
    Ok(session)
}

/// Removes the session without revoking its token, as the program that calls the helper does this itself.
/// A missing session is not an error.
///
/// # Errors
/// [`LoginError::File`], and wrong settings.
pub fn erase_for_helper(
    selection: &SessionSelection,
    environment: &LoginEnvironment<'_>,
) -> Result<(), LoginError> {
    let selection = selection_of(selection, environment)?;
    let store = SessionStore::new(environment.variables)?;
    let chosen = match store.choose(&selection) {
        Err(LoginError::Session(SessionError::Missing { .. })) => None,
        chosen => chosen?,
    };
    if let Some(path) = chosen.map(|id| store.path(&id)).filter(|path| path.symlink_metadata().is_ok()) {
        SessionLock::acquire(&path)?.remove()?;
    }
    Ok(())
}
