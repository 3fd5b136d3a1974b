//! The steps of a login, from the request to the stored session.

use super::error::StrongholdLoginError;
use super::provider::ProviderLogin;
use super::request::{JwtSource, ProviderLoginOptions, StrongholdFlow, StrongholdRequest};
use super::{mfa, token};
use crate::login::ci_identity::{CiAccess, CiIdentity};
use crate::login::error::LoginError;
use crate::login::network::NetworkOptions;
use crate::login::outcome::LoginOutcome;
use crate::login::selection::{SessionPlace, SessionSelection};
use crate::login::session::{Session, StrongholdGrant};
use crate::login::session_key::SessionRequest;
use crate::login::session_store::SessionTarget;
use crate::login::ui::{LoginEnvironment, LoginUi};
use crate::stronghold::{IssuedToken, JwtLogin, LoginAnswer, MountPath, ServerSettings, StrongholdClient};
use crate::util::note::Notes;
use crate::util::secret::SecretText;

/// Logs in at the server and stores the session at its place, or returns the wrapping token.
///
/// # Errors
/// [`LoginError`], and errors of the user interface.
pub fn log_in<U: LoginUi>(
    request: &StrongholdRequest,
    place: SessionPlace<'_>,
    environment: &LoginEnvironment<'_>,
    ui: &mut U,
) -> Result<LoginOutcome, U::Error> {
    // Report wrong settings before a secret is read.
    let settings = ServerSettings::resolve(&request.connection, environment.variables);
    let client = settings
        .and_then(|settings| StrongholdClient::new(settings, environment.variables))
        .map_err(LoginError::from)?;
    let origin = token::settings_origin(client.settings());
    let target = SessionTarget::open(place, Some(&origin), environment.variables)?;
    let login = StrongholdLogin { client: &client, request, environment, target: &target };
    let (mount, answer) = match &request.flow {
        StrongholdFlow::Jwt(source) => login.with_jwt(source, ui)?,
        StrongholdFlow::Provider(options) => login.through_provider(options, ui)?,
    };
    match mfa::complete(&client, answer, request.wrap_ttl, ui)? {
        LoginAnswer::Wrapped(wrapped) => Ok(LoginOutcome::Wrapped(wrapped)),
        LoginAnswer::Token(issued) if request.wrap_ttl.is_some() => {
            login.revoke_unstored(&issued.token);
            Err(LoginError::from(StrongholdLoginError::NotWrapped(client.display_url())).into())
        }
        LoginAnswer::Token(issued) => Ok(LoginOutcome::Session(Box::new(login.store(issued, &mount, ui)?))),
        LoginAnswer::Mfa(_) => Err(LoginError::from(StrongholdLoginError::RepeatedMfa).into()),
    }
}

/// One login.
struct StrongholdLogin<'run> {
    client: &'run StrongholdClient,
    request: &'run StrongholdRequest,
    environment: &'run LoginEnvironment<'run>,
    target: &'run SessionTarget,
}

impl StrongholdLogin<'_> {
    /// Returns the mount of the request, or the usual one of this kind of login.
    fn mount(&self, usual: &str) -> Result<MountPath, LoginError> {
        match &self.request.mount {
            Some(mount) => Ok(mount.clone()),
            None => Ok(usual.parse().map_err(crate::stronghold::StrongholdError::from)?),
        }
    }

    fn with_jwt<U: LoginUi>(
        &self,
        source: &JwtSource,
        ui: &mut U,
    ) -> Result<(MountPath, LoginAnswer), U::Error> {
        let mount = self.mount("jwt")?;
        let jwt = match source {
            JwtSource::Input => ui.token()?,
            JwtSource::Session(request) => self.jwt_of_session(request, ui)?,
            JwtSource::Identity(identity) => self.jwt_of_identity(identity, ui)?,
        };
        let login = JwtLogin {
            mount: &mount,
            role: self.request.role.as_deref(),
            jwt: &jwt,
            wrap_ttl: self.request.wrap_ttl,
        };
        let answer = self.client.log_in_with_jwt(&login).map_err(LoginError::from)?;
        Ok((mount, answer))
    }

    /// Returns the token of a CI job. The CA certificates of the server are not used for the CI system.
    fn jwt_of_identity(
        &self,
        identity: &CiIdentity,
        ui: &mut impl LoginUi,
    ) -> Result<SecretText, LoginError> {
        let LoginEnvironment { variables, monotonic, .. } = *self.environment;
        let access =
            CiAccess { variables, http: NetworkOptions::default().http_options(variables)?, monotonic };
        let mut notes = Notes::new();
        let jwt = identity.fetch(&access, &mut notes);
        ui.notes(notes);
        Ok(jwt?)
    }

    /// Returns the ID token of another session, otherwise its token.
    fn jwt_of_session(
        &self,
        request: &SessionRequest,
        ui: &mut impl LoginUi,
    ) -> Result<SecretText, LoginError> {
        let selection = SessionSelection { request: Some(request.clone()), here: None };
        let mut notes = Notes::new();
        let now = self.environment.clock.now();
        let session = crate::login::stored::status(&selection, now, self.environment, &mut notes);
        ui.notes(notes);
        let session = session?;
        let jwt = session.id_token.or(session.token);
        Ok(jwt.ok_or_else(|| StrongholdLoginError::NoJwt(request.text()))?)
    }

    fn through_provider<U: LoginUi>(
        &self,
        options: &ProviderLoginOptions,
        ui: &mut U,
    ) -> Result<(MountPath, LoginAnswer), U::Error> {
        let mount = self.mount("oidc")?;
        let login = ProviderLogin::new(self.client, &mount, self.request, options, self.environment)?;
        let answer = login.run(ui)?;
        Ok((mount, answer))
    }

    /// Stores the session of an issued token. A token that cannot be stored is revoked.
    fn store<U: LoginUi>(
        &self,
        issued: IssuedToken,
        mount: &MountPath,
        ui: &mut U,
    ) -> Result<Session, U::Error> {
        let grant = StrongholdGrant {
            namespace: self.namespace(),
            mount: Some(mount.to_string()),
            role: self.request.role.clone(),
            by_jwt: matches!(self.request.flow, StrongholdFlow::Jwt(_)),
            policies: Vec::new(),
            renewable: issued.renewable,
            lifetime: issued.lifetime,
        };
        let mut notes = Notes::new();
        let key = self.target.key().clone();
        let now = self.environment.clock.now();
        let session = token::session_of(self.client, issued, grant, key, now, &mut notes);
        let stored = match &self.request.username {
            Some(expected) if *expected != session.user.username => {
                let (found, expected) = (session.user.username.clone(), expected.clone());
                Err(LoginError::OtherSubject { found, expected })
            }
            _ => self.target.save(&session, self.environment, &mut notes),
        };
        if stored.is_err()
            && let Some(token) = &session.token
        {
            self.revoke_unstored(token);
        }
        ui.notes(notes);
        stored?;
        Ok(session)
    }

    /// Revokes a token that is not stored. A failure is only logged.
    fn revoke_unstored(&self, token: &SecretText) {
        if let Err(error) = self.client.revoke(token) {
            log::info!("cannot revoke the token that is not stored: {error}");
        }
    }

    fn namespace(&self) -> Option<String> {
        let namespace = self.client.settings().namespace.as_ref();
        namespace.map(|namespace| namespace.value.as_str().to_owned())
    }
}
