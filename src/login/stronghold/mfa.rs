//! The second factor of a login.

use super::error::StrongholdLoginError;
use crate::login::error::LoginError;
use crate::login::ui::LoginUi;
use crate::stronghold::{LoginAnswer, MfaMethod, StrongholdClient};
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// Completes a login that requires a second factor; other answers are returned as they are. The user
/// enters the passcode of a method that has one; other methods are confirmed on the user's device, and
/// the server answers afterwards.
pub(super) fn complete<U: LoginUi>(
    client: &StrongholdClient,
    answer: LoginAnswer,
    wrap_ttl: Option<GoDuration>,
    ui: &mut U,
) -> Result<LoginAnswer, U::Error> {
    let LoginAnswer::Mfa(requirement) = answer else { return Ok(answer) };
    let mut passcodes = Vec::new();
    for constraint in &requirement.constraints {
        let methods = &constraint.methods;
        let method = methods.iter().find(|method| method.uses_passcode).or_else(|| methods.first());
        let Some(method) = method else {
            return Err(LoginError::from(StrongholdLoginError::NoMfaMethod(constraint.name.clone())).into());
        };
        passcodes.push((method.id.as_str(), passcode(method, &constraint.name, ui)?));
    }
    let passcodes: Vec<(&str, &SecretText)> =
        passcodes.iter().map(|(method, passcode)| (*method, passcode)).collect();
    Ok(client.validate_mfa(&requirement, &passcodes, wrap_ttl).map_err(LoginError::from)?)
}

fn passcode<U: LoginUi>(method: &MfaMethod, constraint: &str, ui: &mut U) -> Result<SecretText, U::Error> {
    let name = method.name.as_deref().unwrap_or(constraint);
    if method.uses_passcode {
        return ui.passcode(&method.kind, name);
    }
    let mut notes = Notes::new();
    notes.note(format!("confirm the login on your device: {} {}", method.kind, quote(name)));
    ui.notes(notes);
    Ok(SecretText::new(String::new()))
}
