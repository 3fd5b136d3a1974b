//! The roles and the configuration of a mount.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::{ServerRequest, StrongholdClient, role_segment};
use super::error::{ServerAction, StrongholdError};
use super::path::MountPath;
use crate::util::secret::SecretText;

impl StrongholdClient {
    /// Lists the names of the roles of a mount; empty for a mount without roles.
    ///
    /// # Errors
    /// [`StrongholdError::Denied`] without a policy, [`StrongholdError::NotFound`] for an unknown mount.
    pub fn list_roles(&self, token: &SecretText, mount: &MountPath) -> Result<Vec<String>, StrongholdError> {
        #[derive(Default, Deserialize)]
        struct Keys {
            keys: Vec<String>,
        }
        let path = format!("auth/{mount}/role");
        let action = ServerAction::ListRoles { mount: mount.to_string() };
        // Servers accept this form of the method LIST, which proxies do not know.
        let request = ServerRequest {
            token: Some(token),
            query: &[("list", "true")],
            ..ServerRequest::new(action, &path)
        };
        match self.request(&request) {
            Ok(answer) => serde_json::from_value::<Keys>(answer.data.unwrap_or_default())
                .map(|keys| keys.keys)
                .map_err(|_| self.unexpected("the list of roles does not have the expected form".to_owned())),
            Err(StrongholdError::NotFound { errors, .. }) if errors.is_empty() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Reads the fields of a role.
    ///
    /// # Errors
    /// [`StrongholdError::Denied`] without a policy, [`StrongholdError::NotFound`] for an unknown role or
    /// mount, [`StrongholdError::RoleName`].
    pub fn read_role(
        &self,
        token: &SecretText,
        mount: &MountPath,
        role: &str,
    ) -> Result<Map<String, Value>, StrongholdError> {
        let path = format!("auth/{mount}/role/{}", role_segment(role)?);
        let action = ServerAction::ReadRole { mount: mount.to_string(), role: role.to_owned() };
        self.read(token, action, &path)
    }

    /// Reads the configuration of a mount. It never contains the client secret.
    ///
    /// # Errors
    /// [`StrongholdError::Denied`] without a policy, [`StrongholdError::NotFound`] for an unknown mount or
    /// one that is not configured.
    pub fn read_config(
        &self,
        token: &SecretText,
        mount: &MountPath,
    ) -> Result<Map<String, Value>, StrongholdError> {
        let path = format!("auth/{mount}/config");
        self.read(token, ServerAction::ReadConfig { mount: mount.to_string() }, &path)
    }

    fn read(
        &self,
        token: &SecretText,
        action: ServerAction,
        path: &str,
    ) -> Result<Map<String, Value>, StrongholdError> {
        let answer =
            self.request(&ServerRequest { token: Some(token), ..ServerRequest::new(action, path) })?;
        match answer.data {
            Some(Value::Object(fields)) => Ok(fields),
            _ => Err(self.unexpected("the response is not an object".to_owned())),
        }
    }
}
